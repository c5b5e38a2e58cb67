import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import { type Files, replaceFile } from '@hypha/core/ports/files.ts'
import type { InstanceKey, NodeEvent, TurnRecord } from '../turns.ts'
import { compact } from './compact.ts'
import { Cursor, type ReadableSegment } from './cursor.ts'
import { Image, type PendingMessage } from './image.ts'
import { presentable } from './presentable.ts'
import { entryCount, type JournaledTurn, type JournalRecord } from './records.ts'
import { checkpointPath, type Recovered, recover } from './recovery.ts'
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

const defaults: JournalOptions = {
  folder: 'journal',
  syncMs: 50,
  segmentBytes: 1024 * 1024,
  maxBytes: 64 * 1024 * 1024,
  onProblem: () => undefined,
}

export interface JournalStats {
  readonly bytesWritten: number
  readonly entries: number
  readonly syncs: number
  /** Bytes on the disk. */
  readonly sizeBytes: number
  /** Highest sequence number that may be sent, and that the gateway has stored. */
  readonly sendable: number
  readonly acknowledged: number
  /** Samples and log lines that found no room, since the journal was opened. */
  readonly dropped: number
}

/** What `openJournal` needs. `bootId` changes with each boot of the machine (/proc/sys/kernel/random/boot_id). */
export interface JournalPorts {
  readonly files: Files
  readonly clock: Clock
  readonly random: Crypto['random']
  readonly bootId: string
  readonly options?: Partial<JournalOptions>
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

/** Records that wait for room on the disk; more are forgotten. */
const maxOwed = 64

/**
 * Opens the journal below `files`, bringing it up to what was written before; makes it, with a new incarnation, where there is none. What recovery finds
 * is synced when this returns. Throws `file-failed`.
 */
export async function openJournal(ports: JournalPorts): Promise<Journal> {
  const options = { ...defaults, ...ports.options }
  const { files } = ports
  files.ensureFolder(options.folder)
  await files.syncFolder('')
  let recovered: Recovered | null = null
  let damage: HyphaError | null = null
  try {
    recovered = recover(files, options.folder)
  } catch (thrown) {
    damage = asHyphaError(thrown)
    if (!['journal-damaged', 'bytes-malformed', 'bytes-truncated', 'message-malformed'].includes(damage.code))
      throw thrown
    // Without its checkpoint the journal can't say what was handled: it is kept for a look, and the numbers start anew under a new incarnation.
    files.remove(`${options.folder}.damaged`)
    files.rename(options.folder, `${options.folder}.damaged`)
    files.ensureFolder(options.folder)
    await files.syncFolder('')
    options.onProblem(damage)
  }
  const journal = new Journal(ports, options, recovered)
  await journal.begin(recovered, damage)
  return journal
}

/**
 * Everything that an agent's turns leave behind, on its disk before anyone is told. An appended record survives a killed process at once and a power cut after the
 * next sync; its entries may be sent after that sync. Sequence numbers are never given twice once they may have been sent.
 */
export class Journal {
  readonly incarnation: Uint8Array
  readonly #files: Files
  readonly #clock: Clock
  readonly #random: Crypto['random']
  readonly #bootId: string
  readonly #options: JournalOptions
  readonly #image: Image
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
  #acknowledgeOwed = false
  #owed: JournalRecord[] = []
  /** Dropped for want of room since the last gap entry. */
  #dropped = 0
  #counts = { bytesWritten: 0, entries: 0, syncs: 0, dropped: 0 }
  #cancelTimer: (() => void) | null = null
  #syncing: Promise<void> | null = null
  #lastSync = Number.NEGATIVE_INFINITY
  #suspect = false
  #closed = false
  readonly #listeners = new Set<() => void>()

