import { ByteReader } from '@hypha/core/bytes/reader.ts'
import type { ByteWriter } from '@hypha/core/bytes/writer.ts'
import { logLevels } from '@hypha/core/wire/messages/report.ts'
import type { InstanceKey, NodeEvent, TurnRecord } from '../turns.ts'

// The bytes of the journal's records. A sample of a typical turn takes about 20 of them: instances and metrics are declared once in each segment and
// then named by a number, times are differences.

/** A turn as it is journaled. */
export interface JournaledTurn {
  readonly record: TurnRecord
  /** When it was journaled, for entries that bear no time of their own. */
  readonly atMs: number
  /** Whether its input is reported as handled: not where it came from this node itself. */
  readonly reportsInput: boolean
  /** How many entries after the one that says that the input is handled are of the same call. Null where that one is the last of its turn, as journals of before have it, or where there is none. */
  readonly effects: number | null
  /** For each message, the instances on this node that are to be given it. */
  readonly targets: readonly (readonly InstanceKey[])[]
}

export type JournalRecord =
  /** The first of each segment. */
  | ({ readonly kind: 'header' } & SegmentHeader)
  /** Defines the number `id` for an instance in an epoch. */
  | { readonly kind: 'instance'; readonly id: number; readonly instance: InstanceKey; readonly epoch: number }
  | { readonly kind: 'metric'; readonly id: number; readonly name: string }
  | ({ readonly kind: 'turn' } & JournaledTurn)
  /** What one call left behind in several instances of a cell: there as a whole, or not at all. */
  | { readonly kind: 'turns'; readonly turns: readonly JournaledTurn[] }
  | { readonly kind: 'event'; readonly atMs: number; readonly event: NodeEvent }
  | { readonly kind: 'gap'; readonly atMs: number; readonly upToMs: number; readonly reason: string }
  /** The agent opened the journal in this boot of the machine. */
  | { readonly kind: 'opened'; readonly bootId: string }
  /** The agent closed it: nothing is missing before this. */
  | { readonly kind: 'closed' }
  /** What an app's instances left behind was removed; of one instance where `module` isn't null. */
  | { readonly kind: 'forget'; readonly app: string; readonly module: string | null; readonly home: string | null }
  /**
   * `mark`: what an app's instances hold is kept as it is, while a release runs that took over in this epoch. `revert` goes back to it, `settle` drops it.
   */
  | { readonly kind: 'flip'; readonly step: FlipStep; readonly app: string; readonly epoch: number }
  /** The instance begins a call of a link with this id (16 bytes): it is never begun again. */
  | { readonly kind: 'call'; readonly instance: InstanceKey; readonly id: Uint8Array }
  /** An instance goes on here from what it was elsewhere: `kept` in its bytes as they came, by the move with this number. */
  | {
      readonly kind: 'moved-in'
      readonly instance: InstanceKey
      readonly move: number
      readonly turns: number
      readonly kept: Uint8Array
    }
  /** The gateway has stored everything up to this sequence number. */
  | { readonly kind: 'acknowledged'; readonly upTo: number }
  /** This many sequence numbers have no entry here: samples that were dropped. */
  | { readonly kind: 'skip'; readonly count: number }

export const flipSteps = ['mark', 'revert', 'settle'] as const
export type FlipStep = (typeof flipSteps)[number]

export interface SegmentHeader {
  readonly incarnation: Uint8Array
  readonly segment: number
  /** The sequence number of the first entry. */
  readonly first: number
  /** Length and last checksum of the segment before, so that a loss at its end shows. */
  readonly previous: { readonly bytes: number; readonly crc: number }
  /** Starts the chain of checksums, so that no payload can pass for a record. */
  readonly salt: number
}

const kinds = [
  'header',
  'instance',
  'metric',
  'turn',
  'event',
  'gap',
  'opened',
  'closed',
  'forget',
  'acknowledged',
  'skip',
  'turns',
  'flip',
  'call',
  'moved-in',
] as const
const kindCodes = Object.fromEntries(kinds.map((kind, code) => [kind, code])) as Record<JournalRecord['kind'], number>

