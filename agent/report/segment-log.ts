import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import { type Files, replaceFile } from '@hypha/core/ports/files.ts'
import { compact } from './compact.ts'
import { Cursor, type ReadableSegment } from './cursor.ts'
import type { Image } from './image.ts'
import { entryCount, type JournalRecord, turnsOf } from './records.ts'
import { checkpointPath, type Recovered } from './recovery.ts'
import { SegmentWriter, segmentPath } from './segment.ts'

export interface JournalOptions {
  /** Relative to the root of `files`. */
  readonly folder: string
  /** The longest time that an appended record waits for its sync to begin: what a power cut can cost. */
  readonly syncMs: number
  /** A segment is closed when it has so many bytes, or as many as the last checkpoint. */
  readonly segmentBytes: number
  /** Over this, the oldest samples are dropped; over twice this, what may not be dropped is refused with `journal-full`. */
  readonly maxBytes: number
  /** Told of what the journal can't do at the moment: a full or failing disk. It goes on trying. */
  readonly onProblem: (problem: HyphaError) => void
}

interface Segment extends ReadableSegment {
  readonly number: number
  readonly first: number
  syncedNext: number
  syncedBytes: number
  sealed: boolean
  hasSamples: boolean
  bytes: number
  next: number
  /** Until it is sealed and synced. */
  writer: SegmentWriter | null
}

export interface SegmentLogPorts {
  readonly files: Files
  readonly clock: Clock
  readonly random: Crypto['random']
  readonly options: JournalOptions
  /** Takes in every record that is put. */
  readonly image: Image
  /** So many of the oldest samples are about to be dropped for want of room. */
  readonly onDropping: (samples: number, spanMs: number) => void
}

/** The segments of a journal: written, synced, checkpointed, and removed or thinned out. */
export class SegmentLog {
  readonly #files: Files
  readonly #clock: Clock
  readonly #random: Crypto['random']
  readonly #options: JournalOptions
  readonly #image: Image
  readonly #onDropping: SegmentLogPorts['onDropping']
  #segments: Segment[]
  /** Of the next new segment. */
  #number: number
  #previous: { readonly bytes: number; readonly crc: number }
  #next: number
  /** Every record of the segments up to this one is in the durable checkpoint. */
  #covers: number
  #checkpoint: { readonly covers: number; readonly bytes: Uint8Array } | null = null
  #checkpointBytes = 0
  #folderChanged = true
  readonly #counts = { bytesWritten: 0, entries: 0, syncs: 0 }
  #cancelTimer: (() => void) | null = null
  #syncing: Promise<void> | null = null
  #lastSync = Number.NEGATIVE_INFINITY
  /** Whether the last sync failed. */
  #suspect = false
  #closed = false
  /** The present segment is to be the last with what it holds. */
  #turning = false
  readonly #listeners = new Set<() => void>()

