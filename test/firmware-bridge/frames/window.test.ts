import { describe, expect, it } from 'vitest'
import type { Ack } from '../../../firmware-bridge/frames/ack.ts'
import type { Channel } from '../../../firmware-bridge/frames/frame.ts'
import type { Limits } from '../../../firmware-bridge/frames/hello.ts'
import {
  isDone,
  next,
  nextWake,
  openWindow,
  type WindowEffect,
  type WindowInput,
  type WindowState,
} from '../../../firmware-bridge/frames/window.ts'

const limits: Limits = { maxPayload: 64, window: 4, arena: 64 * 8 }
const payload = (value: number): Uint8Array => Uint8Array.of(value)
const offer = (channel: Channel, ...values: number[]): WindowInput[] =>
  values.map((value) => ({ kind: 'offer', channel, payload: payload(value) }))
const ready = (at: number, times = 1): WindowInput[] => Array(times).fill({ kind: 'ready', at })
const ack = (channel: Channel, next: number, held: number, at: number): WindowInput => ({
  kind: 'arrived',
  at,
  frame: { kind: 'ack', channel, next, held },
})
const data = (channel: Channel, number: number): WindowInput => ({
  kind: 'arrived',
  at: 0,
  frame: { kind: 'data', channel, number, payload: payload(number) },
})
const taken = (channel: Channel): WindowInput => ({ kind: 'taken', channel })

function run(state: WindowState, ...inputs: WindowInput[]): { state: WindowState; effects: WindowEffect[] } {
  const effects: WindowEffect[] = []
  let now = state
  for (const input of inputs) {
    const step = next(now, input)
    now = step.state
    effects.push(...step.effects)
  }
  return { state: now, effects }
}

/** What was put on the line, shortly: `update 3`. */
const sentIn = (effects: readonly WindowEffect[]): string[] =>
  effects.flatMap((effect) =>
    effect.kind === 'send' && effect.frame.kind === 'data' ? [`${effect.frame.channel} ${effect.frame.number}`] : [],
  )
const acksIn = (effects: readonly WindowEffect[]): Ack[] =>
  effects.flatMap((effect) => (effect.kind === 'send' && effect.frame.kind === 'ack' ? [effect.frame] : []))

const fresh = openWindow(limits, limits)