const has = { input: 1, failed: 2, reportsInput: 4, samples: 8, others: 16, kv: 32, state: 64, effects: 128 } as const

/** What records leave out because it was said before in the same segment. */
export interface WriteDictionary {
  instanceId(instance: InstanceKey, epoch: number): number
  metricId(name: string): number
  /** The last time written; times are written as differences from it. */
  lastMs: number
}

export interface ReadDictionary {
  readonly instances: { instance: InstanceKey; epoch: number }[]
  readonly metrics: string[]
  lastMs: number
}

function writeTime(out: ByteWriter, dictionary: WriteDictionary, atMs: number): void {
  out.zigzag(atMs - dictionary.lastMs)
  dictionary.lastMs = atMs
}

function readTime(from: ByteReader, dictionary: ReadDictionary): number {
  dictionary.lastMs += from.zigzag()
  return dictionary.lastMs
}

const optionalName = (out: ByteWriter, name: string | null): ByteWriter => out.name(name ?? '')
const readOptionalName = (from: ByteReader): string | null => from.text(from.uleb()) || null
const blob = (out: ByteWriter, bytes: Uint8Array): ByteWriter => out.uleb(bytes.length).put(bytes)
const readBlob = (from: ByteReader): Uint8Array => from.take(from.uleb())

/** A count of things that take at least `leastBytes` each: never more than the bytes that are left could hold. */
function readCount(from: ByteReader, leastBytes: number): number {
  const count = from.uleb()
  if (count * leastBytes > from.left) throw from.fail(`${count} items are announced, ${from.left} bytes are left`)
  return count
}

/** Everything that a turn names must be declared before: `dictionary` does so as it is asked. */
export function writeRecord(out: ByteWriter, record: JournalRecord, dictionary: WriteDictionary): void {
  out.u8(kindCodes[record.kind])
  switch (record.kind) {
    case 'header':
      out.put(record.incarnation).uleb(record.segment).uleb(record.first)
      out.uleb(record.previous.bytes).u32(record.previous.crc).u32(record.salt)
      return
    case 'instance':
      optionalName(out.uleb(record.id).name(record.instance.app).name(record.instance.module), record.instance.home)
      out.uleb(record.epoch)
      return
    case 'metric':
      out.uleb(record.id).name(record.name)
      return
    case 'turn':
      writeTurn(out, record, dictionary)
      return
    case 'turns':
      out.uleb(record.turns.length)
      for (const turn of record.turns) writeTurn(out, turn, dictionary)
      return
    case 'event': {
      const { instance, code, text } = record.event
      writeTime(out, dictionary, record.atMs)
      for (const name of [instance?.app ?? null, instance?.module ?? null, instance?.home ?? null])
        optionalName(out, name)
      out.name(code).name(text)
      return
    }
    case 'gap':
      writeTime(out, dictionary, record.atMs)
      out.uleb(record.upToMs).name(record.reason)
      return
    case 'opened':
      out.name(record.bootId)
      return
    case 'closed':
      return
    case 'forget':
      optionalName(optionalName(out.name(record.app), record.module), record.home)
      return
    case 'flip':
      out.u8(flipSteps.indexOf(record.step)).name(record.app).uleb(record.epoch)
      return
    case 'call':
      out.uleb(dictionary.instanceId(record.instance, 0)).put(record.id)
      return
    case 'moved-in':
      out.uleb(dictionary.instanceId(record.instance, 0)).uleb(record.move).uleb(record.turns)
      blob(out, record.kept)
      return
    case 'acknowledged':
      out.uleb(record.upTo)
      return
    case 'skip':
      out.uleb(record.count)
      return
  }
}

