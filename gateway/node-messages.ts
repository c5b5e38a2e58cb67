import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import type { Log } from '@hypha/core/platform/log.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import { checkTopic, type FleetTopics } from '@hypha/core/wire/topics.ts'
import type { ClientEvent, MessageHandler } from './broker/broker.ts'
import { ReportLimiter } from './broker/denials.ts'
import { world } from './distribute/route.ts'
import { createFirstWords } from './first-words.ts'
import { createTimeAnswers } from './gateway-time.ts'
import type { Ingest } from './ingest/ingest.ts'
import type { Leases } from './services/leases.ts'
import type { Planner } from './services/planner.ts'
import type { NodeReports } from './services/reports.ts'
import type { Store } from './store/store.ts'
import { createTurnBatch } from './turn-batch.ts'

export interface NodeMessagePorts {
  readonly topics: FleetTopics
  readonly store: Store
  readonly ingest: Ingest
  readonly chunks: { onWant(node: string, bytes: Uint8Array): void }
  readonly reports: NodeReports
  readonly leases: Pick<Leases, 'ask'>
  readonly planner: Pick<Planner, 'targets'>
  /** Takes a word of a node's board. Throws what is wrong with it. */
  readonly boards: (node: string, bytes: Uint8Array) => void
  readonly sender: { flush(node: string): Promise<void> }
  readonly clock: Clock
  /** Hands a node the time; what gets lost it asks for again. */
  readonly tellTime: (node: string, answer: Uint8Array) => void
  /** The same for a lease. */
  readonly tellLease: (node: string, answer: Uint8Array) => void
  /** Hands a node the word that a checkpoint is stored; without it, it sends that again. */
  readonly tellStored: (node: string, answer: Uint8Array) => void
  /** Ends a node's connection. */
  readonly disconnect: (node: string) => void
  readonly onProblem: (from: string, error: HyphaError) => void
}

type Word =
  | { readonly kind: 'presence' | 'state' | 'receipt'; readonly node: string; readonly bytes: Uint8Array }
  | { readonly kind: 'begun'; readonly node: string; readonly will: Uint8Array | null }

interface NodeMessages {
  readonly onMessage: MessageHandler
  /** To be told of every connection, before its messages. */
  readonly onClient: (event: ClientEvent) => void
}

const maxMessageBytes = 32_768

/** Tells of what nodes do wrong, as refusals are told: a node may send a thousand wrong messages a second, and must not fill the log with them. */
export function tellNodeProblems(log: Log, now: () => number): NodeMessagePorts['onProblem'] {
  const limiter = new ReportLimiter(now)
  return (node, { message, code }) => {
    const more = limiter.admit(node)
    if (more !== null) log.warn(message, { code, node, ...(more > 0 ? { more } : {}) })
  }
}

