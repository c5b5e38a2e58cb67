import { describe, expect, it } from 'vitest'
import { Bridge, type BridgeEvent } from '../../../firmware-bridge/boards/bridge.ts'
import type { ToTransfer } from '../../../firmware-bridge/boards/transfers.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { chance } from '../frames/two-ends.ts'
import { type BoardBehaviour, FakeBoard, FakeCable, identifyOf } from './fake-board.ts'

/** A bridge with ports that a test plugs in and out, on a clock that it moves. */
class Bench {
  readonly clock = new FakeClock()
  readonly events: BridgeEvent[] = []
  readonly cables = new Map<string, FakeCable>()
  readonly bridge: Bridge
  #changed: (paths: readonly string[]) => void = () => undefined

  constructor() {
    const random = chance(99)
    const ports = {
      clock: this.clock,
      crypto: { random: (count: number) => Uint8Array.from({ length: count }, () => random() * 256) },
      open: async (path: string, _: number, on: Parameters<FakeCable['end']>[1]) => this.cables.get(path)!.end(0, on),
      watch: (changed: (paths: readonly string[]) => void) => {
        this.#changed = changed
        return () => undefined
      },
    }
    this.bridge = new Bridge(ports, 115_200, (event) => this.events.push(event))
  }

  plug(path: string, board: FakeBoard): FakeCable {
    const cable = new FakeCable(this.clock)
    this.cables.set(path, cable)
    board.start(cable)
    this.#changed([...this.cables.keys()])
    return cable
  }

  unplug(path: string): void {
    this.cables.get(path)!.unplug()
    this.cables.delete(path)
    this.#changed([...this.cables.keys()])
  }

  board(behaviour: Partial<BoardBehaviour> = {}): FakeBoard {
    return new FakeBoard({ identify: identifyOf('mcu-1'), ...behaviour }, this.clock)
  }

