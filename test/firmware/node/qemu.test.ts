import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
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

function boot(machine: string, name: string, monitor = 'none'): Board {
  const quiet = ['-display', 'none', '-monitor', monitor, '-serial', 'stdio']
  const board = new Board('qemu-system-arm', ['-M', machine, ...quiet, '-kernel', buildImage(name)])
  ends.push(board)
  return board
}

/** Where the linker has put something. */
function addressOf(name: string, symbol: string): number {
  const elf = join(dirname(buildImage(name)), 'slot-a.elf')
  const line = execFileSync('arm-none-eabi-nm', [elf], { encoding: 'utf8' })
    .split('\n')
    .find((each) => each.endsWith(` ${symbol}`))
  return Number.parseInt(line!, 16)
}

/** A piece of the emulated board's memory, as its monitor saves it to a file. */
async function memoryOf(monitor: string, from: number, bytes: number): Promise<Uint32Array> {
  const file = join(dirname(monitor), 'memory')
  const line = connect(monitor)
  line.setEncoding('utf8')
  let [said, prompts] = ['', 0]
  for await (const part of line) {
    said += part
    // One prompt comes before the command, one when it is carried out.
    const now = said.split('(qemu) ').length - 1
    if (now > prompts && prompts === 0) line.write(`pmemsave ${from} ${bytes} "${file}"\n`)
    prompts = now
    if (prompts > 1) break
  }
  line.destroy()
  const read = readFileSync(file)
  return new Uint32Array(read.buffer.slice(read.byteOffset, read.byteOffset + bytes))
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

it('A Cortex-M3 with 64 KB of RAM leaves a part of its stack untouched through all of that', {
  timeout: 120_000,
}, async () => {
  const name = 'lm3s6965evb'
  const folder = mkdtempSync(join(tmpdir(), 'hypha-qemu-'))
  const monitor = join(folder, 'monitor')
  try {
    const board = boot(name, name, `unix:${monitor},server=on,wait=off`)
    await board.start()
    for (const push of [makePush(await counter(1)), makePush(await counter(2), { number: 2 })]) {
      expect(await deliver(board, push)).toBe('complete')
      expect(await activate(board, push)).toBe('ok')
    }
    await board.send({ kind: 'session', key: new Uint8Array(32).fill(7), proof: null })
    await board.until(() => board.heard('session')[0])
    const [stack, end] = [addressOf(name, 'image_stack'), addressOf(name, 'image_stack_end')]
    const words = await memoryOf(monitor, stack, end - stack)
    const untouched = 4 * words.findIndex((word) => word !== words[0])
    expect(words[0]).toBe(0x5ac3e1f0)
    expect(untouched).toBeGreaterThan(384)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
