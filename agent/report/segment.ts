import { crc32 } from '@hypha/core/bytes/crc32.ts'
import { ByteReader } from '@hypha/core/bytes/reader.ts'
import { ByteWriter } from '@hypha/core/bytes/writer.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Files, OpenFile } from '@hypha/core/ports/files.ts'
import { id, instanceName, metricName } from '@hypha/core/wire/ids.ts'
import type { InstanceKey } from '../turns.ts'
import {
  entryCount,
  type JournalRecord,
  type ReadDictionary,
  readRecord,
  type SegmentHeader,
  type WriteDictionary,
  writeRecord,
} from './records.ts'

// A segment is a file of frames: the record's length as LEB128, the record, and a CRC-32 that carries on from the frame before. A frame
// therefore only counts in its place: neither what a payload holds nor what an earlier write left behind can pass for one.

/** No record is longer: the memory of one module, and a turn's messages. */
export const maxRecordBytes = 96 * 1024 * 1024

const windowBytes = 65_536

export const segmentPath = (folder: string, segment: number): string => `${folder}/${segment}.log`

export class SegmentWriter implements WriteDictionary {
  readonly header: SegmentHeader
  /** Sequence number of the next entry. */
  next: number
  /** Bytes of whole frames. What lies beyond them in the file does not count. */
  bytes = 0
  crc: number
  lastMs = 0
  readonly file: OpenFile
  readonly #body = new ByteWriter(1_024)
  readonly #frames = new ByteWriter(1_024)
  readonly #instances = new Map<string, number>()
  readonly #metrics = new Map<string, number>()
  /** Names that were given a number by the record in hand. */
  #declared: { map: Map<string, number>; name: string; record: JournalRecord }[] = []

  /** Writes the header into a file that is new or holds nothing that counts. */
  constructor(files: Files, path: string, header: SegmentHeader) {
    this.header = header
    this.next = header.first
    this.crc = 0
    this.file = files.open(path)
    this.write({ kind: 'header', ...header })
    this.crc = header.salt
  }

  /**
   * Writes a record with one call, after which a killed process loses nothing of it. Throws `disk-full` or `file-failed` (then nothing was written
   * that counts), `message-malformed` where an id or a metric's name is not of its form.
   */
  write(record: JournalRecord): void {
    const { lastMs, crc } = this
    this.#frames.cut()
    try {
      writeRecord(this.#body.cut(), record, this)
      // Declarations stand before what uses them; their own bytes are written when the record's are known.
      const body = this.#declared.length > 0 ? this.#body.finish() : this.#body.view()
      for (const { record: declaration } of this.#declared) {
        writeRecord(this.#body.cut(), declaration, this)
        this.#frame(this.#body.view())
      }
      this.#frame(body)
      this.file.writeAt(this.bytes, this.#frames.view())
    } catch (thrown) {
      for (const { map, name } of this.#declared) map.delete(name)
      this.#declared = []
      this.lastMs = lastMs
      this.crc = crc
      throw thrown
    }
    if (this.#declared.length > 0) this.#declared = []
    this.bytes += this.#frames.length
    this.next += entryCount(record)
  }

  #frame(body: Uint8Array): void {
    if (body.length > maxRecordBytes) {
      throw new HyphaError('bytes-too-long', `a turn leaves ${body.length} bytes, at most ${maxRecordBytes} are kept`)
    }
    this.crc = crc32(body, this.crc)
    this.#frames.uleb(body.length).put(body).u32(this.crc)
  }

  instanceId(instance: InstanceKey, epoch: number): number {
    const name = `${instanceName(instance)}#${epoch}`
    const known = this.#instances.get(name)
    if (known !== undefined) return known
    // A report with a malformed name would be refused as a whole, again and again.
    for (const part of [instance.app, instance.module, instance.home])
      if (part !== null) id.fromItem(part, 'an instance')
    return this.#declare(this.#instances, name, (id) => ({ kind: 'instance', id, instance, epoch }))
  }

  metricId(name: string): number {
    const known = this.#metrics.get(name)
    if (known !== undefined) return known
    metricName.fromItem(name, 'a metric')
    return this.#declare(this.#metrics, name, (id) => ({ kind: 'metric', id, name }))
  }

  #declare(map: Map<string, number>, name: string, record: (id: number) => JournalRecord): number {
    const number = map.size
    map.set(name, number)
    this.#declared.push({ map, name, record: record(number) })
    return number
  }
}

export class SegmentReader {
  readonly header: SegmentHeader
  /** Offset after the last record read. */
  at = 0
  /** The chain's checksum there. */
  crc = 0
  /** Sequence number of the first entry of the last record read. */
  first: number
  /** Sequence number after the last record read. */
  next: number
  /** Only so many bytes of the file are read: what may be sent ends there. */
  limit: number
  /** Whether bytes before the limit are no whole record. */
  torn = false
  readonly #file: OpenFile
  readonly #dictionary: ReadDictionary = { instances: [], metrics: [], lastMs: 0 }
  #window = new Uint8Array(0)
  #windowAt = 0

  /** Throws `journal-damaged` where the file doesn't begin with a header. */
  constructor(file: OpenFile, limit: number = file.size()) {
    this.#file = file
    this.limit = limit
    this.first = 0
    this.next = 0
    const header = this.read()
    if (header?.kind !== 'header') throw new HyphaError('journal-damaged', 'a segment of the journal has no header')
    this.header = header
    this.crc = header.salt
    this.next = header.first
  }

  /** The next record, null at the limit or where the bytes are torn. */
  read(): JournalRecord | null {
    if (this.at >= this.limit || this.torn) return null
    let frame = this.#frameIn()
    if (typeof frame === 'number') {
      this.#window = this.#file.readAt(this.at, Math.min(this.limit - this.at, Math.max(windowBytes, frame)))
      this.#windowAt = this.at
      frame = this.#frameIn()
    }
    if (typeof frame === 'number') return this.#tear()
    const crc = crc32(frame.body, this.crc)
    if (crc !== frame.crc) return this.#tear()
    try {
      const record = readRecord(frame.body, this.#dictionary)
      if (record.kind === 'instance') this.#dictionary.instances[record.id] = record
      if (record.kind === 'metric') this.#dictionary.metrics[record.id] = record.name
      this.at += frame.length
      this.crc = crc
      this.first = this.next
      this.next += entryCount(record)
      return record
    } catch (thrown) {
      // Whole, and yet not understood: written by another version, or by a defect. What follows can't be trusted either.
      if (thrown instanceof HyphaError) return this.#tear()
      throw thrown
    }
  }

  #tear(): null {
    this.torn = true
    return null
  }

  /** The frame at `at` as far as the window shows it, else how many bytes it needs (one more than any where that isn't known). */
  #frameIn(): { body: Uint8Array; crc: number; length: number } | number {
    const start = this.at - this.#windowAt
    const end = Math.min(this.#window.length, this.limit - this.#windowAt)
    if (start >= end) return 1
    let [bodyLength, at] = [0, start]
    for (let scale = 1; ; scale *= 128) {
      if (at >= end || scale > 2 ** 28) return 1
      const byte = this.#window[at++]!
      bodyLength += (byte & 0x7f) * scale
      if (byte < 0x80) break
    }
    const length = at - start + bodyLength + 4
    if (bodyLength > maxRecordBytes || length > end - start) return Math.min(length, maxRecordBytes)
    const tail = new ByteReader(this.#window, 'journal', at + bodyLength)
    return { body: this.#window.subarray(at, at + bodyLength), crc: tail.u32(), length }
  }
}
