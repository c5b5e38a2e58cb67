import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest'
import { type Board, type Bridge, openBridge } from '../../../firmware-bridge/index.ts'
import { burntSource } from '../../../gateway/admin/cli/mcu/burnt.ts'
import { buildChecked, firmwareFolder } from '../../support/firmware.ts'

// The whole firmware, over a pseudo-terminal and the real serialport.

const onThisMachine = join(buildChecked('host'), '../board-host')
const builds = mkdtempSync(join(tmpdir(), 'hypha-cortex-'))
const onCortex = buildCortex()
afterAll(() => rmSync(builds, { recursive: true }))

let folder = ''
let bridge: Bridge | null = null
let firmware: ChildProcess | null = null

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hypha-real-'))
})
afterEach(async () => {
  await bridge?.close()
  firmware?.kill()
  rmSync(folder, { recursive: true })
})

/** The image for the evaluation board, with an id and a key burnt in. */
function buildCortex(): string {
  const burnt = join(builds, 'burnt.c')
  const seed = new Uint8Array(32).fill(5)
  writeFileSync(burnt, burntSource({ root: null, invite: null, id: 'mcu-7', seed }))
  const words = ['-s', '-C', firmwareFolder, 'BOARD=lm3s6965evb', `OUT=${builds}`, `BURNT=${burnt}`, 'board']
  execFileSync('make', words, { stdio: 'pipe' })
  return join(builds, 'lm3s6965evb/firmware.elf')
}

/** A board that has identified itself and said what it holds. */
function found(): Promise<Board> {
  return new Promise((resolve) => {
    bridge = openBridge({
      ports: [join(folder, 'ttyUSB*')],
      on: (event) => {
        if (event.kind === 'said' && event.message.kind === 'state') resolve(event.board)
      },
    })
  })
}

it('the firmware on this machine says who it is, reads and sets what it has, and refuses what it cannot judge', async () => {
  const words = ['--flash', join(folder, 'flash'), '--pty', join(folder, 'ttyUSB0'), '--sensor', 'temperature=21.5']
  firmware = spawn(onThisMachine, words, { stdio: ['ignore', 'ignore', 'pipe'] })
  const board = await found()
  expect(board.identify).toMatchObject({ hardware: 'host', sensors: ['temperature'], slots: 2 })
  expect(board.state?.slots.map(({ status }) => status)).toEqual(['empty', 'empty'])
  const answers = [
    board.call('temperature', null),
    board.call('pressure', null),
    board.call('led', 1),
    board.call('led', 7),
  ]
  expect((await Promise.all(answers)).map(({ outcome, value }) => [outcome, value])).toEqual([
    ['ok', 21.5],
    ['unknown', null],
    ['ok', null],
    ['out-of-range', null],
  ])
  const digest = new Uint8Array(32).fill(7)
  const content = { what: 'content', digest, size: 9, encoding: 'identity', base: null } as const
  const { outcome } = board.transfer({ ...content, bytes: new Uint8Array(9) })
  // A content is judged by the directive, which it has none of.
  expect(await outcome).toMatchObject({ kind: 'refused' })
  expect(bridge!.lines()).toMatchObject([{ board: board.id, malformed: 0, counters: { openings: 1, violations: 0 } }])
})

it('the firmware on a Cortex-M3 does so over its serial port', async () => {
  const machine = ['-M', 'lm3s6965evb', '-nographic', '-monitor', 'none', '-serial', 'pty', '-kernel', onCortex]
  firmware = spawn('qemu-system-arm', machine, { stdio: ['ignore', 'pipe', 'ignore'] })
  for await (const line of createInterface({ input: firmware.stdout! })) {
    const path = /\/dev\/pts\/\d+/.exec(line)?.[0]
    if (path === undefined) continue
    symlinkSync(path, join(folder, 'ttyUSB0'))
    break
  }
  const board = await found()
  expect(board.identify).toMatchObject({ board: 'mcu-7', hardware: 'lm3s6965evb', ramBytes: 65_536 })
  const answer = await board.call('outdoor', null)
  expect(answer).toMatchObject({ outcome: 'ok' })
  expect(answer.value).toBeGreaterThanOrEqual(15)
  expect(await board.call('led', 2)).toMatchObject({ outcome: 'out-of-range' })
})