/** Hands each PUBLISH that passed the broker's rules to whom it concerns. Never throws for bad bytes: that would make the client send them again. */
export function createNodeMessages(ports: NodeMessagePorts): NodeMessages {
  const { topics, store, ingest, chunks, reports, planner, boards, sender, clock, tellTime, disconnect, onProblem } =
    ports

  /** From a client that is no node, to the inboxes of an app's modules. Durable when this returns, and with it the PUBACK. */
  function fromWorld(app: string, topic: string, payload: Uint8Array): void {
    checkTopic(topic)
    if (payload.length > maxMessageBytes) {
      throw new HyphaError(
        'bytes-too-long',
        `A message for ${app} has ${payload.length} bytes, at most ${maxMessageBytes} are allowed`,
      )
    }
    const targets = planner.targets(app, world, topic) ?? []
    const queuedAt = Date.now()
    const nodes = store.transaction(() =>
      targets.flatMap((target) => {
        const { app, module, home, node } = target
        const queued = store.inputs.add({ app, module, home, node, topic, payload: Uint8Array.from(payload), queuedAt })
        return queued === null ? [] : [node]
      }),
    )
    for (const node of new Set(nodes)) void sender.flush(node)
  }

  /** What nodes say of themselves: after a restart of the gateway, or at a flip, all of them at once. */
  const words = createTurnBatch<Word>(
    // Each presence counts: a node that went and came is another than one that stayed.
    ({ kind, node }) => (kind === 'state' ? node : null),
    (items) => {
      const tell: (() => void)[] = []
      try {
        ingest.together(() => {
          for (const item of items) {
            if (item.kind === 'begun') ingest.onConnection(item.node, item.will)
            else if (item.kind === 'state') ingest.onState(item.node, item.bytes)
            else if (item.kind === 'presence') ingest.onPresence(item.node, item.bytes)
            else tell.push(keepReceipt(item.node, item.bytes))
          }
        })
        for (const run of tell) run()
      } catch (thrown) {
        onProblem(items.at(-1)!.node, asHyphaError(thrown))
      }
    },
  )

  /** One that is wrong is told of, and keeps nothing of the others from being written. */
  function keepReceipt(node: string, envelope: Uint8Array): () => void {
    try {
      return reports.receipts.keep(node, envelope)
    } catch (thrown) {
      // Anything else is the store's: then nothing of them is written.
      if (!(thrown instanceof HyphaError)) throw thrown
      return () => onProblem(node, thrown)
    }
  }

  const first = createFirstWords({
    clock,
    begun: (node, will) => {
      const strange = ingest.isStrange(node, will)
      if (strange) void words.add({ kind: 'begun', node, will })
      return strange
    },
    unannounced: (node, how) => {
      if (how !== 'silent') ingest.onUnannounced(node, how)
      disconnect(node)
    },
  })

  const { leases, tellLease } = ports
  const timeAnswer = createTimeAnswers()
  function onTime(node: string, payload: Uint8Array): void {
    const answer = timeAnswer(node, payload)
    if (answer !== null) tellTime(node, answer)
  }

  function onLease(node: string, payload: Uint8Array): void {
    const answer = leases.ask(node, payload)
    if (answer !== null) tellLease(node, answer)
  }

  function onCheckpoint(node: string, payload: Uint8Array): void {
    const answer = reports.checkpoints.piece(node, payload)
    if (answer !== null) ports.tellStored(node, answer)
  }

  const onMessage: MessageHandler = (from, topic, payload) => {
    const parsed = topics.parse(topic)
    try {
      switch (parsed?.kind) {
        case 'presence':
          first.onPresence(from, payload)
          return words.add({ kind: 'presence', node: parsed.node, bytes: Uint8Array.from(payload) })
        case 'state':
          if (!first.admits(from)) return
          return words.add({ kind: parsed.kind, node: parsed.node, bytes: Uint8Array.from(payload) })
        case 'message':
          return fromWorld(parsed.app, parsed.topic, payload)
        case 'up':
          if (!first.admits(from)) return
          // At once: all that is done before makes the answer worse.
          if (parsed.what === 'time') return onTime(parsed.node, payload)
          // A report is judged by the connection that it comes on.
          words.flush()
          if (parsed.what === 'report') return ingest.onReport(parsed.node, payload)
          if (parsed.what === 'want') return chunks.onWant(parsed.node, payload)
          if (parsed.what === 'receipt') return reports.receipts.take(parsed.node, payload)
          if (parsed.what === 'proof') return reports.proof(parsed.node, payload)
          if (parsed.what === 'lease') return onLease(parsed.node, payload)
          if (parsed.what === 'checkpoint') return onCheckpoint(parsed.node, payload)
          if (parsed.what === 'links') return reports.links.take(parsed.node, payload)
          if (parsed.what === 'vitals') return reports.escalation.takeVitals(parsed.node, payload)
          if (parsed.what === 'child') return boards(parsed.node, payload)
          if (parsed.what === 'progress') return reports.progress.onProgress(parsed.node, payload)
      }
    } catch (thrown) {
      onProblem(from.id, asHyphaError(thrown))
    }
  }

  return { onMessage, onClient: first.onClient }
}
