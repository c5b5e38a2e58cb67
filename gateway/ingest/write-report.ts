import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import type { Report, ReportEntry } from '@hypha/core/wire/messages/report.ts'
import type { InputTarget } from '../store/inputs.ts'
import { minuteMs } from '../store/rollups.ts'
import type { Store } from '../store/store.ts'
import type { Columns } from './columns.ts'
import type { Complaints } from './complaints.ts'
import { judge } from './contiguous.ts'
import type { Known } from './known.ts'
import { othersTurns } from './others-turns.ts'
import type { NewMessage, Outcome } from './outcome.ts'
import type { CachedJournal, CachedSeries, SeriesCache } from './series-cache.ts'

/** A report that was decoded and checked. */
export interface QueuedReport {
  readonly node: string
  readonly report: Report
  readonly columns: Columns
  /** It is the first of its node's connection. */
  readonly fresh: boolean
}

export interface WriteContext {
  readonly store: Store
  readonly cache: SeriesCache
  readonly known: Known
  readonly complaints: Complaints
  /** Instances whose inbox a message is still for; null where it may not be published. */
  readonly route: (message: NewMessage) => readonly InputTarget[] | null
  /** Whether a node may speak for an instance. */
  readonly mayReport: (node: string, instance: { app: string; module: string; home: string | null }) => boolean
  /** Whether today's plan has an instance on the node. */
  readonly runsNow: (node: string, instance: { app: string; module: string; home: string | null }) => boolean
  readonly maxJournals: number
  /** The gateway's time at the beginning of the transaction. */
  readonly now: number
}

/** A clock may be ahead by so much; over it, the time of receipt is the better one. */
const maxAheadMs = 86_400_000
/** Before this a clock was never set; what it says would be swept away as old. [P 8.7] */
const firstPlausibleMs = Date.UTC(2020, 0, 1)

/** Writes what is new of a report, inside the caller's transaction. What follows from it is added to `outcome`. */
export function writeReport(queued: QueuedReport, context: WriteContext, outcome: Outcome): void {
  const { node, report, columns, fresh } = queued
  if (!context.known.accepts(node)) return
  const { cache, store, now } = context
  const journal = cache.journal(node, report.incarnation)
  // The node is told once more to begin a new one.
  if (journal.ended) {
    outcome.acknowledge.add(journal)
    return
  }
  const after = report.after ?? report.first - 1
  const end = report.first + report.count
  const { verdict, waiting } = judge({ after, end }, journal.mark, fresh, journal.waiting)
  journal.waiting = waiting
  // Also where nothing new is stored: the acknowledgement of before may have been lost, and the node learns where to go on.
  if (journal.mark !== null || verdict === 'next' || verdict === 'gap') outcome.acknowledge.add(journal)
  if (verdict === 'old' || verdict === 'held' || end === 0) return

  const mark = journal.mark ?? -1
  if (verdict === 'gap') {
    const missing = after - Math.max(mark, 0)
    const text = `${missing} entries of the journal before number ${after + 1} never came, and the node doesn't have them any more`
    outcome.events.push(store.events.add({ at: now, node, app: null, module: null, home: null, code: 'gap', text }))
  }
  const isOthers = othersTurns(node, report, mark, context)
  const isNew = (sequence: number) => sequence > mark && !isOthers(sequence)
  writeSamples(journal, columns, report, isNew, context, outcome)
  for (const { offset, at, entry } of report.entries) {
    const sequence = report.first + offset
    if (!isNew(sequence)) continue
    const from = { node, incarnation: report.incarnation, sequence }
    writeEntry(from, receivedAt(report.baseMs + at, context, node), entry, context, outcome)
  }
  if (journal.mark === null) store.marks.prune(node, context.maxJournals - 1)
  journal.mark = Math.max(mark, end - 1)
  store.marks.put(node, report.incarnation, journal.mark, now)
}

const isPlausible = (at: number, now: number): boolean => at <= now + maxAheadMs && at >= firstPlausibleMs

function receivedAt(at: number, { now, complaints }: WriteContext, node: string): number {
  if (isPlausible(at, now)) return at
  if (at < firstPlausibleMs) {
    const text = "The node's clock was never set: the time of receipt is stored in its place"
    complaints.add({ node, code: 'clock-behind', text, at: now })
    return now
  }
  const text = `The node's clock is ${Math.round((at - now) / 3_600_000)} hours ahead: the time of receipt is stored in its place`
  complaints.add({ node, code: 'clock-ahead', text, at: now })
  return now
}

function writeSamples(
  journal: CachedJournal,
  columns: Columns,
  report: Report,
  isNew: (sequence: number) => boolean,
  context: WriteContext,
  outcome: Outcome,
): void {
  const { store, now } = context
  const { insertSample, markStale } = store.series
  const { round } = store.rollups
  const resolved = report.series.map((name) => resolve(journal, name, context))
  const newest = new Array<number>(resolved.length).fill(-1)
  for (let index = 0; index < columns.count; index++) {
    const sequence = report.first + columns.offset(index)
    const which = columns.series(index)
    const series = resolved[which]
    if (!series || !isNew(sequence)) continue
    let at = columns.at(index)
    if (!isPlausible(at, now)) at = receivedAt(at, context, journal.node)
    insertSample(series.id, at, sequence, columns.value(index))
    const minute = at - (at % minuteMs)
    if (minute !== series.minute || round !== series.round) {
      markStale(series.id, minute)
      series.minute = minute
      series.round = round
    }
    outcome.samples++
    newest[which] = index
  }
  for (const [which, index] of newest.entries()) {
    if (index < 0) continue
    const series = resolved[which]!
    // The last value is the word of who has the instance now.
    if (!context.runsNow(journal.node, series.name)) continue
    noteValue(series, journal.node, knownAt(columns.at(index), now), columns.value(index), now, outcome)
  }
}