  /** Lets time pass, with all that promises bring about in between. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed++) {
      this.clock.advance(1)
      for (let turn = 0; turn < 4; turn++) await Promise.resolve()
    }
  }

  said(): string[] {
    return this.events.flatMap((event) =>
      event.kind === 'appeared' || event.kind === 'left' ? [`${event.kind} ${event.board.id}`] : [],
    )
  }
}

const content = (mark: number, size: number): ToTransfer => ({
  what: 'content',
  digest: new Uint8Array(32).fill(mark),
  size,
  encoding: 'identity',
  base: null,
  bytes: Uint8Array.from({ length: size }, (_, at) => (at * 7 + mark) % 256),
})

describe('a transfer to a board', () => {
  it('arrives whole, and tells how far it is', async () => {
    const bench = new Bench()
    const board = bench.board()
    bench.plug('a', board)
    await bench.pass(100)
    const progress: number[] = []
    const what = content(1, 20_000)
    const { outcome } = bench.bridge.board('mcu-1').transfer(what, (held) => progress.push(held))
    await bench.pass(2_500)
    expect(await outcome).toEqual({ kind: 'complete' })
    expect(board.holds.get(1)).toEqual([...what.bytes])
    expect(progress.length).toBeGreaterThan(4)
    expect(progress).toEqual([...progress].sort((a, b) => a - b))
  })

  it('goes on by the byte where the board has come to when it was plugged in elsewhere', async () => {
    const bench = new Bench()
    const board = bench.board()
    bench.plug('a', board)
    await bench.pass(100)
    const what = content(1, 20_000)
    const { outcome } = bench.bridge.board('mcu-1').transfer(what)
    await bench.pass(700)
    bench.unplug('a')
    const before = board.holds.get(1)!.length
    expect(before).toBeGreaterThan(1_000)
    await bench.pass(100)
    bench.plug('b', board)
    await bench.pass(2_500)
    expect(await outcome).toEqual({ kind: 'complete' })
    expect(board.holds.get(1)).toEqual([...what.bytes])
    expect(bench.said()).toEqual(['appeared mcu-1', 'left mcu-1', 'appeared mcu-1'])
  })

  it('goes on when the board started anew in its midst', async () => {
    const bench = new Bench()
    const board = bench.board()
    const cable = bench.plug('a', board)
    await bench.pass(100)
    const what = content(1, 20_000)
    const { outcome } = bench.bridge.board('mcu-1').transfer(what)
    await bench.pass(700)
    board.start(cable)
    await bench.pass(3_000)
    expect(await outcome).toEqual({ kind: 'complete' })
    expect(board.holds.get(1)).toEqual([...what.bytes])
  })

  it('that is refused says with which code, and leaves room for the next', async () => {
    const bench = new Bench()
    const board = bench.board({ refuses: ({ digest }) => (digest[0] === 1 ? 'wrong-node' : null) })
    bench.plug('a', board)
    await bench.pass(100)
    const outcomes = [content(1, 5_000), content(2, 300)].map(
      (what) => bench.bridge.board('mcu-1').transfer(what).outcome,
    )
    await bench.pass(500)
    expect(await Promise.all(outcomes)).toEqual([
      { kind: 'refused', code: 'wrong-node', detail: null },
      { kind: 'complete' },
    ])
  })

  it('can be given up, and the board is told', async () => {
    const bench = new Bench()
    const board = bench.board()
    bench.plug('a', board)
    await bench.pass(100)
    const transfer = bench.bridge.board('mcu-1').transfer(content(1, 20_000))
    await bench.pass(300)
    transfer.cancel()
    await bench.pass(500)
    expect(await transfer.outcome).toEqual({ kind: 'cancelled' })
    expect(board.told.map(({ kind }) => kind)).toEqual(['time', 'offer', 'abandon'])
  })
})

describe('a call', () => {
  it('is answered by the board', async () => {
    const bench = new Bench()
    bench.plug('a', bench.board({ answers: ({ name }) => (name === 'temperature' ? 'ok' : 'unknown') }))
    await bench.pass(100)
    const board = bench.bridge.board('mcu-1')
    const answers = [board.call('temperature', null), board.call('pressure', null)]
    await bench.pass(200)
    expect(await Promise.all(answers)).toMatchObject([
      { outcome: 'ok', value: 21.5 },
      { outcome: 'unknown', value: null },
    ])
  })

  it('ends when the board leaves: a reading was not made, of an actuator it is not known', async () => {
    const bench = new Bench()
    bench.plug('a', bench.board())
    await bench.pass(100)
    const board = bench.bridge.board('mcu-1')
    const answers = [board.call('temperature', null), board.call('fan', 1)]
    await bench.pass(200)
    bench.unplug('a')
    await bench.pass(10)
    expect(await Promise.all(answers)).toMatchObject([{ outcome: 'unavailable' }, { outcome: 'timeout' }])
  })

  it('ends by itself when the board does not answer', async () => {
    const bench = new Bench()
    bench.plug('a', bench.board())
    await bench.pass(100)
    const answer = bench.bridge.board('mcu-1').call('temperature', null)
    await bench.pass(10_200)
    expect(await answer).toMatchObject({ outcome: 'timeout' })
  })

  it('of a board that is away is refused', async () => {
    const bench = new Bench()
    bench.plug('a', bench.board())
    await bench.pass(100)
    bench.unplug('a')
    await bench.pass(10)
    await expect(bench.bridge.board('mcu-1').call('temperature', null)).rejects.toMatchObject({ code: 'board-away' })
    expect(() => bench.bridge.board('mcu-9')).toThrow(/No board "mcu-9"/)
  })
})

describe('a board', () => {
  it('is told the time when it appears, and every ten minutes', async () => {
    const bench = new Bench()
    const board = bench.board()
    bench.plug('a', board)
    await bench.pass(100)
    expect(board.told).toMatchObject([{ kind: 'time' }])
    bench.clock.advance(600_000)
    await bench.pass(100)
    const times = board.told.flatMap((message) => (message.kind === 'time' ? [message.nowMs] : []))
    expect(times).toHaveLength(2)
    expect(times[1]! - times[0]!).toBe(600_000)
  })

  it('is heard by the layer above', async () => {
    const bench = new Bench()
    const board = bench.board()
    bench.plug('a', board)
    await bench.pass(100)
    const state = {
      root: 1,
      directive: 2,
      slots: [],
      risen: [],
      running: [],
      pausedMs: null,
      uptimeMs: 9,
      waiting: 0,
      dropped: 0,
    }
    board.say({ kind: 'state', ...state })
    board.say({ kind: 'report', body: new Uint8Array([160]), mac: null })
    board.say({ kind: 'refused', of: 'activation', number: null, code: 'release-below-floor', detail: null })
    await bench.pass(100)
    const said = bench.events.flatMap((event) => (event.kind === 'said' ? [event.message.kind] : []))
    expect(said).toEqual(['state', 'report', 'refused'])
    expect(bench.bridge.board('mcu-1').state).toMatchObject(state)
  })

  it('is on the port where it identified itself last', async () => {
    const bench = new Bench()
    bench.plug('a', bench.board())
    await bench.pass(100)
    bench.plug('b', bench.board())
    await bench.pass(100)
    expect(bench.bridge.board('mcu-1').path).toBe('b')
    expect(bench.said()).toEqual(['appeared mcu-1', 'left mcu-1', 'appeared mcu-1'])
  })
})

describe('inputs for a board', () => {
  const input = (number: number, bytes = 10) => ({
    source: new Uint8Array(8).fill(3),
    number,
    app: 'greenhouse',
    module: 'sampler',
    home: null,
    topic: 'limit',
    payload: new Uint8Array(bytes),
  })

  it('end at the first that cannot be sent: none that comes after it overtakes it', async () => {
    const bench = new Bench()
    const board = bench.board()
    bench.plug('a', board)
    await bench.pass(100)
    const given = bench.bridge.board('mcu-1').give([input(1), input(2, 300), input(3)])
    await bench.pass(100)
    expect(await given).toEqual({ taken: 1, code: 'bytes-too-long' })
    expect(board.told.flatMap((each) => (each.kind === 'input' ? [each.number] : []))).toEqual([1])
    const next = bench.bridge.board('mcu-1').give([input(3)])
    await bench.pass(100)
    expect(await next).toEqual({ taken: 1, code: null })
  })

  it('of which the board took some before it left are told as so many', async () => {
    const bench = new Bench()
    bench.plug('a', bench.board())
    await bench.pass(100)
    const board = bench.bridge.board('mcu-1')
    const given = board.give([input(1), input(2)])
    bench.unplug('a')
    expect(await given).toEqual({ taken: 0, code: 'board-away' })
    expect(await board.give([input(1)])).toEqual({ taken: 0, code: 'board-away' })
  })
})

it('A copy of a board, flash and all, takes its place; that the first goes on speaking is told once, and what it says counts for nothing', async () => {
  const bench = new Bench()
  const [first, copy] = [bench.board(), bench.board()]
  bench.plug('a', first)
  await bench.pass(100)
  bench.plug('b', copy)
  await bench.pass(100)
  const copies = () => bench.events.filter((event) => event.kind === 'impostor')
  expect(copies()).toEqual([])
  for (let times = 0; times < 2; times++) {
    first.say({ kind: 'refused', of: 'session', number: null, code: 'box-key-invalid', detail: null })
    await bench.pass(50)
  }
  expect(copies()).toMatchObject([{ path: 'a', sameKey: true }])
  expect(bench.events.filter((event) => event.kind === 'said')).toEqual([])
  expect(bench.bridge.board('mcu-1').path).toBe('b')
})