function writeTurn(out: ByteWriter, turn: JournaledTurn, dictionary: WriteDictionary): void {
  const { record } = turn
  const others = record.logs.length + record.messages.length > 0
  out.u8(
    (record.input ? has.input : 0) |
      (record.outcome === 'failed' ? has.failed : 0) |
      (turn.reportsInput ? has.reportsInput : 0) |
      (record.samples.length > 0 ? has.samples : 0) |
      (others ? has.others : 0) |
      (record.kv.length > 0 ? has.kv : 0) |
      (record.state ? has.state : 0) |
      (turn.effects === null ? 0 : has.effects),
  )
  out.uleb(dictionary.instanceId(record.instance, record.epoch))
  if (record.input) {
    out.put(record.input.source).uleb(record.input.number)
    writeTime(out, dictionary, turn.atMs)
  }
  if (turn.effects !== null) out.uleb(turn.effects)
  if (record.samples.length > 0) {
    out.uleb(record.samples.length)
    for (const { metric, value, atMs } of record.samples) {
      out.uleb(dictionary.metricId(metric))
      writeTime(out, dictionary, atMs)
      out.f64(value)
    }
  }
  if (others) {
    out.uleb(record.logs.length)
    for (const { level, text, atMs } of record.logs) {
      writeTime(out.u8(logLevels.indexOf(level)), dictionary, atMs)
      out.name(text)
    }
    out.uleb(record.messages.length)
    for (const [index, { topic, payload, atMs }] of record.messages.entries()) {
      writeTime(blob(out.name(topic), payload), dictionary, atMs)
      const targets = turn.targets[index] ?? []
      out.uleb(targets.length)
      for (const target of targets) out.uleb(dictionary.instanceId(target, 0))
    }
  }
  if (record.kv.length > 0) {
    out.uleb(record.kv.length)
    for (const { key, value } of record.kv) {
      out.name(key)
      if (value === null) out.u8(0)
      else blob(out.u8(1), value)
    }
  }
  if (record.state) blob(out.name(record.state.release), record.state.bytes)
}

/** Reads one record that its checksum has proven whole. Byte strings in it are views of `bytes`. */
export function readRecord(bytes: Uint8Array, dictionary: ReadDictionary): JournalRecord {
  const from = new ByteReader(bytes, 'journal record')
  const code = from.u8()
  const kind = kinds[code]
  switch (kind) {
    case 'header':
      return {
        kind,
        incarnation: from.take(8).slice(),
        segment: from.uleb53(),
        first: from.uleb53(),
        previous: { bytes: from.uleb53(), crc: from.u32() },
        salt: from.u32(),
      }
    case 'instance': {
      const id = from.uleb()
      const [app, module] = [from.text(from.uleb()), from.text(from.uleb())]
      return { kind, id, instance: { app, module, home: readOptionalName(from) }, epoch: from.uleb() }
    }
    case 'metric':
      return { kind, id: from.uleb(), name: from.text(from.uleb()) }
    case 'turn':
      return { kind, ...readTurn(from, dictionary) }
    case 'turns':
      return { kind, turns: Array.from({ length: readCount(from, 2) }, () => readTurn(from, dictionary)) }
    case 'event': {
      const atMs = readTime(from, dictionary)
      const [app, module, home] = [readOptionalName(from), readOptionalName(from), readOptionalName(from)]
      const instance = app === null ? null : module === null ? { app, module, home: null } : { app, module, home }
      return { kind, atMs, event: { instance, code: from.text(from.uleb()), text: from.text(from.uleb()) } }
    }
    case 'gap':
      return { kind, atMs: readTime(from, dictionary), upToMs: from.uleb53(), reason: from.text(from.uleb()) }
    case 'opened':
      return { kind, bootId: from.text(from.uleb()) }
    case 'closed':
      return { kind }
    case 'forget':
      return { kind, app: from.text(from.uleb()), module: readOptionalName(from), home: readOptionalName(from) }
    case 'flip': {
      const step = flipSteps[from.u8()]
      if (!step) throw from.fail('there is no such step of a flip')
      return { kind, step, app: from.text(from.uleb()), epoch: from.uleb() }
    }
    case 'call':
      return { kind, instance: readInstance(from, dictionary).instance, id: from.take(16).slice() }
    case 'moved-in': {
      const { instance } = readInstance(from, dictionary)
      return { kind, instance, move: from.uleb53(), turns: from.uleb53(), kept: readBlob(from) }
    }
    case 'acknowledged':
      return { kind, upTo: from.uleb53() }
    case 'skip':
      return { kind, count: from.uleb53() }
    default:
      throw from.fail(`there is no record of kind ${code}`)
  }
}