describe('the sending side', () => {
  it('has no more frames of a channel under way than the peer takes', () => {
    const { state, effects } = run(fresh, ...offer('update', 0, 1, 2, 3, 4, 5), ...ready(0, 9))
    expect(sentIn(effects)).toEqual(['update 0', 'update 1', 'update 2', 'update 3'])
    expect(sentIn(run(state, ack('update', 1, 0, 5), ...ready(5, 9)).effects)).toEqual(['update 4'])
  })

  it('goes on when the peer has room again, not when the frames have only arrived', () => {
    const { state } = run(fresh, ...offer('update', 0, 1, 2, 3, 4, 5), ...ready(0, 9))
    expect(run(state, ack('update', 0, 0b1111, 5), ...ready(5, 9)).effects).toEqual([])
    expect(sentIn(run(state, ack('update', 2, 0b11, 5), ...ready(5, 9)).effects)).toEqual(['update 4', 'update 5'])
  })

  it('lets channels take turns, so that a value does not wait for an update', () => {
    const { effects } = run(
      fresh,
      ...offer('update', 0, 1, 2, 3),
      ...ready(0),
      ...offer('telemetry', 0, 1),
      ...offer('control', 0),
      ...ready(0, 9),
    )
    expect(sentIn(effects)).toEqual([
      'update 0',
      'telemetry 0',
      'control 0',
      'update 1',
      'telemetry 1',
      'update 2',
      'update 3',
    ])
  })

  it('leaves each channel a place in the arena, whatever the others hold', () => {
    const peer = { ...limits, window: 8, arena: 64 * 5 }
    const { state, effects } = run(openWindow(limits, peer), ...offer('update', 0, 1, 2, 3), ...ready(0, 9))
    expect(sentIn(effects)).toEqual(['update 0', 'update 1'])
    const later = run(state, ...offer('telemetry', 0, 1), ...offer('control', 0), ...offer('inputs', 0), ...ready(0, 9))
    expect(sentIn(later.effects)).toEqual(['telemetry 0', 'inputs 0', 'control 0'])
  })

  it('sends a frame again as soon as one that was sent after it has arrived', () => {
    const { state } = run(fresh, ...offer('update', 0, 1, 2, 3), ...ready(0, 4))
    expect(sentIn(run(state, ack('update', 1, 0b010, 10), ...ready(10, 9)).effects)).toEqual(['update 1'])
  })

  it('sends a frame again when its time is over, waiting twice as long with each time after the third', () => {
    let { state } = run(fresh, ...offer('update', 0), ...ready(0))
    for (const due of [500, 1_000, 1_500, 2_500, 4_500, 8_500, 12_500]) {
      expect(nextWake(state)).toBe(due)
      expect(run(state, ...ready(due - 1)).effects).toEqual([])
      const step = run(state, ...ready(due))
      expect(sentIn(step.effects)).toEqual(['update 0'])
      state = step.state
    }
  })

  it('waits as long as the line has proven to need', () => {
    const { state } = run(fresh, ...offer('update', 0), ...ready(0), ack('update', 1, 0, 200), ...offer('update', 1))
    // RFC 6298, 2.2: 200 + 4 · 100 after the first measurement.
    expect(nextWake(run(state, ...ready(1_000)).state)).toBe(1_600)
  })

  it('draws no conclusion from the arrival of a frame that it sent twice', () => {
    const { state } = run(fresh, ...offer('update', 0, 1), ...ready(0, 2), ...ready(500, 2))
    // Both are under way a second time; whichever transmission of 1 this was, 0 may still come.
    const step = run(state, ack('update', 0, 0b10, 510), ...ready(510, 2))
    expect(sentIn(step.effects)).toEqual([])
    expect(step.state.sender.trip).toBe(null)
  })

  it('asks again with its first frame when all have arrived and none was taken for long', () => {
    const { state } = run(fresh, ...offer('update', 0, 1), ...ready(0, 2), ack('update', 0, 0b11, 10))
    const due = nextWake(state)!
    expect(sentIn(run(state, ...ready(due, 2)).effects)).toEqual(['update 0'])
  })

  it('tells once that the peer is silent, and goes on', () => {
    let { state } = run(openWindow(limits, limits, { silentTries: 3 }), ...offer('update', 0), ...ready(0))
    const told: string[] = []
    for (let tries = 2; tries <= 6; tries++) {
      const step = run(state, ...ready(nextWake(state)!))
      told.push(step.effects.map(({ kind }) => kind).join(' '))
      state = step.state
    }
    expect(told).toEqual(['send', 'send silent', 'send', 'send', 'send'])
  })

  it('is done when everything was taken', () => {
    const { state } = run(fresh, ...offer('update', 0, 1), ...ready(0, 2))
    expect(isDone(state)).toBe(false)
    expect(isDone(run(state, ack('update', 0, 0b11, 10)).state)).toBe(false)
    const step = run(state, ack('update', 2, 0, 10))
    expect(step.effects).toEqual([{ kind: 'done', channel: 'update', count: 2 }])
    expect(isDone(step.state)).toBe(true)
    expect(nextWake(step.state)).toBe(null)
  })

  it.each<[string, WindowInput]>([
    ['a number that was not sent', ack('update', 3, 0, 5)],
    ['a place that was not sent', ack('update', 0, 0b100, 5)],
    ['the last place of the bitmap', ack('update', 0, 0x8000_0000, 5)],
    ['a channel that sent nothing', ack('telemetry', 1, 0, 5)],
  ])('calls an ack of %s a violation, and keeps its state', (_, input) => {
    const { state } = run(fresh, ...offer('update', 0, 1), ...ready(0, 2))
    const step = run(state, input)
    expect(step.effects).toMatchObject([{ kind: 'violation', why: 'acknowledges-unsent' }])
    expect(step.state.sender).toEqual(state.sender)
  })

  it('passes over an ack that is older than one before', () => {
    const { state } = run(fresh, ...offer('update', 0, 1), ...ready(0, 2), ack('update', 1, 0, 5))
    expect(run(state, ack('update', 0, 0b1, 6)).state.sender).toEqual(state.sender)
  })

  it('refuses what the peer does not take, and what its queue has no room for', () => {
    const small = openWindow(limits, limits, { maxQueued: 1 })
    expect(next(small, { kind: 'offer', channel: 'update', payload: new Uint8Array(65) }).effects).toEqual([
      { kind: 'refused', channel: 'update', why: 'too-long' },
    ])
    expect(run(small, ...offer('update', 0, 1)).effects).toEqual([
      { kind: 'refused', channel: 'update', why: 'queue-full' },
    ])
  })
})

