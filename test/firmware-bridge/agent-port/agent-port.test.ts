import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { FramedReader, framed } from '@hypha/core/bytes/framed.ts'
import { toHex } from '@hypha/core/bytes/text.ts'
import { type FromBridge, fromBridge, type ToBridge, toBridge } from '@hypha/core/wire/board/agent-port.ts'
import { fromBoard } from '@hypha/core/wire/board/messages.ts'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { buildChecked } from '../../support/firmware.ts'
import { identifyOf } from '../boards/fake-board.ts'

// The bridge as an agent starts it: a process of its own, with a board of the firmware's wire on its port.

const peer = buildChecked('wire-peer')
const main = resolve(import.meta.dirname, '../../../firmware-bridge/main.ts')
let folder = ''
let processes: ChildProcess[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hypha-bridge-'))
  processes = []
})
afterEach(async () => {
  for (const process of processes) await stopped(process)
  rmSync(folder, { recursive: true })
})

const stopped = async (process: ChildProcess): Promise<void> => {
  if (process.exitCode !== null || process.signalCode !== null) return
  const closed = new Promise((resolve) => process.once('close', resolve))
  process.kill('SIGTERM')
  await closed
}

/** Starts a program; resolves with its first line. */
async function start(program: string, args: readonly string[]): Promise<ChildProcess> {
  const process = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  processes.push(process)
  await new Promise((resolve) => process.stdout!.once('data', resolve))
  return process
}

const plug = (name: string) => {
  const identity = toHex(fromBoard.encode({ kind: 'identify', ...identifyOf('mcu-1') }))
  return start(peer, [join(folder, name), 'say', identity, 'payload', '512'])
}
const serve = () => start(process.execPath, [main, 'serve', join(folder, 'socket'), '--port', join(folder, 'ttyUSB*')])

/** The agent's side of the socket. */
class Agent {
  readonly #socket: Socket
  readonly heard: FromBridge[] = []
  #look: () => void = () => undefined
  isClosed = false

  constructor(path: string) {
    const reader = new FramedReader(65_536)
    this.#socket = connect(path)
    this.#socket.on('data', (bytes) => {
      this.heard.push(...reader.push(bytes).map((message) => fromBridge.decode(message)))
      this.#look()
    })
    this.#socket.on('error', () => undefined)
    this.#socket.on('close', () => {
      this.isClosed = true
      this.#look()
    })
  }

  say(message: ToBridge): void {
    this.#socket.write(framed(toBridge.encode(message)))
  }
  write(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }
  end(): void {
    this.#socket.destroy()
  }

  until(what: (heard: readonly FromBridge[]) => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#look = () => {
        if (what(this.heard)) resolve()
      }
      this.#look()
    })
  }
  hears = (kind: FromBridge['kind'], count = 1): Promise<void> =>
    this.until((heard) => heard.filter((message) => message.kind === kind).length >= count)
}

it('tells an agent of the boards that are there, and of those that come and go', async () => {
  const board = await plug('ttyUSB0')
  await serve()
  const first = new Agent(join(folder, 'socket'))
  await first.hears('appeared')
  const second = new Agent(join(folder, 'socket'))
  await second.hears('appeared')
  expect(second.heard).toMatchObject([
    { kind: 'port', status: 'open' },
    { kind: 'appeared', path: join(folder, 'ttyUSB0'), identify: { board: 'mcu-1', hardware: 'host' } },
  ])
  board.stdin!.end()
  await Promise.all([first.hears('left'), second.hears('left')])
  await plug('ttyUSB1')
  await first.hears('appeared', 2)
  first.end()
  second.end()
})

it('answers each request, be it taken, refused for want of a board, or given up', async () => {
  await plug('ttyUSB0')
  await serve()
  const agent = new Agent(join(folder, 'socket'))
  await agent.hears('appeared')
  const time = { kind: 'time', nowMs: 1 } as const
  agent.say({ kind: 'tell', request: 1, board: 'mcu-1', message: time })
  agent.say({ kind: 'tell', request: 2, board: 'mcu-9', message: time })
  const digest = new Uint8Array(32)
  const rest = { what: 'content', digest, size: 9, encoding: 'identity', base: null, bytes: new Uint8Array(9) } as const
  // What is behind the wire here says nothing: an offer stays without an answer.
  agent.say({ kind: 'transfer', request: 3, board: 'mcu-1', ...rest })
  agent.say({ kind: 'cancel', request: 4, of: 3 })
  await agent.hears('done', 4)
  const done = agent.heard.flatMap((message) =>
    message.kind === 'done' ? [`${message.request} ${message.ok ? 'ok' : message.code}`] : [],
  )
  expect(done.sort()).toEqual(['1 ok', '2 board-unknown', '3 transfer-cancelled', '4 ok'])
  agent.end()
})

it('leaves an agent that says what cannot be read, and serves the next', async () => {
  await plug('ttyUSB0')
  await serve()
  for (const bytes of [framed(new Uint8Array([1, 2, 3])), new Uint8Array([255, 255, 255, 255])]) {
    const hostile = new Agent(join(folder, 'socket'))
    hostile.write(bytes)
    await hostile.until(() => hostile.isClosed)
  }
  const agent = new Agent(join(folder, 'socket'))
  await agent.hears('appeared')
  agent.end()
})

it('lets go of its ports and ends when its agent says so', async () => {
  await plug('ttyUSB0')
  const bridge = await serve()
  const agent = new Agent(join(folder, 'socket'))
  await agent.hears('appeared')
  const closed = new Promise((resolve) => bridge.once('close', resolve))
  agent.say({ kind: 'stop', request: 1 })
  expect(await closed).toBe(0)
  await serve()
  const next = new Agent(join(folder, 'socket'))
  await next.hears('appeared')
  next.end()
})