  constructor({ files, clock, random, options, image, onDropping }: SegmentLogPorts, recovered: Recovered | null) {
    this.#files = files
    this.#clock = clock
    this.#random = random
    this.#options = options
    this.#image = image
    this.#onDropping = onDropping
    this.#number = recovered?.segment ?? 1
    this.#previous = recovered?.previous ?? { bytes: 0, crc: 0 }
    this.#next = recovered?.next ?? 1
    this.#covers = recovered?.covers ?? 0
    this.#segments = (recovered?.sealed ?? []).map(({ segment: number, first, next, bytes, hasSamples }) => {
      const synced = { syncedNext: next, syncedBytes: bytes }
      return { number, first, next, bytes, hasSamples, sealed: true, ...synced, writer: null }
    })
    // What came before is taken in once and for all, so that an agent that is restarted often doesn't gather segments.
    if (this.#number > 1) this.#stageCheckpoint(this.#number - 1)
  }

  /** Sequence number of the next entry. */
  get next(): number {
    return this.#next
  }

  /** Highest sequence number that may be sent. */
  get sendable(): number {
    const unsynced = this.#segments.find(({ next, syncedNext }) => syncedNext < next)
    return (unsynced?.syncedNext ?? this.#next) - 1
  }

  get sizeBytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  get counts(): Readonly<{ bytesWritten: number; entries: number; syncs: number }> {
    return this.#counts
  }

  /** Whether it is over its budget, and no samples are left that could be dropped. */
  get overBudget(): boolean {
    const droppable = this.#segments.some(({ hasSamples, sealed }) => hasSamples && sealed)
    return this.sizeBytes > this.#options.maxBytes && !droppable
  }

  /** Reads what may be sent, from a sequence number on. */
  read(from: number): Cursor {
    return new Cursor(this.#files, this.#options.folder, () => this.#segments, from)
  }

  /** Calls `run` whenever more may be sent; the result ends it. */
  onSendable(run: () => void): () => void {
    this.#listeners.add(run)
    return () => this.#listeners.delete(run)
  }

  /** A killed process leaves its records in the page cache: they were read, but may not be on the disk yet. */
  async syncRecovered(): Promise<void> {
    for (const { number } of this.#segments.filter((segment) => segment.number > this.#covers)) {
      const file = this.#files.open(segmentPath(this.#options.folder, number))
      await file.sync().finally(() => file.close())
    }
  }

  /** Writes a record; a killed process loses nothing of it from here on. Returns the sequence number of its first entry. */
  put(record: JournalRecord): number {
    const segment = this.#active()
    const writer = segment.writer!
    const [first, before] = [writer.next, writer.bytes]
    writer.write(record)
    segment.bytes = writer.bytes
    segment.next = writer.next
    if (turnsOf(record).some((turn) => turn.record.samples.length > 0)) segment.hasSamples = true
    this.#next = writer.next
    this.#counts.bytesWritten += writer.bytes - before
    this.#counts.entries += entryCount(record)
    this.#image.apply(record, first)
    this.#schedule()
    return first
  }

  /** Begins a new segment: what stands in the present one goes once the gateway has stored its entries. */
  turnOver(): void {
    this.#turning = true
    this.put({ kind: 'acknowledged', upTo: this.#image.acknowledged })
  }

  /** Resolves when everything written so far is durable. Throws `disk-full` or `file-failed`. */
  async sync(): Promise<void> {
    this.#cancelTimer?.()
    this.#cancelTimer = null
    while (this.#syncing) await this.#syncing.catch(() => undefined)
    this.#syncing = this.#syncNow()
    try {
      await this.#syncing
    } finally {
      this.#syncing = null
      this.#schedule()
    }
  }

  /** Syncs, and writes no more. */
  async close(): Promise<void> {
    this.#closed = true
    await this.sync()
    for (const { writer } of this.#segments) writer?.file.close()
  }

  /** Removes segments that are stored by the gateway and covered by the checkpoint. */
  reclaim(): void {
    const done = ({ number, next, sealed }: Segment): boolean =>
      sealed && number <= this.#covers && next - 1 <= this.#image.acknowledged
    for (const { number } of this.#segments.filter(done)) this.#files.remove(segmentPath(this.#options.folder, number))
    this.#segments = this.#segments.filter((segment) => !done(segment))
  }

  /** The segment that is written to; a new one where there is none yet or it is long enough. */
  #active(): Segment {
    const last = this.#segments.at(-1)
    const open = last && !last.sealed ? last : null
    if (open && !this.#turning && open.bytes < Math.max(this.#options.segmentBytes, this.#checkpointBytes)) return open
    const previous = open?.writer ? { bytes: open.writer.bytes, crc: open.writer.crc } : this.#previous
    const salt = new DataView(this.#random(4).buffer).getUint32(0)
    const { incarnation } = this.#image
    const header = { incarnation, segment: this.#number, first: this.#next, previous, salt }
    const writer = new SegmentWriter(this.#files, segmentPath(this.#options.folder, this.#number), header)
    this.#folderChanged = true
    this.#turning = false
    if (open) {
      open.sealed = true
      this.#stageCheckpoint(open.number)
    }
    const [number, first, bytes] = [this.#number, this.#next, writer.bytes]
    const segment = {
      number,
      first,
      next: first,
      bytes,
      hasSamples: false,
      sealed: false,
      syncedNext: first,
      syncedBytes: 0,
      writer,
    }
    this.#segments.push(segment)
    this.#number++
    return segment
  }

  #stageCheckpoint(covers: number): void {
    const bytes = this.#image.encode(covers, this.#next)
    this.#checkpoint = { covers, bytes }
    this.#checkpointBytes = bytes.length
  }

  /** Syncs at once where the last one is long enough ago, so that what comes alone doesn't wait. */
  #schedule(): void {
    if (this.#cancelTimer || this.#syncing || this.#closed || !this.#unsynced()) return
    const pauseMs = this.#suspect ? Math.max(1_000, this.#options.syncMs) : this.#options.syncMs
    const delayMs = Math.max(0, this.#lastSync + pauseMs - this.#clock.monotonic())
    this.#cancelTimer = this.#clock.after(delayMs, () => {
      this.#cancelTimer = null
      this.sync().catch((thrown) => this.#options.onProblem(asHyphaError(thrown)))
    })
  }

  #unsynced(): boolean {
    return this.#segments.some(({ writer, bytes, syncedBytes }) => writer !== null && bytes > syncedBytes)
  }

  async #syncNow(): Promise<void> {
    await this.#syncSegments()
    try {
      await this.#writeCheckpoint()
      await this.#keepBudget()
    } catch (thrown) {
      // Records are durable without it; the next sync tries again.
      this.#options.onProblem(asHyphaError(thrown))
    }
  }

  async #syncSegments(): Promise<void> {
    this.#lastSync = this.#clock.monotonic()
    try {
      // In order: a segment counts only if the one before it is whole.
      for (const segment of this.#segments.filter(({ writer }) => writer !== null)) await this.#syncSegment(segment)
      this.#suspect = false
    } catch (thrown) {
      this.#suspect = true
      throw thrown
    }
    for (const listener of this.#listeners) listener()
  }

  async #syncSegment(segment: Segment): Promise<void> {
    const writer = segment.writer!
    const { bytes, next, sealed } = segment
    if (bytes > segment.syncedBytes) {
      // After a failed sync the system may hold the pages for clean: they are written again, else the next sync would promise too much.
      if (this.#suspect)
        writer.file.writeAt(segment.syncedBytes, writer.file.readAt(segment.syncedBytes, bytes - segment.syncedBytes))
      await writer.file.sync()
      this.#counts.syncs++
      if (this.#folderChanged) {
        this.#folderChanged = false
        await this.#files.syncFolder(this.#options.folder).catch((thrown) => {
          this.#folderChanged = true
          throw thrown
        })
      }
      segment.syncedBytes = bytes
      segment.syncedNext = next
    }
    if (!sealed) return
    this.#previous = { bytes: writer.bytes, crc: writer.crc }
    segment.writer = null
    writer.file.close()
  }

  async #writeCheckpoint(): Promise<void> {
    const staged = this.#checkpoint
    if (!staged) return
    // Everything that it covers is synced: else a power cut could leave it ahead of its segments.
    await replaceFile(this.#files, checkpointPath(this.#options.folder), staged.bytes)
    this.#counts.bytesWritten += staged.bytes.length
    if (this.#checkpoint === staged) this.#checkpoint = null
    this.#covers = staged.covers
    this.reclaim()
  }

  async #keepBudget(): Promise<void> {
    const { folder, maxBytes } = this.#options
    while (this.sizeBytes > maxBytes) {
      const oldest = this.#segments.find(({ hasSamples, number }) => hasSamples && number <= this.#covers)
      if (!oldest) return
      const { samples, spanMs, bytes, replace } = await compact(this.#files, folder, oldest)
      this.#onDropping(samples, spanMs)
      // The word of the loss is durable before the loss.
      await this.#syncSegments()
      // Acknowledged and removed meanwhile.
      if (!this.#segments.includes(oldest)) continue
      replace()
      this.#folderChanged = true
      Object.assign(oldest, { bytes, syncedBytes: bytes, hasSamples: false })
      if (bytes === 0) this.#segments = this.#segments.filter((segment) => segment !== oldest)
    }
  }
}
