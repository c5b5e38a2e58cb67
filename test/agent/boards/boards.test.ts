import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FramedReader, framed } from '@hypha/core/bytes/framed.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { nodeFiles } from '@hypha/core/platform/files.ts'
import { createLog } from '@hypha/core/platform/log.ts'
import { type FromBridge, fromBridge, type ToBridge, toBridge } from '@hypha/core/wire/board/agent-port.ts'
import type { BoardState } from '@hypha/core/wire/board/state.ts'
import type { FromChild } from '@hypha/core/wire/messages/child.ts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Boards, openBoards } from '../../../agent/boards/boards.ts'
import type { BoardPorts } from '../../../agent/boards/ports.ts'
import type { HostCall } from '../../../agent/host/host.ts'
import { identifyOf } from '../../firmware-bridge/boards/fake-board.ts'
import { FakeClock } from '../../support/fake-clock.ts'

/** A bridge that a test speaks for. */
let server: Server
let bridge: Socket
let asked: ToBridge[]
let boards: Boards
let folder: string
let clock: FakeClock
let told: FromChild[] = []
let online = false
let look: () => void = () => undefined

const portsOf = (changed: () => void = () => undefined): BoardPorts => ({
  files: nodeFiles(folder),
  crypto: nodeCrypto,
  changed,
  receive: () => new Promise(() => undefined),
  judge: () => null,
  at: () => () => undefined,
  gatewayTime: () => ({ ms: clock.now(), errorMs: 1 }),
  attest: () => undefined,
  isOnline: () => online,
  say: (word) => told.push(word),
  follow: () => undefined,
})

/** Waits for what something that comes in brings about. */
const until = (what: () => boolean): Promise<void> =>
  new Promise((resolve) => {
    look = () => {
      if (what()) resolve()
    }
    look()
  })

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hypha-boards-'))
  asked = []
  told = []
  online = false
  clock = new FakeClock()
  const path = join(folder, 'bridge')
  const { promise, resolve } = Promise.withResolvers<Socket>()
  server = createServer(resolve)
  await new Promise<void>((ready) => server.listen(path, ready))
  boards = openBoards(
    path,
    clock,
    createLog({ json: true, write: () => undefined }),
    portsOf(() => look()),
  )
  bridge = await promise
  const reader = new FramedReader(65_536)
  bridge.on('data', (bytes) => {
    asked.push(...reader.push(bytes).map((message) => toBridge.decode(message)))
    look()
  })
})
afterEach(async () => {
  await boards.close()
  bridge.destroy()
  server.close()
  rmSync(folder, { recursive: true })
})

const say = (message: FromBridge) => bridge.write(framed(fromBridge.encode(message)))
const appears = () => say({ kind: 'appeared', path: '/dev/ttyUSB0', identify: identifyOf('mcu-1'), messageBytes: 256 })

const state: BoardState = {
  root: 1,
  directive: 9,
  slots: [
    {
      slot: 0,
      status: 'confirmed',
      digest: new Uint8Array(32).fill(8),
      size: 14_000,
      held: 14_000,
      app: 'greenhouse',
      module: 'sampler',
      release: 4,
      releaseDigest: new Uint8Array(32).fill(10),
      epoch: 3,
    },
    {
      slot: 1,
      status: 'receiving',
      digest: new Uint8Array(32).fill(9),
      size: 15_000,
      held: 100,
      app: null,
      module: null,
      release: null,
      releaseDigest: null,
      epoch: null,
    },
  ],
  risen: [],
  running: [{ slot: 0, status: 'running', restarts: 1, turns: 77, error: null }],
  pausedMs: null,
  uptimeMs: 5,
  waiting: 0,
  dropped: 0,
}

const request = (part: Partial<HostCall>): HostCall => ({
  interface: 'sensor',
  func: 'read',
  args: ['temperature'],
  key: 'k',
  instance: { app: 'greenhouse', module: 'sampler', home: 'mcu-1' },
  leftMs: 1_000,
  httpHosts: [],
  ...part,
})

