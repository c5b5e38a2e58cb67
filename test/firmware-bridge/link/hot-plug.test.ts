import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toHex } from '@hypha/core/bytes/text.ts'
import { fromBoard } from '@hypha/core/wire/board/messages.ts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Bridge, type BridgeEvent, openBridge } from '../../../firmware-bridge/index.ts'
import { buildChecked } from '../../support/firmware.ts'
import { identifyOf } from '../boards/fake-board.ts'

// Pseudo-terminals, the real serialport, and the firmware's wire on the other end.

const program = buildChecked('wire-peer')
let folder = ''
let peers: ChildProcessWithoutNullStreams[] = []
let bridge: Bridge | null = null
let events: string[] = []
let heard: () => void = () => undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hypha-ports-'))
  peers = []
  events = []
})
afterEach(async () => {
  await bridge?.close()
  bridge = null
  await Promise.all(peers.map(unplug))
  rmSync(folder, { recursive: true })
})

/** A board whose cable is plugged in at a path. */
async function plug(name: string, board: string, key = 1): Promise<ChildProcessWithoutNullStreams> {
  const identity = toHex(fromBoard.encode({ kind: 'identify', ...identifyOf(board, key) }))
  const peer = spawn(program, [join(folder, name), 'say', identity, 'payload', '512'])
  peers.push(peer)
  await new Promise((resolve) => peer.stdout.once('data', resolve))
  return peer
}

/** The cable is pulled. */
async function unplug(peer: ChildProcessWithoutNullStreams): Promise<void> {
  if (peer.exitCode !== null) return
  const closed = new Promise((resolve) => peer.once('close', resolve))
  peer.stdin.end()
  await closed
}

function shown(event: BridgeEvent): string {
  const name = (path: string | null) => path?.slice(folder.length + 1) ?? '-'
  if (event.kind === 'port') return `${event.status} ${name(event.path)}`
  if (event.kind === 'impostor') return `impostor ${event.board.id} ${name(event.path)}`
  return `${event.kind} ${event.board.id} ${name(event.board.path)}`
}

function open(ports: readonly string[]): Bridge {
  bridge = openBridge({
    ports: ports.map((port) => join(folder, port)),
    on: (event) => {
      events.push(shown(event))
      heard()
    },
  })
  return bridge
}

/** Waits until something has happened. */
const until = (event: string): Promise<void> =>
  new Promise((resolve) => {
    const look = () => {
      if (events.includes(event)) resolve()
    }
    heard = look
    look()
  })

describe('a bridge', () => {
  it('finds a board again by its id when its cable was pulled and put in elsewhere', async () => {
    const first = await plug('ttyUSB0', 'mcu-1')
    const opened = open(['ttyUSB*'])
    await until('appeared mcu-1 ttyUSB0')
    const board = opened.board('mcu-1')
    await unplug(first)
    await until('left mcu-1 -')
    expect(board.path).toBe(null)
    await plug('ttyUSB1', 'mcu-1')
    await until('appeared mcu-1 ttyUSB1')
    expect(opened.boards()).toEqual([board])
  })

  it('speaks to several boards at once, and to one that comes later', async () => {
    await plug('ttyUSB0', 'mcu-1', 1)
    await plug('ttyACM0', 'mcu-2', 2)
    const opened = open(['ttyUSB*', 'ttyACM*'])
    await until('appeared mcu-1 ttyUSB0')
    await until('appeared mcu-2 ttyACM0')
    await plug('ttyUSB1', 'mcu-3', 3)
    await until('appeared mcu-3 ttyUSB1')
    expect(
      opened
        .boards()
        .map(({ id }) => id)
        .sort(),
    ).toEqual(['mcu-1', 'mcu-2', 'mcu-3'])
  })

  it('passes over a board that claims the id of another', async () => {
    await plug('ttyUSB0', 'mcu-1', 1)
    const opened = open(['ttyUSB*'])
    await until('appeared mcu-1 ttyUSB0')
    await plug('ttyUSB1', 'mcu-1', 2)
    await until('impostor mcu-1 ttyUSB1')
    expect(opened.board('mcu-1').path).toBe(join(folder, 'ttyUSB0'))
  })

  it('says that a port is none, and goes on with the others', async () => {
    writeFileSync(join(folder, 'ttyUSB9'), 'a file')
    await plug('ttyUSB0', 'mcu-1')
    open(['ttyUSB*'])
    await until('failed ttyUSB9')
    await until('appeared mcu-1 ttyUSB0')
  })
})
