import { commonVersion, type Hello, type Limits, spokenVersions } from '../frames/hello.ts'
import type { Reset, ResetReason } from '../frames/reset.ts'

// How a line opens and closes [S 4]. Pure: time and random numbers come with the inputs.

/** Between two hellos of a side that is closed: at first, and at the most. [S 4.2] */
const firstWaitMs = 500
const longestWaitMs = 5_000

export interface OpeningState {
  /** This side's own. */
  readonly limits: Limits
  readonly own: number
  /** The incarnation last heard from the peer, or 0. */
  readonly peer: number
  /** What was agreed on; null while closed. */
  readonly agreed: Agreed | null
  readonly helloOwed: boolean
  /** While closed: when the next hello is due, and how long after it the one that follows. */
  readonly helloAt: number
  readonly waitMs: number
  /** A reset that is still to be sent. */
  readonly reset: Reset | null
}

export interface Agreed {
  readonly version: number
  /** What the peer takes. */
  readonly limits: Limits
  /** The peer's incarnation. */
  readonly peer: number
}

/** `fresh`: a random number from 1 on, used if the side closes. */
export type OpeningInput =
  | { readonly kind: 'hello'; readonly frame: Hello; readonly at: number; readonly fresh: number }
  | { readonly kind: 'reset'; readonly frame: Reset; readonly at: number; readonly fresh: number }
  /** This side wants to end what is open. */
  | { readonly kind: 'end'; readonly reason: ResetReason; readonly at: number; readonly fresh: number }
  /** The line takes a frame. */
  | { readonly kind: 'ready'; readonly at: number }

export type CloseWhy =
  | ResetReason
  /** The peer said hello with another incarnation. */
  | 'anew'

export type OpeningEffect =
  | { readonly kind: 'send'; readonly frame: Hello | Reset }
  | { readonly kind: 'opened'; readonly agreed: Agreed }
  /** `by`: which side ended it. */
  | { readonly kind: 'closed'; readonly why: CloseWhy; readonly by: 'own' | 'peer' }

export interface OpeningStep {
  readonly state: OpeningState
  readonly effects: readonly OpeningEffect[]
}

/** A side that has just started: closed, with a hello due at once. */
export const newOpening = (limits: Limits, own: number, at: number): OpeningState => ({
  limits,
  own,
  peer: 0,
  agreed: null,
  helloOwed: false,
  helloAt: at,
  waitMs: firstWaitMs,
  reset: null,
})

/** The state after an input and what is to be done: at most one `send`, and only for `ready`. */
export function nextOpening(state: OpeningState, input: OpeningInput): OpeningStep {
  switch (input.kind) {
    case 'hello':
      return heardHello(state, input.frame, input.at, input.fresh)
    case 'reset':
      return state.agreed !== null && input.frame.own === state.peer
        ? closed(state, input.frame.reason, 'peer', input.at, input.fresh)
        : { state, effects: [] }
    case 'end':
      return ended(state, input.reason, input.at, input.fresh)
    case 'ready':
      return ready(state, input.at)
  }
}

function heardHello(before: OpeningState, hello: Hello, at: number, fresh: number): OpeningStep {
  // The peer has started anew. [S 4.6]
  const anew = before.agreed !== null && hello.own !== before.peer
  const { state, effects } = anew ? closed(before, 'anew', 'peer', at, fresh) : { state: before, effects: [] }
  const heard = { ...state, peer: hello.own, helloOwed: state.helloOwed || hello.answer }
  const version = commonVersion(spokenVersions, hello.versions)
  // [S 4.5]
  if (version === null) return { state: { ...heard, reset: resetOf(heard, 'version') }, effects }
  // [S 4.3]
  if (state.agreed !== null || hello.peer !== state.own) return { state: heard, effects }
  const { maxPayload, window, arena } = hello
  const agreed: Agreed = { version, limits: { maxPayload, window, arena }, peer: hello.own }
  return { state: { ...heard, agreed }, effects: [...effects, { kind: 'opened', agreed }] }
}

const resetOf = (state: OpeningState, reason: ResetReason): Reset => ({ kind: 'reset', own: state.own, reason })

/** An incarnation serves one opening, so that a side that begins anew is never taken for the one before. [S 4.1] */
function closed(state: OpeningState, why: CloseWhy, by: 'own' | 'peer', at: number, fresh: number): OpeningStep {
  const own = fresh === state.own ? (fresh % 0xffff_ffff) + 1 : fresh
  return {
    state: { ...state, own, agreed: null, helloAt: at, waitMs: firstWaitMs },
    effects: [{ kind: 'closed', why, by }],
  }
}

function ended(state: OpeningState, reason: ResetReason, at: number, fresh: number): OpeningStep {
  if (state.agreed === null) return { state, effects: [] }
  const step = closed(state, reason, 'own', at, fresh)
  return { ...step, state: { ...step.state, reset: resetOf(state, reason) } }
}

function ready(state: OpeningState, at: number): OpeningStep {
  if (state.reset !== null) {
    return { state: { ...state, reset: null }, effects: [{ kind: 'send', frame: state.reset }] }
  }
  const due = state.agreed === null && at >= state.helloAt
  if (!due && !state.helloOwed) return { state, effects: [] }
  const said = { ...state, helloOwed: false }
  return {
    state: due ? { ...said, helloAt: at + state.waitMs, waitMs: Math.min(2 * state.waitMs, longestWaitMs) } : said,
    effects: [{ kind: 'send', frame: helloOf(state) }],
  }
}

const helloOf = ({ limits, own, peer, agreed }: OpeningState): Hello => ({
  kind: 'hello',
  versions: spokenVersions,
  answer: agreed === null,
  ...limits,
  own,
  peer,
})

/** When `ready` is due even if nothing else happens; null: not before another input. */
export function openingWake(state: OpeningState, at: number): number | null {
  if (state.reset !== null || state.helloOwed) return at
  return state.agreed === null ? state.helloAt : null
}