describe('a node with a bridge', () => {
  it('tells of a board in the words of nodes', async () => {
    expect(boards.children()).toEqual([])
    appears()
    say({ kind: 'said', board: 'mcu-1', message: { kind: 'state', ...state } })
    await until(() => boards.children()![0]?.directive === 9)
    expect(boards.children()).toMatchObject([
      {
        node: 'mcu-1',
        connected: true,
        inventory: { arch: 'host', memoryBytes: 39_936, forms: ['core'], sensors: ['temperature'] },
        sections: [
          {
            app: 'greenhouse',
            epoch: 3,
            status: 'confirmed',
            running: new Uint8Array(32).fill(10),
            instances: [{ module: 'sampler', home: 'mcu-1', status: 'running', turns: 77, restarts: 1 }],
          },
        ],
        contents: [new Uint8Array(32).fill(8)],
      },
    ])
    say({ kind: 'left', board: 'mcu-1', why: 'the cable was pulled' })
    await until(() => boards.children()![0]?.connected === false)
    expect(boards.children()![0]).toMatchObject({ directive: 9 })
  })

  it('reads a sensor of the board for a module whose home the board is', async () => {
    appears()
    await until(() => boards.children()!.length > 0)
    expect(boards.call(request({ func: 'names', args: [] }))).toEqual(['temperature'])
    const answer = boards.call(request({}))
    await until(() => asked.length > 0)
    expect(asked).toEqual([{ kind: 'call', request: 1, board: 'mcu-1', name: 'temperature', value: null }])
    say({ kind: 'answer', request: 1, answer: { number: 5, outcome: 'ok', value: 21.5 } })
    expect(await answer).toEqual({ tag: 'ok', val: 21.5 })
  })

  it('sets an actuator of it, and passes on why it was not', async () => {
    appears()
    await until(() => boards.children()!.length > 0)
    const answer = boards.call(request({ interface: 'actuator', func: 'set', args: ['led', 7] }))
    await until(() => asked.length > 0)
    expect(asked).toMatchObject([{ name: 'led', value: 7 }])
    say({ kind: 'answer', request: 1, answer: { number: 5, outcome: 'out-of-range', value: null } })
    expect(await answer).toEqual({ tag: 'err', val: 'out-of-range' })
  })

  it('leaves to its own drivers what is not a board’s', async () => {
    appears()
    await until(() => boards.children()!.length > 0)
    const instance = { app: 'greenhouse', module: 'sampler', home: 'pi-7' }
    expect(boards.call(request({ instance }))).toBe(null)
    expect(boards.call(request({ instance: { ...instance, home: null } }))).toBe(null)
    expect(boards.call(request({ interface: 'http', func: 'send', args: [] }))).toBe(null)
  })

  it('waits for no answer beyond the end of the turn', async () => {
    appears()
    await until(() => boards.children()!.length > 0)
    const answer = boards.call(request({}))
    clock.advance(1_000)
    expect(await answer).toEqual({ tag: 'err', val: 'timeout' })
  })

  it('knows nothing of an actuator, and that nothing was read, when the bridge goes', async () => {
    appears()
    await until(() => boards.children()!.length > 0)
    const answers = [
      boards.call(request({})),
      boards.call(request({ interface: 'actuator', func: 'set', args: ['led', 1] })),
    ]
    await until(() => asked.length === 2)
    bridge.destroy()
    expect(await Promise.all(answers)).toEqual([
      { tag: 'err', val: 'unavailable' },
      { tag: 'err', val: 'timeout' },
    ])
    expect(boards.children()![0]!.connected).toBe(false)
    expect(await boards.call(request({}))).toEqual({ tag: 'err', val: 'unavailable' })
  })

  it('tells that a board has started anew before it had reported all, with how much of its journal is gone, once the gateway can be told', async () => {
    appears()
    say({ kind: 'said', board: 'mcu-1', message: { kind: 'state', ...state, waiting: 5 } })
    await until(() => boards.children()![0]?.directive === 9)
    const later = { ...identifyOf('mcu-1'), incarnation: new Uint8Array(8).fill(77) }
    say({ kind: 'appeared', path: '/dev/ttyUSB0', identify: later, messageBytes: 256 })
    await until(() => boards.children()![0]?.incarnation[0] === 77)
    // Once more, with nothing left.
    say({ kind: 'said', board: 'mcu-1', message: { kind: 'state', ...state, directive: 10 } })
    await until(() => boards.children()![0]?.directive === 10)
    appears()
    await until(() => boards.children()![0]?.incarnation[0] === 1)
    expect(told).toEqual([])
    online = true
    boards.online()
    expect(told).toMatchObject([{ node: 'mcu-1', word: { kind: 'note', code: 'gap' } }])
    expect(told[0]!.word).toMatchObject({ text: expect.stringContaining('5 entries of its journal') })
  })

  it('believes nothing of a bridge that says what cannot be read', async () => {
    appears()
    await until(() => boards.children()!.length > 0)
    bridge.write(framed(Uint8Array.of(1, 2, 3)))
    await until(() => boards.children()![0]!.connected === false)
  })
})

it('a node without a bridge has no children, and serves nothing of boards', () => {
  const none = openBoards(undefined, clock, createLog({ json: true, write: () => undefined }), portsOf())
  expect(none.children()).toBe(null)
  expect(none.call(request({}))).toBe(null)
})
