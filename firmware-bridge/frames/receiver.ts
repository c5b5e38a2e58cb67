import type { Ack } from './ack.ts'
import type { Data } from './data.ts'
import { type Channel, channels } from './frame.ts'
import type { Limits } from './hello.ts'
import { ahead, numberAfter } from './sequence.ts'

// The receiving half of a line's windows. Pure.

interface ChannelIn {
  /** The number at which the window begins: all before it were taken by the layer above. */
  readonly next: number
  /** What arrived of the window, by distance from `next`; once handed up, the payload itself is no longer kept. */
  readonly places: readonly (Uint8Array | 'handed' | undefined)[]
  /** Whether the peer is owed an ack. */
  readonly owed: boolean
}

export interface ReceiverState {
  /** This side's own, as its hello announced them. */
  readonly limits: Limits
  readonly ins: Readonly<Record<Channel, ChannelIn>>
  /** The channel whose ack was sent last. */
  readonly last: Channel
}

export type ReceiverEffect =
  | { readonly kind: 'send'; readonly frame: Ack }
  /** The channel's next payload, in order and once. The layer above answers with `taken` when it has room for another. */
  | { readonly kind: 'deliver'; readonly channel: Channel; readonly payload: Uint8Array }
  /** The peer sent what it may not: the frame was dropped. [S 6.4] */
  | { readonly kind: 'violation'; readonly channel: Channel; readonly why: 'beyond-window' | 'beyond-arena' }

export interface ReceiverStep {
  readonly state: ReceiverState
  readonly effects: readonly ReceiverEffect[]
}

const emptyIn: ChannelIn = { next: 0, places: [], owed: false }

export const newReceiver = (limits: Limits): ReceiverState => ({
  limits,
  ins: { control: emptyIn, update: emptyIn, telemetry: emptyIn, inputs: emptyIn },
  last: 'inputs',
})

const withIn = (state: ReceiverState, channel: Channel, into: ChannelIn): ReceiverState => ({
  ...state,
  ins: { ...state.ins, [channel]: into },
})

/** A data frame arrived. [S 6.1] */
export function arrived(state: ReceiverState, { channel, number, payload }: Data): ReceiverStep {
  const into = state.ins[channel]
  const distance = ahead(into.next, number)
  const violation = (why: 'beyond-window' | 'beyond-arena'): ReceiverStep => ({
    state,
    effects: [{ kind: 'violation', channel, why }],
  })
  if (distance >= state.limits.window) return violation('beyond-window')
  // A repeat: the peer hasn't heard that it is here. [S 6.2]
  if (distance < 0 || into.places[distance] !== undefined) {
    return { state: withIn(state, channel, { ...into, owed: true }), effects: [] }
  }
  if (!hasPlace(state, channel)) return violation('beyond-arena')
  const places = Array.from(
    { length: Math.max(into.places.length, distance + 1) },
    (_, index): ChannelIn['places'][number] => (index === distance ? payload : into.places[index]),
  )
  const effects: ReceiverEffect[] = []
  for (let index = 0; places[index] !== undefined; index++) {
    const place = places[index]!
    if (place === 'handed') continue
    effects.push({ kind: 'deliver', channel, payload: place })
    places[index] = 'handed'
  }
  return { state: withIn(state, channel, { ...into, places, owed: true }), effects }
}

/** The count of [S 5.2], from this side: an honest peer never has more under way. */
function hasPlace({ limits, ins }: ReceiverState, channel: Channel): boolean {
  const counted = channels.reduce((sum, other) => {
    const here = ins[other].places.filter((place) => place !== undefined).length + (other === channel ? 1 : 0)
    return sum + Math.max(1, here)
  }, 0)
  return counted * limits.maxPayload <= limits.arena
}

/** The layer above has taken the channel's oldest payload that was handed to it: the window moves. With none handed, nothing changes. */
export function taken(state: ReceiverState, channel: Channel): ReceiverStep {
  const { next, places } = state.ins[channel]
  if (places[0] !== 'handed') return { state, effects: [] }
  return {
    state: withIn(state, channel, { next: numberAfter(next), places: places.slice(1), owed: true }),
    effects: [],
  }
}

/** The line takes one more frame: the ack of the next channel that is owed one. [S 6.3] */
export function ackNext(state: ReceiverState): ReceiverStep {
  const start = channels.indexOf(state.last) + 1
  for (let turn = 0; turn < channels.length; turn++) {
    const channel = channels[(start + turn) % channels.length]!
    const into = state.ins[channel]
    if (!into.owed) continue
    const held = into.places.reduce((bits, place, index) => (place === undefined ? bits : bits | (1 << index)), 0) >>> 0
    return {
      state: { ...withIn(state, channel, { ...into, owed: false }), last: channel },
      effects: [{ kind: 'send', frame: { kind: 'ack', channel, next: into.next, held } }],
    }
  }
  return { state, effects: [] }
}