function readTurn(from: ByteReader, dictionary: ReadDictionary): JournaledTurn {
  const flags = from.u8()
  const { instance, epoch } = readInstance(from, dictionary)
  const input = flags & has.input ? { source: from.take(8).slice(), number: from.uleb53() } : null
  const atMs = input ? readTime(from, dictionary) : dictionary.lastMs
  const effects = flags & has.effects ? from.uleb() : null
  const samples: { metric: string; atMs: number; value: number }[] = []
  for (let count = flags & has.samples ? readCount(from, 10) : 0; count > 0; count--) {
    const metric = dictionary.metrics[from.uleb()]
    if (metric === undefined) throw from.fail('a metric was not declared')
    samples.push({ metric, atMs: readTime(from, dictionary), value: from.f64() })
  }
  const logs: TurnRecord['logs'][number][] = []
  const messages: TurnRecord['messages'][number][] = []
  const targets: InstanceKey[][] = []
  if (flags & has.others) {
    for (let count = readCount(from, 3); count > 0; count--) {
      const level = logLevels[from.u8()]
      if (!level) throw from.fail('there is no such level of logging')
      const at = readTime(from, dictionary)
      logs.push({ level, atMs: at, text: from.text(from.uleb()) })
    }
    for (let count = readCount(from, 4); count > 0; count--) {
      const [topic, payload] = [from.text(from.uleb()), readBlob(from)]
      messages.push({ topic, payload, atMs: readTime(from, dictionary) })
      targets.push(Array.from({ length: readCount(from, 1) }, () => readInstance(from, dictionary).instance))
    }
  }
  const kv: TurnRecord['kv'][number][] = []
  for (let count = flags & has.kv ? readCount(from, 2) : 0; count > 0; count--) {
    const key = from.text(from.uleb())
    kv.push({ key, value: from.u8() === 0 ? null : readBlob(from) })
  }
  const state = flags & has.state ? { release: from.text(from.uleb()), bytes: readBlob(from) } : null
  const outcome = flags & has.failed ? 'failed' : 'ok'
  const record: TurnRecord = { instance, epoch, input, outcome, samples, logs, messages, kv, state }
  return { record, atMs, reportsInput: (flags & has.reportsInput) !== 0, effects, targets }
}

function readInstance(from: ByteReader, dictionary: ReadDictionary): { instance: InstanceKey; epoch: number } {
  const declared = dictionary.instances[from.uleb()]
  if (!declared) throw from.fail('an instance was not declared')
  return declared
}

/** The turns in a record, in order. */
export function turnsOf(record: JournalRecord): readonly JournaledTurn[] {
  return record.kind === 'turn' ? [record] : record.kind === 'turns' ? record.turns : []
}

/** How many sequence numbers a turn takes. */
export function turnEntries({ record, reportsInput }: JournaledTurn): number {
  return record.samples.length + record.logs.length + record.messages.length + (reportsInput ? 1 : 0)
}

/** How far the number of a turn's first message is from that of its first entry. */
export const messagesAfter = ({ record, effects }: JournaledTurn): number =>
  (effects === null ? 0 : 1) + record.samples.length + record.logs.length

/** How many sequence numbers a record takes. */
export function entryCount(record: JournalRecord): number {
  switch (record.kind) {
    case 'turn':
      return turnEntries(record)
    case 'turns':
      return record.turns.reduce((sum, turn) => sum + turnEntries(turn), 0)
    case 'event':
    case 'gap':
      return 1
    case 'skip':
      return record.count
    default:
      return 0
  }
}
