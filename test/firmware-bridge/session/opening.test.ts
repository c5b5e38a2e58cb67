import { describe, expect, it } from 'vitest'
import type { Hello } from '../../../firmware-bridge/frames/hello.ts'
import {
  newOpening,
  nextOpening,
  type OpeningEffect,
  type OpeningInput,
  type OpeningState,
  openingWake,
} from '../../../firmware-bridge/session/opening.ts'

const limits = { maxPayload: 256, window: 8, arena: 256 * 12 }
const start = newOpening(limits, 11, 0)

/** What the peer says, whose incarnation is 21 unless said otherwise. */
const heard = (fields: Partial<Hello> = {}, at = 0): OpeningInput => ({
  kind: 'hello',
  at,
  fresh: 12,
  frame: {
    kind: 'hello',
    versions: { oldest: 1, newest: 1 },
    answer: false,
    ...limits,
    own: 21,
    peer: 11,
    ...fields,
  },
})
const ready = (at = 0): OpeningInput => ({ kind: 'ready', at })
const reset = (own: number): OpeningInput => ({
  kind: 'reset',
  at: 0,
  fresh: 12,
  frame: { kind: 'reset', own, reason: 'closing' },
})
const end: OpeningInput = { kind: 'end', reason: 'silent', at: 0, fresh: 12 }

function run(state: OpeningState, ...inputs: OpeningInput[]): { state: OpeningState; effects: OpeningEffect[] } {
  const effects: OpeningEffect[] = []
  for (const input of inputs) {
    const step = nextOpening(state, input)
    state = step.state
    effects.push(...step.effects)
  }
  return { state, effects }
}

/** Shortly: `hello 11→21?` asks for an answer. */
const said = (effects: readonly OpeningEffect[]): string[] =>
  effects.map((effect) => {
    if (effect.kind !== 'send') return effect.kind === 'closed' ? `closed ${effect.why} ${effect.by}` : effect.kind
    const { frame } = effect
    return frame.kind === 'hello'
      ? `hello ${frame.own}→${frame.peer}${frame.answer ? '?' : ''}`
      : `reset ${frame.own} ${frame.reason}`
  })

const open = run(start, ready(), heard(), ready()).state

describe('a side that is closed', () => {
  it('says hello at once, and again after times that double to five seconds', () => {
    let state = start
    const times: number[] = []
    for (let turn = 0; turn < 6; turn++) {
      const at = openingWake(state, 0)!
      times.push(at)
      expect(said(run(state, ready(at - 1)).effects)).toEqual([])
      const step = run(state, ready(at))
      expect(said(step.effects)).toEqual(['hello 11→0?'])
      state = step.state
    }
    expect(times).toEqual([0, 500, 1_500, 3_500, 7_500, 12_500])
  })

  it('opens when a hello tells that the peer knows it', () => {
    const { state, effects } = run(start, ready(), heard())
    expect(said(effects)).toEqual(['hello 11→0?', 'opened'])
    expect(state.agreed).toEqual({ version: 1, limits, peer: 21 })
    expect(openingWake(state, 0)).toBe(null)
  })

  it.each([
    ['nobody', 0],
    ['an incarnation that was', 10],
  ])('stays closed when the peer knows %s, and tells of itself', (_, peer) => {
    const { state, effects } = run(start, ready(), heard({ peer, answer: true }), ready())
    expect(state.agreed).toBe(null)
    expect(said(effects)).toEqual(['hello 11→0?', 'hello 11→21?'])
  })

  it('answers several hellos with one', () => {
    const { effects } = run(start, ready(), heard({ answer: true }), heard({ answer: true }), ready(), ready())
    expect(said(effects)).toEqual(['hello 11→0?', 'opened', 'hello 11→21'])
  })

  it('stays closed where no version is common, and says why', () => {
    const { state, effects } = run(start, ready(), heard({ versions: { oldest: 2, newest: 9 } }), ready())
    expect(state.agreed).toBe(null)
    expect(said(effects)).toEqual(['hello 11→0?', 'reset 11 version'])
  })

  it('speaks the newest version that both know', () => {
    expect(run(start, heard({ versions: { oldest: 1, newest: 200 } })).state.agreed?.version).toBe(1)
  })

  it('has nothing to reset', () => {
    expect(run(start, ready(), end, reset(21), ready()).effects).toHaveLength(1)
  })
})

describe('a side that is open', () => {
  it('answers who asks, and is changed by no hello of the same peer', () => {
    const step = run(open, heard({ answer: true, peer: 0 }), ready(), ready())
    expect(said(step.effects)).toEqual(['hello 11→21'])
    expect(step.state.agreed).toEqual(open.agreed)
  })

  it('does not answer a hello that asks for nothing', () => {
    expect(run(open, heard(), ready()).effects).toEqual([])
  })

  it('closes when the peer has started anew, with an incarnation that the peer cannot know yet', () => {
    const step = run(open, heard({ own: 22, peer: 11, answer: true }), ready())
    expect(said(step.effects)).toEqual(['closed anew peer', 'hello 12→22?'])
    expect(said(run(step.state, heard({ own: 22, peer: 12 }), ready(1)).effects)).toEqual(['opened'])
  })

  it('closes by a reset of the incarnation that it is open with, and by no other', () => {
    expect(said(run(open, reset(20)).effects)).toEqual([])
    expect(said(run(open, reset(21), ready()).effects)).toEqual(['closed closing peer', 'hello 12→21?'])
  })

  it('tells which incarnation of it has ended, then who it is now', () => {
    const step = run(open, end, ready(), ready())
    expect(said(step.effects)).toEqual(['closed silent own', 'reset 11 silent', 'hello 12→21?'])
  })

  it('never begins again as who it was, whatever number is drawn', () => {
    const again = { ...end, fresh: 11 } as const
    expect(run(open, again).state.own).toBe(12)
    const last = run(newOpening(limits, 0xffff_ffff, 0), heard({ peer: 0xffff_ffff })).state
    expect(run(last, { ...end, fresh: 0xffff_ffff } as const).state.own).toBe(1)
  })
})
