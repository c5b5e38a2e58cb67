import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import type { Files } from '@hypha/core/ports/files.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import { type Kept, kept as keptMessage } from '@hypha/core/wire/messages/checkpoint.ts'
import type { InstanceKey, NodeEvent, TurnRecord } from '../turns.ts'
import { journalHasBegunAnew, journalIsToBeginAnew, reincarnate } from './anew.ts'
import type { PendingMessage } from './checkpoint-format.ts'
import type { Cursor } from './cursor.ts'
import { Image } from './image.ts'
import { presentable } from './presentable.ts'
import { type JournaledTurn, type JournalRecord, messagesAfter, turnEntries } from './records.ts'
import { type Recovered, recover } from './recovery.ts'
import { type JournalOptions, SegmentLog } from './segment-log.ts'

export type { JournalOptions } from './segment-log.ts'

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

/** What a call left behind in one instance, and for each of its messages the instances on this node that are to be given it. */
export interface TurnPart {
  readonly record: TurnRecord
  readonly targets: readonly (readonly InstanceKey[])[]
}

/** Whether there is more to a turn than telemetry. */
const mustBeKept = ({ record }: JournaledTurn): boolean =>
  record.input !== null || record.messages.length + record.kv.length > 0 || record.state !== null

/** How many entries the turns of one call have from one of them on. */
const entriesFrom = (turns: readonly JournaledTurn[], index: number): number =>
  turns.slice(index).reduce((sum, turn) => sum + turnEntries(turn), 0)

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
  let dropped: number | null = null
  try {
    recovered = recover(files, options.folder)
    if (recovered !== null && journalIsToBeginAnew(files)) {
      dropped = await reincarnate(files, options.folder, recovered, ports.random)
      recovered = recover(files, options.folder)
    }
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
  if (journalIsToBeginAnew(files)) await journalHasBegunAnew(files)
  const journal = new Journal(ports, options, recovered)
  await journal.begin(recovered, damage, dropped)
  return journal
}

/**
 * Everything that an agent's turns leave behind, on its disk before anyone is told. An appended record survives a killed process at once and a power cut after the
 * next sync; its entries may be sent after that sync. Sequence numbers are never given twice once they may have been sent. [P 8.1, P 8.2]
 */
export class Journal {
  readonly incarnation: Uint8Array
  readonly #clock: Clock
  readonly #bootId: string
  readonly #options: JournalOptions
  readonly #image: Image
  readonly #log: SegmentLog
  #acknowledgeOwed = false
  #owed: JournalRecord[] = []
  /** Dropped for want of room since the last gap entry, and since the journal was opened. */
  #dropped = 0
  #droppedInAll = 0
  #closed = false

