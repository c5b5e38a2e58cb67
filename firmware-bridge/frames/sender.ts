import type { Ack } from './ack.ts'
import type { Data } from './data.ts'
import { type Channel, channels } from './frame.ts'
import { type Limits, maxWindow } from './hello.ts'
import { measured, type RoundTrip, type TimeoutLimits, timeoutMs } from './round-trip.ts'
import { ahead, numberAfter } from './sequence.ts'

// The sending half of a line's windows. Pure: time comes with the inputs, and `wakeAt` says when the next input is due.

export interface SenderOptions extends TimeoutLimits {
  /** Payloads of one channel that wait for their first turn. */
  readonly maxQueued: number
  /** Transmissions of one frame after which the peer counts as silent. */
  readonly silentTries: number
}

export const defaultSenderOptions: SenderOptions = {
  maxQueued: 64,
  silentTries: 12,
  firstTimeoutMs: 500,
  minTimeoutMs: 100,
  maxTimeoutMs: 4_000,
}

/** A frame that was sent and isn't yet known to be taken. */
interface Flight {
  readonly number: number
  readonly payload: Uint8Array
  /** Place of its latest transmission among all of this side. */
  readonly order: number
  readonly tries: number
  readonly sentAt: number
  /** `held`: it arrived, the peer's upper layer hasn't taken it. `lost`: frames sent after it arrived, it didn't. */
  readonly fate: 'unknown' | 'lost' | 'held'
}

interface ChannelOut {
  readonly queue: readonly Uint8Array[]
  /** In the order of their numbers, without gaps. */
  readonly flights: readonly Flight[]
  /** The number of the next new frame. */
  readonly number: number
}

export interface SenderState {
  /** The peer's. */
  readonly limits: Limits
  readonly options: SenderOptions
  readonly outs: Readonly<Record<Channel, ChannelOut>>
  /** The channel that had the last turn. */
  readonly last: Channel
  /** Transmissions so far. */
  readonly sent: number
  readonly trip: RoundTrip
}

export type SenderEffect =
  | { readonly kind: 'send'; readonly frame: Data }
  /** The payload doesn't fit: more than the peer takes, or the queue is full. It is still the caller's. */
  | { readonly kind: 'refused'; readonly channel: Channel; readonly why: 'too-long' | 'queue-full' }
  /** The channel's oldest `count` payloads were taken by the peer's upper layer. */
  | { readonly kind: 'done'; readonly channel: Channel; readonly count: number }
  /** The peer says what can't be: the two sides are out of step. [S 5.7] */
  | { readonly kind: 'violation'; readonly channel: Channel; readonly why: 'acknowledges-unsent' }
  /** A frame was sent `silentTries` times and no word came of it. It goes on being sent. [S 5.8] */
  | { readonly kind: 'silent'; readonly channel: Channel }

export interface SenderStep {
  readonly state: SenderState
  readonly effects: readonly SenderEffect[]
}

const emptyOut: ChannelOut = { queue: [], flights: [], number: 0 }

export const newSender = (limits: Limits, options: SenderOptions): SenderState => ({
  limits,
  options,
  outs: { control: emptyOut, update: emptyOut, telemetry: emptyOut, inputs: emptyOut },
  last: 'inputs',
  sent: 0,
  trip: null,
})

const withOut = (state: SenderState, channel: Channel, out: ChannelOut): SenderState => ({
  ...state,
  outs: { ...state.outs, [channel]: out },
})

/** The layer above has a payload for a channel. */
export function offer(state: SenderState, channel: Channel, payload: Uint8Array): SenderStep {
  const out = state.outs[channel]
  const refuse = (why: 'too-long' | 'queue-full') => ({
    state,
    effects: [{ kind: 'refused', channel, why }] as const,
  })
  if (payload.length > state.limits.maxPayload) return refuse('too-long')
  if (out.queue.length >= state.options.maxQueued) return refuse('queue-full')
  return { state: withOut(state, channel, { ...out, queue: [...out.queue, payload] }), effects: [] }
}

/** An ack arrived. [S 5.4] */
export function acknowledged(state: SenderState, ack: Ack, at: number): SenderStep {
  const { channel } = ack
  const out = state.outs[channel]
  const oldest = out.flights[0]?.number ?? out.number
  const taken = ahead(oldest, ack.next)
  // Older than one that came before: it has nothing new to say.
  if (taken < 0) return { state, effects: [] }
  const reach = taken + maxWindow - Math.clz32(ack.held)
  if (taken > out.flights.length || reach > out.flights.length) {
    return { state, effects: [{ kind: 'violation', channel, why: 'acknowledges-unsent' }] }
  }
  const arrived = out.flights.filter(
    ({ fate }, index) => fate !== 'held' && (index < taken || isHeld(ack.held, index - taken)),
  )
  // What was sent twice may have arrived the first time: it neither measures a trip nor proves an order (Karn's rule).
  const proof = arrived.filter(({ tries }) => tries === 1).reduce<Flight | null>(later, null)
  const flights = out.flights.slice(taken).map((flight, index): Flight => {
    if (flight.fate === 'held') return flight
    if (isHeld(ack.held, index)) return { ...flight, fate: 'held', tries: 1, sentAt: at }
    // The line keeps its order, so what was sent before a frame that arrived, and didn't arrive itself, is lost. [S 5.5]
    return proof !== null && flight.order < proof.order ? { ...flight, fate: 'lost' } : flight
  })
  const trip = proof === null ? state.trip : measured(state.trip, at - proof.sentAt)
  return {
    state: { ...withOut(state, channel, { ...out, flights }), trip },
    effects: taken > 0 ? [{ kind: 'done', channel, count: taken }] : [],
  }
}

