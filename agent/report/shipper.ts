import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import { type Ack, ack } from '@hypha/core/wire/messages/ack.ts'
import { BatchBuilder } from './batch.ts'
import type { Cursor } from './cursor.ts'
import type { Journal } from './journal.ts'

/** The part of the node's link that reports travel on. */
export interface ReportLink {
  readonly state: 'online' | 'offline'
  onState(listener: (state: 'online' | 'offline') => void): () => void
  publish(topic: string, payload: Uint8Array, options: { qos: 0 }): Promise<void>
}

export interface ShipperOptions {
  /** Reports that may wait for their acknowledgement. */
  readonly window: number
  readonly maxBytes: number
  /** Without progress for so long, everything that isn't acknowledged is sent again; twice as long each time, up to `maxAckTimeoutMs`. */
  readonly ackTimeoutMs: number
  readonly maxAckTimeoutMs: number
  /** Told of acknowledgements that can't be this journal's, and of a journal that can't be read. */
  readonly onProblem: (problem: HyphaError) => void
  /** The gateway takes no more of this journal: its disk was set back, or is a copy. Called once. [P 8.8] */
  readonly onSetBack: () => void
}

const defaults: ShipperOptions = {
  window: 8,
  maxBytes: 60_000,
  ackTimeoutMs: 5_000,
  maxAckTimeoutMs: 60_000,
  onProblem: () => undefined,
  onSetBack: () => undefined,
}

export interface ShipperPorts {
  readonly journal: Journal
  readonly link: ReportLink
  /** `n/<node>/up/report`. */
  readonly topic: string
  readonly clock: Clock
  readonly options?: Partial<ShipperOptions>
}

export interface Shipper {
  /** What came on `n/<node>/down/ack`. */
  onAck(bytes: Uint8Array): void
  stats(): { readonly reports: number; readonly entries: number; readonly resends: number }
  /** Sends no more. */
  close(): void
}

/**
 * Sends what the journal has, in order, at once while the window has room; again from the first entry that isn't acknowledged when the link came back, when no
 * acknowledgement comes, or when one says that a report was missed. The gateway passes over what it has. [P 8.3]
 */
export function createShipper({ journal, link, topic, clock, options }: ShipperPorts): Shipper {
  const { window, maxBytes, ackTimeoutMs, maxAckTimeoutMs, onProblem, onSetBack } = { ...defaults, ...options }
  const builder = new BatchBuilder(journal.incarnation, maxBytes)
  const counts = { reports: 0, entries: 0, resends: 0 }
  let cursor: Cursor | null = null
  /** Last number of each report that waits for its acknowledgement. */
  let waiting: number[] = []
  let sentUpTo = journal.acknowledged
  let timeoutMs = ackTimeoutMs
  let cancelTimer: (() => void) | null = null
  /** The mark from which a missed report was sent again already. */
  let resentFrom = -1
  let closed = false
  let setBack = false

  function pump(): void {
    if (closed || link.state !== 'online') return
    try {
      cursor ??= journal.read(sentUpTo + 1)
      while (waiting.length < window) {
        const batch = builder.next(cursor, sentUpTo)
        if (!batch) break
        sentUpTo = batch.last
        waiting.push(batch.last)
        counts.reports++
        counts.entries += batch.last - batch.first + 1
        // A report that the link lost is found missing by the acknowledgements.
        link.publish(topic, batch.bytes, { qos: 0 }).catch((thrown) => {
          const problem = asHyphaError(thrown)
          if (problem.act !== 'later') onProblem(problem)
        })
      }
    } catch (thrown) {
      onProblem(asHyphaError(thrown))
      cursor?.close()
      cursor = null
    }
    if (waiting.length > 0 && !cancelTimer) cancelTimer = clock.after(timeoutMs, onTimeout)
  }

  function rewind(): void {
    cursor?.close()
    cursor = null
    if (waiting.length > 0) counts.resends++
    waiting = []
    sentUpTo = journal.acknowledged
    stopTimer()
  }

  function stopTimer(): void {
    cancelTimer?.()
    cancelTimer = null
  }

  function onTimeout(): void {
    cancelTimer = null
    timeoutMs = Math.min(maxAckTimeoutMs, timeoutMs * 2)
    resentFrom = -1
    rewind()
    pump()
  }

  function onAck(bytes: Uint8Array): void {
    let said: Ack
    try {
      said = ack.decode(bytes)
    } catch (thrown) {
      onProblem(asHyphaError(thrown))
      return
    }
    // Of another journal: this node's before it was wiped.
    if (closed || !bytesEqual(said.incarnation, journal.incarnation)) return
    if (said.anew) {
      if (!setBack) onSetBack()
      setBack = true
      return
    }
    const before = journal.acknowledged
    if (!journal.acknowledge(said.upTo)) {
      const text = `the gateway acknowledges ${said.upTo}, the journal has been sent up to ${journal.sendable}: is this disk a copy of another?`
      onProblem(new HyphaError('ack-beyond-sent', text))
      return
    }
    if (journal.acknowledged > before) {
      waiting = waiting.filter((last) => last > journal.acknowledged)
      // What was sent by an earlier run of the agent may be stored already.
      if (journal.acknowledged > sentUpTo) rewind()
      timeoutMs = ackTimeoutMs
      stopTimer()
    } else if (said.upTo === before && waiting.length > 0 && resentFrom !== before) {
      // The same mark again: a report came to the gateway that doesn't follow on what it has.
      resentFrom = before
      rewind()
    }
    pump()
  }

  const stopListening = journal.onSendable(pump)
  const stopWatching = link.onState((state) => {
    rewind()
    timeoutMs = ackTimeoutMs
    resentFrom = -1
    if (state === 'online') pump()
  })
  pump()

  return {
    onAck,
    stats: () => ({ ...counts }),
    close() {
      closed = true
      stopListening()
      stopWatching()
      stopTimer()
      cursor?.close()
    },
  }
}
