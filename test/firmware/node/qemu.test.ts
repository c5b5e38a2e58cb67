import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { afterEach, describe, expect, it } from 'vitest'
import { Board, buildImage, samplesOf } from './board.ts'
import { counter } from './modules.ts'
import { activate, deliver, makePush } from './story.ts'

// The very images that go on the boards, in an emulator: its serial port is the line.

const ends: Board[] = []
afterEach(async () => {
  for (const board of ends.splice(0)) await board.kill()
})

function boot(machine: string, name: string): Board {
  const quiet = ['-display', 'none', '-monitor', 'none', '-serial', 'stdio']
  const board = new Board('qemu-system-arm', ['-M', machine, ...quiet, '-kernel', buildImage(name)])
  ends.push(board)
  return board
}

describe.each([
  ['a Cortex-M3 with 64 KB of RAM', 'lm3s6965evb', 'lm3s6965evb'],
  ['a Cortex-M4', 'mps2-an386', 'mps2_an386'],
])('The firmware on %s', (_, machine, name) => {
  it('says who it is, takes what its fleet has signed, runs it and reports', { timeout: 120_000 }, async () => {
    const board = boot(machine, name)
    const identify = await board.start()
    expect(identify).toMatchObject({ board: 'mcu-1', fleet: 'garden', hardware: name })
    expect(identify.key).toEqual(nodeCrypto.publicKey(new Uint8Array(32).fill(9)))
    const push = makePush(await counter(1))
    const stranger = makePush(await counter(1), { node: 'mcu-2' })
    expect(await deliver(board, stranger)).toBe('wrong-node')
    expect(await deliver(board, push)).toBe('complete')
    expect(await activate(board, push)).toBe('ok')
    const values = await board.until(() => {
      const found = samplesOf(board.reports).get('count@1')
      return found !== undefined && found.size > 3 && [...found.values()]
    })
    expect(values.slice(0, 3)).toEqual([1, 2, 3])
  })
})