  constructor({ files, clock, random, bootId }: JournalPorts, options: JournalOptions, recovered: Recovered | null) {
    this.#clock = clock
    this.#bootId = bootId
    this.#options = options
    this.#image = recovered?.image ?? new Image(random(8))
    this.incarnation = this.#image.incarnation
    const onDropping = (samples: number, spanMs: number): void => {
      this.#droppedInAll += samples
      this.#oweGap(
        `${samples} of the oldest samples were dropped: the journal has reached ${options.maxBytes} bytes.`,
        spanMs,
      )
      this.#payOwed()
    }
    this.#log = new SegmentLog({ files, clock, random, options, image: this.#image, onDropping }, recovered)
  }

  /** Called once, by `openJournal`. */
  async begin(recovered: Recovered | null, damage: HyphaError | null, dropped: number | null = null): Promise<void> {
    await this.#log.syncRecovered()
    if (recovered && recovered.image.openedIn !== null && recovered.image.openedIn !== this.#bootId) {
      this.#oweGap('The machine went down while the agent ran.', this.#options.syncMs)
    }
    if (recovered && recovered.unreadable > 0) {
      this.#oweGap(`${recovered.unreadable} entries of the journal can't be read any more.`, 0)
    }
    if (damage) this.#oweGap(`The journal was damaged and begins anew: ${damage.message}`.slice(0, 200), 0)
    if (dropped !== null && dropped > 0) {
      this.#oweGap(
        `The journal begins anew: its disk was set back or copied. Up to ${dropped} entries that were not sent are missing.`,
        0,
      )
    }
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
    return this.appendAll([{ record, targets }])[0]!
  }

  /** The same for what one call left behind in several instances of a cell: journaled as a whole, or not at all. Returns a number for each part. */
  appendAll(parts: readonly TurnPart[]): number[] {
    this.#checkOpen()
    if (parts.length === 0) return []
    const atMs = this.#nowMs()
    const turns = parts.map(({ record, targets }): JournaledTurn => {
      const { input } = record
      const reportsInput = input !== null && !bytesEqual(input.source, this.incarnation)
      return { record: presentable(record), atMs, reportsInput, effects: null, targets }
    })
    const telemetry = turns.reduce((sum, { record }) => sum + record.samples.length + record.logs.length, 0)
    if (!this.#log.overBudget) {
      try {
        return this.#writeTurns(turns)
      } catch (thrown) {
        const problem = asHyphaError(thrown)
        if (problem.code !== 'disk-full' || telemetry === 0) throw thrown
        this.#options.onProblem(problem)
      }
    } else if (turns.some(mustBeKept) && this.#log.sizeBytes > 2 * this.#options.maxBytes) {
      throw new HyphaError('journal-full', `the journal has ${this.#log.sizeBytes} bytes that wait for the gateway`)
    }
    const bare = turns.map((turn) => ({ ...turn, record: { ...turn.record, samples: [], logs: [] } }))
    const firsts = turns.some(mustBeKept) ? this.#writeTurns(bare) : turns.map(() => this.#log.next)
    this.#dropped += telemetry
    this.#droppedInAll += telemetry
    return firsts
  }

  /** Returns the number of the first message of each. */
  #writeTurns(turns: readonly JournaledTurn[]): number[] {
    const counted = turns.map((turn, index) =>
      turn.reportsInput ? { ...turn, effects: entriesFrom(turns, index) - 1 } : turn,
    )
    const [only] = counted
    let number = this.#write(counted.length === 1 ? { kind: 'turn', ...only! } : { kind: 'turns', turns: counted })
    return counted.map((turn) => {
      const firstMessage = number + messagesAfter(turn)
      number += turnEntries(turn)
      return firstMessage
    })
  }

  /** Journals an event. On a full disk it waits for room. */
  event(event: NodeEvent): void {
    this.#checkOpen()
    const { instance, code, text } = event
    const short = { instance, code: code.slice(0, 40), text: text.slice(0, 2_000) }
    this.#owe({ kind: 'event', atMs: this.#nowMs(), event: short })
    this.#payOwed()
  }

  /**
   * Removes what the instances of an app left behind: their kv, state, and what they handled. What waits to be sent stays, and goes with its segment once the gateway
   * has stored it.
   */
  forget(app: string): void {
    this.#checkOpen()
    this.#write({ kind: 'forget', app, module: null, home: null })
    this.#log.turnOver()
  }

  /** The same for one instance. */
  forgetInstance({ app, module, home }: InstanceKey): void {
    this.#checkOpen()
    this.#write({ kind: 'forget', app, module, home })
  }

  /**
   * A release takes over in this epoch: state and kv of the app's instances are kept as they are, until `revertFlip` or `settleFlip`. A mark that stands already is kept with its epoch: it is
   * what the app can go back to. Durable as a turn is. Throws `disk-full`.
   */
  markFlip(app: string, epoch: number): void {
    this.#checkOpen()
    // A mark that waits to be dropped doesn't count.
    this.#settleDebts()
    if (this.#image.flip(app) === null) this.#write({ kind: 'flip', step: 'mark', app, epoch })
  }

  /**
   * Goes back to state and kv as they were marked; what was handled since stays handled. Returns how many turns of the app are lost from its state; 0 too where no mark stands.
   * Throws `disk-full`: then nothing has changed.
   */
  revertFlip(app: string): number {
    this.#checkOpen()
    this.#settleDebts()
    const flip = this.#image.flip(app)
    if (flip === null) return 0
    const { epoch, turns } = flip
    this.#write({ kind: 'flip', step: 'revert', app, epoch })
    return turns
  }

  /** There is no going back any more, or no need: the mark is dropped. On a full disk it waits for room. */
  settleFlip(app: string): void {
    this.#checkOpen()
    const flip = this.#image.flip(app)
    if (flip === null) return
    this.#owe({ kind: 'flip', step: 'settle', app, epoch: flip.epoch })
    this.#payOwed()
  }

  /** The epoch that was marked last and isn't settled; null where there is none. */
  flipOf(app: string): number | null {
    return this.#image.flip(app)?.epoch ?? null
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

  /** Instances of an app that have left something behind here. */
  instancesOf(app: string): InstanceKey[] {
    return this.#image.instancesOf(app)
  }

  /** Instances whose state or kv has changed since this was asked last; all of them after a start. */
  takeChanged(): InstanceKey[] {
    return this.#image.takeChanged()
  }

  /** What an instance would go on from elsewhere, how many turns its state lacks, and the number of the last entry that this stands for. */
  kept(instance: InstanceKey): { readonly kept: Kept; readonly turns: number; readonly number: number } {
    return { ...this.#image.kept(instance), number: this.#log.next - 1 }
  }

  /** The move that brought the instance here; 0 where none did. */
  move(instance: InstanceKey): number {
    return this.#image.move(instance)
  }

  /**
   * The instance goes on from what it was elsewhere (a `kept`), in place of anything that it left here: by one move once, however often this is called. Durable as a turn is. Answers what it took
   * over; null where that was before. Throws `disk-full`, and what the message throws.
   */
  moveIn(
    instance: InstanceKey,
    from: { readonly move: number; readonly turns: number; readonly kept: Uint8Array },
  ): Kept | null {
    this.#checkOpen()
    if (from.move <= this.#image.move(instance)) return null
    const kept = keptMessage.decode(from.kept)
    const { app, module, home } = kept
    if (instanceName({ app, module, home }) !== instanceName(instance)) {
      throw new HyphaError('message-malformed', `the state for ${instanceName(instance)} is another instance's`)
    }
    this.#write({ kind: 'moved-in', instance: { app, module, home }, ...from })
    return kept
  }

  /** Notes that an instance begins a call: a killed process doesn't forget it. Throws `disk-full`: then it must not begin. */
  beginCall({ app, module, home }: InstanceKey, id: Uint8Array): void {
    this.#checkOpen()
    this.#write({ kind: 'call', instance: { app, module, home }, id })
  }

  /** Whether the instance has begun a call with this id: of those that it began last. */
  begunCall(instance: InstanceKey, id: Uint8Array): boolean {
    return this.#image.begunCall(instance, id)
  }

  /** Messages of this node's modules that instances on this node haven't handled yet, in order: to be delivered after a restart. */
  pendingMessages(): PendingMessage[] {
    return this.#image.pending()
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Highest sequence number that may be sent. */
  get sendable(): number {
    return this.#log.sendable
  }

  /** Highest sequence number that the gateway has stored. */
  get acknowledged(): number {
    return this.#image.acknowledged
  }

  /** Reads what may be sent, from a sequence number on. The caller closes it. */
  read(from: number): Cursor {
    return this.#log.read(from)
  }

  /** The gateway has stored everything up to `upTo`. False where that was never sendable: the word is not about this journal. */
  acknowledge(upTo: number): boolean {
    if (upTo > this.sendable) return false
    if (upTo <= this.#image.acknowledged) return true
    this.#image.apply({ kind: 'acknowledged', upTo }, 0)
    this.#acknowledgeOwed = true
    this.#log.reclaim()
    return true
  }

  /** Calls `run` whenever more may be sent; the result ends it. */
  onSendable(run: () => void): () => void {
    return this.#log.onSendable(run)
  }

  /** Resolves when everything appended so far is durable. Throws `disk-full` or `file-failed`. */
  sync(): Promise<void> {
    return this.#log.sync()
  }

  /** Syncs, and notes that nothing is missing. */
  async close(): Promise<void> {
    if (this.#closed) return
    await this.sync()
    this.#owe({ kind: 'closed' })
    this.#payOwed()
    this.#closed = true
    await this.#log.close()
  }

  stats(): JournalStats {
    const { sendable, acknowledged } = this
    const { counts, sizeBytes } = this.#log
    return { ...counts, sizeBytes, sendable, acknowledged, dropped: this.#droppedInAll }
  }

  #checkOpen(): void {
    if (this.#closed) throw new HyphaError('internal', 'the journal has been closed')
  }

  #nowMs(): number {
    return Math.max(0, Math.round(this.#clock.now()))
  }

  #owe(record: JournalRecord): void {
    if (this.#owed.length < maxOwed) this.#owed.push(record)
  }

  #oweGap(reason: string, upToMs: number): void {
    this.#owe({ kind: 'gap', atMs: this.#nowMs(), upToMs, reason })
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
      this.#log.put(this.#owed[0]!)
      this.#owed.shift()
    }
    if (this.#dropped > 0) {
      const reason = `${this.#dropped} samples and log lines found no room on the disk.`
      this.#log.put({ kind: 'gap', atMs: this.#nowMs(), upToMs: 0, reason })
      this.#dropped = 0
    }
    if (this.#acknowledgeOwed) {
      this.#log.put({ kind: 'acknowledged', upTo: this.#image.acknowledged })
      this.#acknowledgeOwed = false
    }
  }

  /** Returns the sequence number of the record's first entry. */
  #write(record: JournalRecord): number {
    this.#settleDebts()
    return this.#log.put(record)
  }
}