const isHeld = (held: number, index: number): boolean => index < maxWindow && ((held >>> index) & 1) === 1

const later = (a: Flight | null, b: Flight): Flight => (a === null || b.order > a.order ? b : a)

/** The line takes one more frame: channels take turns, one frame each, repeats before new ones. [S 5.3] */
export function sendNext(state: SenderState, at: number): SenderStep {
  const start = channels.indexOf(state.last) + 1
  for (let turn = 0; turn < channels.length; turn++) {
    const channel = channels[(start + turn) % channels.length]!
    const out = state.outs[channel]
    const due = dueFlight(state, out, at)
    if (due !== null) return repeat(state, channel, due, at)
    if (out.queue.length > 0 && hasRoom(state, channel)) return sendFirst(state, channel, at)
  }
  return { state, effects: [] }
}

function sendFirst(state: SenderState, channel: Channel, at: number): SenderStep {
  const out = state.outs[channel]
  const [payload, ...queue] = out.queue
  const flight: Flight = {
    number: out.number,
    payload: payload!,
    order: state.sent,
    tries: 1,
    sentAt: at,
    fate: 'unknown',
  }
  const sending = { queue, flights: [...out.flights, flight], number: numberAfter(out.number) }
  return {
    state: { ...withOut(state, channel, sending), last: channel, sent: state.sent + 1 },
    effects: [{ kind: 'send', frame: { kind: 'data', channel, number: flight.number, payload: flight.payload } }],
  }
}

function repeat(state: SenderState, channel: Channel, flight: Flight, at: number): SenderStep {
  const out = state.outs[channel]
  const tries = flight.tries + 1
  const fate = flight.fate === 'held' ? 'held' : 'unknown'
  const again: Flight = { ...flight, tries, fate, sentAt: at, order: state.sent }
  const flights = out.flights.map((other) => (other === flight ? again : other))
  const { number, payload } = flight
  const silent = fate !== 'held' && tries === state.options.silentTries
  return {
    state: { ...withOut(state, channel, { ...out, flights }), last: channel, sent: state.sent + 1 },
    effects: [
      { kind: 'send', frame: { kind: 'data', channel, number, payload } },
      ...(silent ? [{ kind: 'silent', channel } as const] : []),
    ],
  }
}

/**
 * Whether one more frame of a channel may be under way. Each frame counts as the longest, and each channel as at least one
 * frame: so the peer may keep frames in a table of fixed places, and no channel can take the last place of another. [S 5.2]
 */
function hasRoom({ limits, outs }: SenderState, channel: Channel): boolean {
  if (outs[channel].flights.length >= limits.window) return false
  const counted = channels.reduce((sum, other) => {
    const underWay = outs[other].flights.length + (other === channel ? 1 : 0)
    return sum + Math.max(1, underWay)
  }, 0)
  return counted * limits.maxPayload <= limits.arena
}

const dueAt = (state: SenderState, { fate, sentAt, tries }: Flight): number =>
  fate === 'lost' ? sentAt : sentAt + timeoutMs(state.trip, tries, state.options)

/** The frames that time alone sends again: those without word; if all have arrived, the first one asks whether it was taken. [S 5.6] */
function waiting({ flights }: ChannelOut): readonly Flight[] {
  const unknown = flights.filter(({ fate }) => fate !== 'held')
  return unknown.length > 0 ? unknown : flights.slice(0, 1)
}

const dueFlight = (state: SenderState, out: ChannelOut, at: number): Flight | null =>
  waiting(out).find((flight) => dueAt(state, flight) <= at) ?? null

/** When the next frame is due to be sent again, or null if none is under way. */
export function wakeAt(state: SenderState): number | null {
  const times = channels.flatMap((channel) => waiting(state.outs[channel]).map((flight) => dueAt(state, flight)))
  return times.length > 0 ? Math.min(...times) : null
}

/** Whether everything offered was taken by the peer's upper layer. */
export const allDone = (state: SenderState): boolean =>
  channels.every((channel) => state.outs[channel].queue.length + state.outs[channel].flights.length === 0)
