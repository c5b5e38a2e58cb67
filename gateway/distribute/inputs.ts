import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import { toChild } from '@hypha/core/wire/messages/child.ts'
import { type Input, inputs } from '@hypha/core/wire/messages/input.ts'
import type { FleetTopics } from '@hypha/core/wire/topics.ts'
import type { InputRecord, InputTarget } from '../store/inputs.ts'
import type { Store } from '../store/store.ts'
import type { Publish } from './directive-packet.ts'

export interface InputSenderOptions {
  readonly store: Pick<Store, 'inputs' | 'meta' | 'handovers'>
  readonly topics: FleetTopics
  readonly publish: Publish
  readonly clock: Pick<Clock, 'after'>
  readonly onProblem: (node: string, error: HyphaError) => void
  /** The node by way of which a board is reached; null for one with a connection of its own. */
  readonly parentOf?: (node: string) => string | null
  /** Whether an input was given up, since the board that it is for takes none as long. */
  readonly gaveUp?: (input: InputRecord) => boolean
  /** Inputs of one instance that are sent and not handled. */
  readonly window?: number
  /** When nothing of what was sent to a node was handled for so long, it is sent again; the node passes over repetitions. */
  readonly resendMs?: number
}

/** Payloads and what is around them in one message. */
const maxBatchBytes = 56_000
const perInputBytes = 160
const maxBatchInputs = 256

interface Sending {
  /** The highest number that was sent. */
  sent: number
  readonly outstanding: Set<number>
}

interface Connected {
  readonly instances: Map<string, Sending>
  cancelResend: (() => void) | null
  flushing: Promise<void> | null
  again: boolean
  /** What the node said that it runs. */
  runs: string
}

/**
 * Sends nodes the inputs that wait for them in the store: in order for each instance, as many as its window takes, so that one that is stuck doesn't stop its neighbours. Only what a node
 * reports as handled goes from the store; after each new connection everything else is sent again. [P 9.2]
 */
export function createInputSender(options: InputSenderOptions) {
  const { store, topics, publish, clock, onProblem, window = 64, resendMs = 30_000 } = options
  const nodes = new Map<string, Connected>()

  const toInput = ({ number, app, module, home, topic, payload, publisher }: InputRecord): Input => ({
    source: store.meta.source,
    number,
    app,
    module,
    home,
    topic,
    payload,
    publisher: publisher ?? null,
  })

  /** What is to be sent to an instance now. */
  function due(node: string, connected: Connected, target: InputTarget): InputRecord[] {
    const name = instanceName(target)
    const sending = connected.instances.get(name) ?? { sent: 0, outstanding: new Set() }
    connected.instances.set(name, sending)
    const room = window - sending.outstanding.size
    // What comes to an instance that isn't there yet is passed over; and what comes after it must not be handled before. [P 13.5]
    if (room <= 0 || store.handovers.isAwaited(node, target)) return []
    const next = store.inputs.waitingFor({ ...target, node }, sending.sent, room)
    const kept = next.filter((input) => options.gaveUp?.(input) !== true)
    // They have left room for others.
    if (kept.length < next.length) connected.again = true
    for (const { number } of kept) sending.outstanding.add(number)
    sending.sent = next.at(-1)?.number ?? sending.sent
    return kept
  }

  async function sendBatches(node: string, due: readonly InputRecord[]): Promise<void> {
    for (let at = 0; at < due.length; ) {
      let [end, bytes] = [at, 0]
      while (end < due.length && end - at < maxBatchInputs) {
        bytes += due[end]!.payload.length + perInputBytes + 3 * due[end]!.topic.length
        if (end > at && bytes > maxBatchBytes) break
        end++
      }
      const batch = { inputs: due.slice(at, end).map(toInput) }
      const parent = options.parentOf?.(node) ?? null
      if (parent === null) await publish(topics.down(node, 'input'), inputs.encode(batch))
      else await publish(topics.down(parent, 'child'), toChild.encode({ node, word: { kind: 'inputs', ...batch } }))
      at = end
    }
  }

  function armResend(node: string, connected: Connected): void {
    connected.cancelResend?.()
    connected.cancelResend = null
    const outstanding = [...connected.instances.values()].some((sending) => sending.outstanding.size > 0)
    if (!outstanding || nodes.get(node) !== connected) return
    connected.cancelResend = clock.after(resendMs, () => {
      connected.instances.clear()
      void flush(node)
    })
  }

  async function run(node: string, connected: Connected): Promise<void> {
    do {
      connected.again = false
      const all = store.inputs.targets(node).flatMap((target) => due(node, connected, target))
      if (all.length > 0) await sendBatches(node, all)
    } while (connected.again && nodes.get(node) === connected)
    armResend(node, connected)
  }

  /** Sends what has room. Resolves when it is handed to the broker; nothing happens while the node is away. */
  async function flush(node: string): Promise<void> {
    const connected = nodes.get(node)
    if (!connected) return
    connected.again = true
    connected.flushing ??= run(node, connected)
      .catch((thrown: unknown) => {
        // Sent again as a whole, after the pause.
        onProblem(node, asHyphaError(thrown))
        armResend(node, connected)
      })
      .finally(() => {
        connected.flushing = null
      })
    await connected.flushing
  }

  function disconnected(node: string): void {
    nodes.get(node)?.cancelResend?.()
    nodes.delete(node)
  }

  return {
    flush,
    /** A new connection: what was sent on the one before may be lost. */
    connected(node: string): Promise<void> {
      disconnected(node)
      nodes.set(node, { instances: new Map(), cancelResend: null, flushing: null, again: false, runs: '' })
      return flush(node)
    },
    disconnected,
    /** The node runs something else than before: what came for instances that weren't there then found nobody. Does nothing while it is away. */
    runs(node: string, what: string): void {
      const connected = nodes.get(node)
      if (!connected || connected.runs === what) return
      connected.runs = what
      connected.instances.clear()
      void flush(node)
    },
    /** These are done with and gone from the store: there is room for more. */
    handled(done: readonly (InputTarget & { readonly number: number })[]): void {
      for (const { number, ...target } of done) {
        nodes.get(target.node)?.instances.get(instanceName(target))?.outstanding.delete(number)
      }
      for (const node of new Set(done.map((input) => input.node))) void flush(node)
    },
    close(): void {
      for (const node of [...nodes.keys()]) disconnected(node)
    },
  }
}