describe('the receiving side', () => {
  it('hands payloads up in order, keeping those that came early', () => {
    const { effects } = run(fresh, data('update', 1), data('update', 2), data('update', 0), data('update', 3))
    expect(effects).toEqual([0, 1, 2, 3].map((n) => ({ kind: 'deliver', channel: 'update', payload: payload(n) })))
  })

  it('says in one ack what has arrived and what was taken', () => {
    const { effects } = run(
      fresh,
      data('update', 0),
      data('update', 1),
      data('update', 3),
      taken('update'),
      ...ready(0),
    )
    expect(acksIn(effects)).toEqual([{ kind: 'ack', channel: 'update', next: 1, held: 0b101 }])
  })

  it.each([
    ['was taken', 0],
    ['was handed up', 1],
    ['came early', 3],
  ])('acknowledges a repeat of what %s, and hands nothing up again', (_, number) => {
    const early = [0, 1, 3].map((first) => data('update', first))
    const { state } = run(fresh, ...early, taken('update'), ...ready(0, 2))
    const { effects } = run(state, data('update', number), ...ready(0, 2))
    expect(effects).toEqual([{ kind: 'send', frame: { kind: 'ack', channel: 'update', next: 1, held: 0b101 } }])
  })

  it('drops what lies beyond its window or its arena', () => {
    expect(run(fresh, data('update', 4)).effects).toEqual([
      { kind: 'violation', channel: 'update', why: 'beyond-window' },
    ])
    const tight = openWindow({ ...limits, arena: 64 * 4 }, limits)
    const { state } = run(tight, data('update', 1))
    expect(run(state, data('update', 2)).effects).toEqual([
      { kind: 'violation', channel: 'update', why: 'beyond-arena' },
    ])
    expect(run(state, data('control', 0)).effects).toMatchObject([{ kind: 'deliver' }])
  })

  it('moves its window across the end of the numbers', () => {
    let state = fresh
    for (let number = 0; number < 65_534; number++) state = run(state, data('update', number), taken('update')).state
    const step = run(state, ...[65_535, 0, 65_534, 1].map((number) => data('update', number)), ...ready(0))
    expect(step.effects.filter(({ kind }) => kind === 'deliver')).toHaveLength(4)
    expect(acksIn(step.effects)).toEqual([{ kind: 'ack', channel: 'update', next: 65_534, held: 0b1111 }])
  })

  it('changes nothing when told that a payload was taken that it never handed up', () => {
    expect(run(fresh, taken('update')).state).toEqual(fresh)
    const { state } = run(fresh, data('update', 1))
    expect(run(state, taken('update')).state).toEqual(state)
  })
})

describe('both sides on one line', () => {
  it('let acks go first, then take turns with payloads while a peer keeps repeating itself', () => {
    let { state } = run(fresh, ...offer('update', 0, 1, 2, 3))
    const order: string[] = []
    for (let turn = 0; turn < 6; turn++) {
      const step = run(state, data('telemetry', 0), ...ready(0))
      order.push(...step.effects.flatMap((effect) => (effect.kind === 'send' ? [effect.frame.kind] : [])))
      state = step.state
    }
    expect(order).toEqual(['ack', 'data', 'ack', 'data', 'ack', 'data'])
  })
})
