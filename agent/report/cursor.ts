import type { Files, OpenFile } from '@hypha/core/ports/files.ts'
import { maxServed, type ReportEntry } from '@hypha/core/wire/messages/report.ts'
import type { InstanceKey } from '../turns.ts'
import { type JournaledTurn, type JournalRecord, turnEntries, turnsOf } from './records.ts'
import { SegmentReader, segmentPath } from './segment.ts'

/** One reported thing of the journal, with its sequence number. */
export type JournalEntry =
  | {
      readonly kind: 'sample'
      readonly sequence: number
      readonly atMs: number
      readonly instance: InstanceKey
      readonly epoch: number
      readonly metric: string
      readonly value: number
    }
  | { readonly kind: 'entry'; readonly sequence: number; readonly atMs: number; readonly entry: ReportEntry }

/** A segment as far as it was written, and as far as it was synced, and so may be sent. */
export interface ReadableSegment {
  readonly number: number
  /** Sequence number after the last entry. */
  readonly next: number
  readonly bytes: number
  readonly syncedNext: number
  readonly syncedBytes: number
  /** Whether nothing will be added to it. */
  readonly sealed: boolean
}

/** Reads entries in order, window by window, as far as they are synced; goes on when more are. */
export class Cursor {
  readonly #files: Files
  readonly #folder: string
  /** In order. */
  readonly #segments: () => readonly ReadableSegment[]
  #next: number
  #file: OpenFile | null = null
  #reader: SegmentReader | null = null
  #entries: JournalEntry[] = []
  #index = 0

  /** Starts at the first entry whose sequence number is `from` or higher. */
  constructor(files: Files, folder: string, segments: () => readonly ReadableSegment[], from: number) {
    this.#files = files
    this.#folder = folder
    this.#segments = segments
    this.#next = from
  }

  /** The next entry, null where no more may be sent yet. */
  peek(): JournalEntry | null {
    while (this.#index >= this.#entries.length) {
      const record = this.#record()
      if (!record) return null
      const { first } = this.#reader!
      const entries = entriesOf(record, first)
      this.#entries = first >= this.#next ? entries : entries.filter(({ sequence }) => sequence >= this.#next)
      this.#index = 0
    }
    return this.#entries[this.#index]!
  }

  /** Moves past what `peek` returned. */
  take(): void {
    const entry = this.#entries[this.#index]
    if (!entry) return
    this.#next = entry.sequence + 1
    this.#index++
  }

  close(): void {
    this.#file?.close()
    this.#file = null
    this.#reader = null
    this.#entries = []
    this.#index = 0
  }

  #record(): JournalRecord | null {
    for (;;) {
      const record = this.#reader?.read()
      if (record) return record
      const at = this.#reader?.header.segment ?? 0
      const segments = this.#segments()
      const same = this.#reader ? segments.find(({ number }) => number === at) : undefined
      if (this.#reader && same && !this.#reader.torn && same.syncedBytes > this.#reader.at) {
        this.#reader.limit = same.syncedBytes
        continue
      }
      if (same && !(same.sealed && same.syncedNext === same.next)) return null
      const following = segments.find(({ number, next }) => number > at && next > this.#next)
      if (!following || following.syncedNext <= this.#next) return null
      this.#file?.close()
      this.#reader = null
      this.#file = this.#files.open(segmentPath(this.#folder, following.number))
      this.#reader = new SegmentReader(this.#file, following.syncedBytes)
    }
  }
}

/** The entries of a record in the order of their numbers: that a turn's input is done with, its samples, logs and messages. */
export function entriesOf(journaled: JournalRecord, first: number): JournalEntry[] {
  if (journaled.kind === 'gap') {
    const { atMs, upToMs, reason } = journaled
    return [{ kind: 'entry', sequence: first, atMs, entry: { kind: 'gap', upToMs, reason } }]
  }
  if (journaled.kind === 'event') {
    const { instance, code, text } = journaled.event
    const [app, module, home] = [instance?.app ?? null, instance?.module ?? null, instance?.home ?? null]
    return [
      { kind: 'entry', sequence: first, atMs: journaled.atMs, entry: { kind: 'event', app, module, home, code, text } },
    ]
  }
  if (journaled.kind === 'turn') return entriesOfTurn(journaled, first)
  let next = first
  return turnsOf(journaled).flatMap((turn) => {
    const entries = entriesOfTurn(turn, next)
    next += turnEntries(turn)
    return entries
  })
}

function entriesOfTurn(
  { record, targets, reportsInput, effects, atMs: journaledMs }: JournaledTurn,
  first: number,
): JournalEntry[] {
  const { instance, epoch, input, outcome } = record
  const entries: JournalEntry[] = []
  let sequence = first
  const handle = () => {
    if (!input || !reportsInput) return
    const entry = {
      kind: 'handled' as const,
      ...instance,
      source: input.source,
      number: input.number,
      outcome,
      effects,
    }
    entries.push({ kind: 'entry', sequence: sequence++, atMs: journaledMs, entry })
  }
  if (effects !== null) handle()
  for (const { metric, value, atMs } of record.samples) {
    entries.push({ kind: 'sample', sequence: sequence++, atMs, instance, epoch, metric, value })
  }
  for (const { level, text, atMs } of record.logs) {
    entries.push({ kind: 'entry', sequence: sequence++, atMs, entry: { kind: 'log', ...instance, level, text } })
  }
  for (const [index, { topic, payload, atMs }] of record.messages.entries()) {
    const served = servedOf(targets[index] ?? [])
    const entry = { kind: 'message' as const, ...instance, topic, payload, served }
    entries.push({ kind: 'entry', sequence: sequence++, atMs, entry })
  }
  if (effects === null) handle()
  return entries
}

const servedOf = (targets: readonly InstanceKey[]) =>
  targets.length > maxServed ? null : targets.map(({ module, home }) => ({ module, home }))
