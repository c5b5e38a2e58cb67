import type { Ack } from './ack.ts'
import type { Data } from './data.ts'
import { type Channel, channels } from './frame.ts'
import type { Limits } from './hello.ts'
import {
  ackNext,
  arrived,
  newReceiver,
  type ReceiverEffect,
  type ReceiverState,
  type ReceiverStep,
  taken,
} from './receiver.ts'
import {
  acknowledged,
  allDone,
  defaultSenderOptions,
  newSender,
  offer,
  type SenderEffect,
  type SenderOptions,
  type SenderState,
  type SenderStep,
  sendNext,
  wakeAt,
} from './sender.ts'

/** One side of an open line: every channel's window, both ways. [S 5] [S 6] */
export interface WindowState {
  readonly sender: SenderState
  readonly receiver: ReceiverState
  /** Whether the last frame sent was an ack. */
  readonly ackedLast: boolean
}

export type WindowInput =
  /** The layer above has a payload to send. */
  | { readonly kind: 'offer'; readonly channel: Channel; readonly payload: Uint8Array }
  /** The layer above has taken the oldest payload of a channel that was delivered to it. */
  | { readonly kind: 'taken'; readonly channel: Channel }
  /** A frame came from the peer; `at` is milliseconds of a monotonic clock. */
  | { readonly kind: 'arrived'; readonly frame: Data | Ack; readonly at: number }
  /** The line takes a frame. To be given whenever it is idle: after each other input, and at `nextWake`. */
  | { readonly kind: 'ready'; readonly at: number }

export type WindowEffect = SenderEffect | ReceiverEffect

export interface WindowStep {
  readonly state: WindowState
  readonly effects: readonly WindowEffect[]
}

/** The windows of a line that was just opened. `own` and `peer` are what the two hellos announced. */
export const openWindow = (own: Limits, peer: Limits, options: Partial<SenderOptions> = {}): WindowState => ({
  sender: newSender(peer, { ...defaultSenderOptions, ...options }),
  receiver: newReceiver(own),
  ackedLast: false,
})

/** The state after an input and what is to be done: at most one `send`, and only for `ready`. */
export function next(state: WindowState, input: WindowInput): WindowStep {
  switch (input.kind) {
    case 'offer':
      return sending(state, offer(state.sender, input.channel, input.payload))
    case 'taken':
      return receiving(state, taken(state.receiver, input.channel))
    case 'arrived':
      return input.frame.kind === 'data'
        ? receiving(state, arrived(state.receiver, input.frame))
        : sending(state, acknowledged(state.sender, input.frame, input.at))
    case 'ready':
      return ready(state, input.at)
  }
}

/** Acks go first, but where payloads wait too, the two take turns: a peer that babbles can't keep this side from sending. [S 6.3] */
function ready(state: WindowState, at: number): WindowStep {
  const ack = () => receiving({ ...state, ackedLast: true }, ackNext(state.receiver))
  const data = () => sending({ ...state, ackedLast: false }, sendNext(state.sender, at))
  const [first, second] = state.ackedLast ? [data, ack] : [ack, data]
  const step = first()
  return step.effects.length > 0 ? step : second()
}

const sending = (state: WindowState, step: SenderStep): WindowStep => ({
  state: { ...state, sender: step.state },
  effects: step.effects,
})

const receiving = (state: WindowState, step: ReceiverStep): WindowStep => ({
  state: { ...state, receiver: step.state },
  effects: step.effects,
})

/** When `ready` is due even if nothing else happens, in milliseconds of the same clock; null: not before another input. */
export const nextWake = (state: WindowState): number | null => wakeAt(state.sender)

/** Whether everything offered was taken at the other end. */
export const isDone = (state: WindowState): boolean => allDone(state.sender)

/** What was offered and not taken at the other end, channel by channel in its order. [S 4.7] */
export const untaken = ({ sender }: WindowState): { readonly channel: Channel; readonly payload: Uint8Array }[] =>
  channels.flatMap((channel) => {
    const { flights, queue } = sender.outs[channel]
    return [...flights.map(({ payload }) => payload), ...queue].map((payload) => ({ channel, payload }))
  })