  constructor(ports: JournalPorts, options: JournalOptions, recovered: Recovered | null) {
    this.#files = ports.files
    this.#clock = ports.clock
    this.#random = ports.random
    this.#bootId = ports.bootId
    this.#options = options
    this.#image = recovered?.image ?? new Image(ports.random(8))
    this.incarnation = this.#image.incarnation
    this.#number = recovered?.segment ?? 1
    this.#previous = recovered?.previous ?? { bytes: 0, crc: 0 }
    this.#next = recovered?.next ?? 1
    this.#covers = recovered?.covers ?? 0
    this.#segments = (recovered?.sealed ?? []).map(({ segment, first, next, bytes, hasSamples }) => {
      return {
        number: segment,
        first,
        next,
        bytes,
        hasSamples,
        sealed: true,
        syncedNext: next,
        syncedBytes: bytes,
        writer: null,
      }
    })
    // What came before is taken in once and for all, so that an agent that is restarted often doesn't gather segments.
    if (recovered && this.#number > 1) this.#stageCheckpoint(this.#number - 1)
  }

  /** Called once, by `openJournal`. */
  async begin(recovered: Recovered | null, damage: HyphaError | null): Promise<void> {
    const atMs = this.#nowMs()
    // A killed process leaves its records in the page cache: they were read, but may not be on the disk yet.
    for (const segment of this.#segments.filter(({ number }) => number > this.#covers)) {
      const file = this.#files.open(segmentPath(this.#options.folder, segment.number))
      await file.sync().finally(() => file.close())
    }
    if (recovered && recovered.image.openedIn !== null && recovered.image.openedIn !== this.#bootId) {
      const reason = 'The machine went down while the agent ran.'
      this.#owe({ kind: 'gap', atMs, upToMs: this.#options.syncMs, reason })
    }
    if (recovered && recovered.unreadable > 0) {
      const reason = `${recovered.unreadable} entries of the journal can't be read any more.`
      this.#owe({ kind: 'gap', atMs, upToMs: 0, reason })
    }
    if (damage)
      this.#owe({
        kind: 'gap',
        atMs,
        upToMs: 0,
        reason: `The journal was damaged and begins anew: ${damage.message}`.slice(0, 200),
      })
    this.#owe({ kind: 'opened', bootId: this.#bootId })
    this.#payOwed()
    await this.sync()
  }

  /**
   * Journals a turn; when this returns, a killed process loses nothing of it. `targets` names for each message the instances on this node that are to be
   * given it. Returns the sequence number of the first message, the others count on: with `incarnation` they are the messages' ids as inputs.
   *
   * On a full disk, samples and log lines are dropped and reported as a gap; `disk-full` or `journal-full` is thrown where the rest of the turn finds no room
   * (then nothing of it is kept). `message-malformed`, `bytes-too-long` or `topic-invalid`: the turn can't be reported and is not kept.
   */
  append(record: TurnRecord, targets: readonly (readonly InstanceKey[])[] = []): number {
    this.#checkOpen()
    const full = presentable(record)
    const { input } = full
    const reportsInput = input !== null && !bytesEqual(input.source, this.incarnation)
    const turn: JournaledTurn = { record: full, atMs: this.#nowMs(), reportsInput, targets }
    const bare: TurnRecord = { ...full, samples: [], logs: [] }
    const keepsNothing = !input && full.messages.length + full.kv.length === 0 && !full.state
    const telemetry = full.samples.length + full.logs.length
    if (!this.#overBudget()) {
      try {
        return this.#write({ kind: 'turn', ...turn }) + telemetry
      } catch (thrown) {
        const problem = asHyphaError(thrown)
        if (problem.code !== 'disk-full' || telemetry === 0) throw thrown
        this.#options.onProblem(problem)
      }
    } else if (!keepsNothing && this.#size() > 2 * this.#options.maxBytes) {
      throw new HyphaError('journal-full', `the journal has ${this.#size()} bytes that wait for the gateway`)
    }
    const first = keepsNothing ? this.#next : this.#write({ kind: 'turn', ...turn, record: bare })
    this.#dropped += telemetry
    this.#counts.dropped += telemetry
    return first
  }

  /** Journals an event. On a full disk it waits for room. */
  event(event: NodeEvent): void {
    this.#checkOpen()
    const { instance, code, text } = event
    const short = { instance, code: code.slice(0, 40), text: text.slice(0, 2_000) }
    this.#owe({ kind: 'event', atMs: this.#nowMs(), event: short })
    this.#payOwed()
  }

  /** Removes what the instances of an app left behind: their kv, state, and what they handled. What waits to be sent stays. */
  forget(app: string): void {
    this.#checkOpen()
    this.#write({ kind: 'forget', app, module: null, home: null })
  }

  /** The same for one instance. */
  forgetInstance({ app, module, home }: InstanceKey): void {
    this.#checkOpen()
    this.#write({ kind: 'forget', app, module, home })
  }

  /** The live content: to be read, never changed. */
  kv(instance: InstanceKey): ReadonlyMap<string, Uint8Array> {
    return this.#image.kv(instance)
  }

  /** The last checkpoint of the instance's `save()`, with the digest of the release that made it. */
  state(instance: InstanceKey): { readonly release: string; readonly bytes: Uint8Array } | null {
    return this.#image.state(instance)
  }

  /** The highest input of a source that the instance has handled; 0 where it handled none. */
  handled(instance: InstanceKey, source: Uint8Array): number {
    return this.#image.handled(instance, source)
  }

  /** Messages of this node's modules that instances on this node haven't handled yet, in order: to be delivered after a restart. */
  pendingMessages(): PendingMessage[] {
    return this.#image.pending()
  }

  /** Highest sequence number that may be sent. */
  get sendable(): number {
    const unsynced = this.#segments.find(({ next, syncedNext }) => syncedNext < next)
    return (unsynced?.syncedNext ?? this.#next) - 1
  }

  /** Highest sequence number that the gateway has stored. */
  get acknowledged(): number {
    return this.#image.acknowledged
  }

  /** Reads what may be sent, from a sequence number on. The caller closes it. */
  read(from: number): Cursor {
    return new Cursor(this.#files, this.#options.folder, () => this.#segments, from)
  }

  /** The gateway has stored everything up to `upTo`. False where that was never sendable: the word is not about this journal. */
  acknowledge(upTo: number): boolean {
    if (upTo > this.sendable) return false
    if (upTo <= this.#image.acknowledged) return true
    this.#image.apply({ kind: 'acknowledged', upTo }, 0)
    this.#acknowledgeOwed = true
    this.#reclaim()
    return true
  }

  /** Calls `run` whenever more may be sent; the result ends it. */
  onSendable(run: () => void): () => void {
    this.#listeners.add(run)
    return () => this.#listeners.delete(run)
  }

  /** Resolves when everything appended so far is durable. Throws `disk-full` or `file-failed`. */
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

  /** Syncs, and notes that nothing is missing. */
  async close(): Promise<void> {
    if (this.#closed) return
    await this.sync()
    this.#owe({ kind: 'closed' })
    this.#payOwed()
    this.#closed = true
    await this.sync()
    for (const { writer } of this.#segments) writer?.file.close()
  }

  stats(): JournalStats {
    const { sendable, acknowledged } = this
    return { ...this.#counts, sizeBytes: this.#size(), sendable, acknowledged }
  }

  #checkOpen(): void {
    if (this.#closed) throw new HyphaError('internal', 'the journal has been closed')
  }

  #nowMs(): number {
    return Math.max(0, Math.round(this.#clock.now()))
  }

  #size(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  #overBudget(): boolean {
    return (
      this.#size() > this.#options.maxBytes && !this.#segments.some(({ hasSamples, sealed }) => hasSamples && sealed)
    )
  }

  #owe(record: JournalRecord): void {
    if (this.#owed.length < maxOwed) this.#owed.push(record)
  }

  /** Writes what waits for room; what still finds none waits on. */
  #payOwed(): void {
    try {
      this.#settleDebts()
    } catch (thrown) {
      const problem = asHyphaError(thrown)
      if (problem.code !== 'disk-full') throw thrown
      this.#options.onProblem(problem)
    }
  }

  #settleDebts(): void {
    while (this.#owed.length > 0) {
      this.#put(this.#owed[0]!)
      this.#owed.shift()
    }
    if (this.#dropped > 0) {
      const reason = `${this.#dropped} samples and log lines found no room on the disk.`
      this.#put({ kind: 'gap', atMs: this.#nowMs(), upToMs: 0, reason })
      this.#dropped = 0
    }
    if (this.#acknowledgeOwed) {
      this.#put({ kind: 'acknowledged', upTo: this.#image.acknowledged })
      this.#acknowledgeOwed = false
    }
  }

  /** Returns the sequence number of the record's first entry. */
  #write(record: JournalRecord): number {
    this.#settleDebts()
    return this.#put(record)
  }

  #put(record: JournalRecord): number {
    const segment = this.#active()
    const writer = segment.writer!
    const [first, before] = [writer.next, writer.bytes]
    writer.write(record)
    segment.bytes = writer.bytes
    segment.next = writer.next
    if (record.kind === 'turn' && record.record.samples.length > 0) segment.hasSamples = true
    this.#next = writer.next
    this.#counts.bytesWritten += writer.bytes - before
    this.#counts.entries += entryCount(record)
    this.#image.apply(record, first)
    this.#schedule()
    return first
  }

  /** The segment that is written to; a new one where there is none yet or it is long enough. */
  #active(): Segment {
    const last = this.#segments.at(-1)
    const open = last && !last.sealed ? last : null
    if (open && open.bytes < Math.max(this.#options.segmentBytes, this.#checkpointBytes)) return open
    const previous = open?.writer ? { bytes: open.writer.bytes, crc: open.writer.crc } : this.#previous
    const salt = new DataView(this.#random(4).buffer).getUint32(0)
    const { incarnation } = this
    const header = { incarnation, segment: this.#number, first: this.#next, previous, salt }
    const writer = new SegmentWriter(this.#files, segmentPath(this.#options.folder, this.#number), header)
    this.#folderChanged = true
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
    this.#reclaim()
  }

  /** Removes segments that are stored by the gateway and covered by the checkpoint. */
  #reclaim(): void {
    const done = ({ number, next, sealed }: Segment): boolean =>
      sealed && number <= this.#covers && next - 1 <= this.#image.acknowledged
    for (const { number } of this.#segments.filter(done)) this.#files.remove(segmentPath(this.#options.folder, number))
    this.#segments = this.#segments.filter((segment) => !done(segment))
  }

  async #keepBudget(): Promise<void> {
    const { folder, maxBytes } = this.#options
    while (this.#size() > maxBytes) {
      const oldest = this.#segments.find(({ hasSamples, number }) => hasSamples && number <= this.#covers)
      if (!oldest) return
      const { samples, spanMs, bytes, replace } = await compact(this.#files, folder, oldest)
      const reason = `${samples} of the oldest samples were dropped: the journal has reached its ${maxBytes} bytes.`
      this.#owe({ kind: 'gap', atMs: this.#nowMs(), upToMs: spanMs, reason })
      this.#payOwed()
      // The word of the loss is durable before the loss.
      await this.#syncSegments()
      // Acknowledged and removed meanwhile.
      if (!this.#segments.includes(oldest)) continue
      replace()
      this.#folderChanged = true
      this.#counts.dropped += samples
      Object.assign(oldest, { bytes, syncedBytes: bytes, hasSamples: false })
      if (bytes === 0) this.#segments = this.#segments.filter((segment) => segment !== oldest)
    }
  }
}