/** As it was stored, where its clock was never set. */
const knownAt = (at: number, now: number): number => (at < firstPlausibleMs ? now : at)

/** Null where nothing is to be stored of it. */
function resolve(journal: CachedJournal, name: Report['series'][number], context: WriteContext): CachedSeries | null {
  const { cache, complaints, now } = context
  const { node } = journal
  if (!maySpeak(node, name, context)) return null
  const series = cache.series(journal, name)
  if (!series)
    complaints.add({ node, code: 'report-refused', text: 'The node has as many series as one node may have', at: now })
  return series
}

function maySpeak(
  node: string,
  instance: { app: string; module: string; home: string | null },
  context: WriteContext,
): boolean {
  if (!context.known.instance(instance)) return false
  if (context.mayReport(node, instance)) return true
  const text = `The node reports for ${instanceName(instance)}, which is none of its instances`
  context.complaints.add({ node, code: 'not-assigned', text, at: context.now })
  return false
}

/** What is older than what was made known already isn't news; a last value from the future is no measure. */
function noteValue(series: CachedSeries, node: string, at: number, value: number, now: number, outcome: Outcome): void {
  const { last, name } = series
  if (at > now + maxAheadMs || (at < last.at && last.at <= now + 60_000)) return
  last.at = at
  const { app, module, home, metric } = name
  outcome.values.set(last, { app, module, home, metric, node, at, value })
}

/** Where an entry stands in its node's journal. */
interface From {
  readonly node: string
  readonly incarnation: Uint8Array
  readonly sequence: number
}

function writeEntry(from: From, at: number, entry: ReportEntry, context: WriteContext, outcome: Outcome): void {
  const { store, now } = context
  const { node, incarnation, sequence } = from
  switch (entry.kind) {
    case 'event': {
      const { app, module, home, code, text } = entry
      if (app !== null && !maySpeak(node, { app, module: module ?? '', home }, context)) return
      outcome.events.push(store.events.add({ at, node, app, module, home, code, text }))
      return
    }
    case 'gap': {
      const text = entry.upToMs > 0 ? `${entry.reason} (up to ${entry.upToMs} ms)` : entry.reason
      outcome.events.push(store.events.add({ at, node, app: null, module: null, home: null, code: 'gap', text }))
      return
    }
    case 'log': {
      const { app, module, home, level, text } = entry
      if (maySpeak(node, entry, context))
        outcome.logs.push(store.logs.add({ at, node, app, module, home, level, text }))
      return
    }
    case 'message': {
      const { app, module, home, topic, payload } = entry
      if (!maySpeak(node, entry, context)) return
      // What is stored of before says when it was; a message is news, and others act on it.
      const speaks =
        context.runsNow(node, entry) ||
        store.handovers.isLastWord(node, entry, incarnation, sequence) ||
        hadIt(node, at, store)
      if (!speaks) {
        const text = `The node publishes for ${instanceName(entry)}, which today's plan has on another node or on none`
        context.complaints.add({ node, code: 'not-assigned', text, at: now })
        return
      }
      // A board gives nothing to anyone by itself, not even to its own instance.
      const served = entry.served ?? (isBoard(node, store) ? [] : null)
      const message = { app, module, home, node, served, topic, payload, at }
      const targets = context.route(message)
      if (targets === null) {
        const text = `${instanceName(entry)} published on ${topic}, which its release doesn't grant`
        context.complaints.add({ node, code: 'not-granted', text, at: now })
        return
      }
      outcome.messages.push(message)
      queueInputs(message, targets, context, outcome)
      return
    }
    case 'handled': {
      const { app, module, home, number, outcome: how } = entry
      // Other sources are the node's own: what its modules publish to each other.
      if (!bytesEqual(entry.source, store.meta.source)) return
      if (store.inputs.handled({ node, app, module, home }, number, how, now)) {
        outcome.handled.push({ node, app, module, home, number, outcome: how })
      }
    }
  }
}

const isBoard = (node: string, { nodes }: Store): boolean => nodes.parentOf(node) !== null

/** A board hands nothing over, so no last word tells what is of the time when it had an instance: what it published before it was told otherwise is, however late its node brings it. [P 15.5] */
const hadIt = (node: string, at: number, store: Store): boolean =>
  isBoard(node, store) && at <= (store.directives.get(node)?.directive.issuedMs ?? 0)

/** In the same transaction as the node's mark: a message that was acknowledged has reached the queues that it is for. */
function queueInputs(
  message: NewMessage,
  targets: readonly InputTarget[],
  context: WriteContext,
  outcome: Outcome,
): void {
  const { store, complaints, now } = context
  for (const target of targets) {
    const { topic, payload, home } = message
    const publisher = home === null ? {} : { publisher: home }
    if (store.inputs.add({ ...target, topic, payload, queuedAt: now, ...publisher })) outcome.queuedFor.add(target.node)
    else {
      const text = `As many inputs wait for this node as may: one on ${topic} for ${instanceName(target)} found no room`
      complaints.add({ node: target.node, code: 'inputs-full', text, at: now })
    }
  }
}
