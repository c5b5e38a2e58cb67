import { crc32 } from '@hypha/core/bytes/crc32.ts'
import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { type Files, type OpenFile, replaceFile } from '@hypha/core/ports/files.ts'
import { report } from '@hypha/core/wire/messages/report.ts'

// What a board has reported, until the gateway has it: the board keeps two kilobytes, and forgets what is durable here. [P 15.5]
//
// A file of records, each as long as its first 4 bytes say: a CRC-32 of what follows, the MAC, the report. One that was cut off is the last.

/** A report of a board, byte for byte as its MAC was made over it. */
export interface BoardReport {
  readonly incarnation: Uint8Array
  readonly first: number
  readonly last: number
  readonly body: Uint8Array
  readonly mac: Uint8Array
}

const macBytes = 16
const headBytes = 8
/** Of one board. Beyond, the board is told nothing more, and drops its oldest. */
const defaultMaxBytes = 512 * 1024

export class BoardJournal {
  readonly #files: Files
  readonly #path: string
  readonly #maxBytes: number
  #file: OpenFile
  #at: number
  #reports: BoardReport[]
  #liveBytes: number
  #work: Promise<void> = Promise.resolve()
  #newest: { readonly incarnation: Uint8Array; readonly upTo: number } | null = null

  /** `path` is a file in a folder that is there. */
  constructor(files: Files, path: string, maxBytes = defaultMaxBytes) {
    this.#files = files
    this.#path = path
    this.#maxBytes = maxBytes
    const { reports, end } = readAll(files.read(path) ?? new Uint8Array())
    this.#reports = reports
    this.#liveBytes = reports.reduce((sum, each) => sum + sizeOf(each), 0)
    this.#file = files.open(path)
    this.#file.truncate(end)
    this.#at = end
  }

  /** How far the board's journal is durable here, or was since this process started. */
  get newest(): { readonly incarnation: Uint8Array; readonly upTo: number } | null {
    return this.#newest
  }

  /** The oldest first. */
  get reports(): readonly BoardReport[] {
    return this.#reports
  }

  /**
   * Keeps a report; resolves once it is durable, with false where there is no room. Throws what `report.decode` throws for bytes that are none, `disk-full` and `file-failed`.
   */
  add(body: Uint8Array, mac: Uint8Array): Promise<boolean> {
    const kept = reportOf(body, mac)
    // A board whose line opened anew gives again what it wasn't told of.
    const newest = this.#newest
    if (newest !== null && kept.last <= newest.upTo && bytesEqual(newest.incarnation, kept.incarnation)) {
      return Promise.resolve(true)
    }
    if (this.#liveBytes + sizeOf(kept) > this.#maxBytes) return Promise.resolve(false)
    return this.#inTurn(async () => {
      if (this.#at > 2 * this.#maxBytes) await this.#rewrite()
      const record = recordOf(kept)
      this.#file.writeAt(this.#at, record)
      await this.#file.sync()
      this.#at += record.length
      this.#liveBytes += sizeOf(kept)
      this.#reports.push(kept)
      const before = this.#newest
      const upTo = before !== null && bytesEqual(before.incarnation, kept.incarnation) ? before.upTo : 0
      this.#newest = { incarnation: kept.incarnation, upTo: Math.max(upTo, kept.last) }
      return true
    })
  }

  /** The gateway has all of an incarnation up to a number. Answers whether that was something new. */
  stored(incarnation: Uint8Array, upTo: number): boolean {
    const left = this.#reports.filter((each) => each.last > upTo || !bytesEqual(each.incarnation, incarnation))
    if (left.length === this.#reports.length) return false
    this.#reports = left
    this.#liveBytes = left.reduce((sum, each) => sum + sizeOf(each), 0)
    if (left.length > 0) return true
    // Not synced: after a power cut they are sent once more, and passed over.
    void this.#inTurn(async () => {
      if (this.#reports.length > 0) return
      this.#file.truncate(0)
      this.#at = 0
    })
    return true
  }

  async close(): Promise<void> {
    await this.#inTurn(async () => this.#file.close())
  }

  async #rewrite(): Promise<void> {
    const records = this.#reports.map(recordOf)
    const all = new Uint8Array(records.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const record of records) {
      all.set(record, at)
      at += record.length
    }
    this.#file.close()
    try {
      await replaceFile(this.#files, this.#path, all)
      this.#at = at
    } finally {
      this.#file = this.#files.open(this.#path)
    }
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#work.then(run)
    this.#work = done.then(
      () => undefined,
      () => undefined,
    )
    return done
  }
}

const sizeOf = ({ body }: BoardReport): number => headBytes + macBytes + body.length

function reportOf(body: Uint8Array, mac: Uint8Array): BoardReport {
  const { incarnation, first, count } = report.decode(body)
  return { incarnation, first, last: first + count - 1, body, mac }
}

function recordOf({ mac, body }: BoardReport): Uint8Array {
  const record = new Uint8Array(headBytes + macBytes + body.length)
  record.set(mac, headBytes)
  record.set(body, headBytes + macBytes)
  const view = new DataView(record.buffer)
  view.setUint32(0, macBytes + body.length, true)
  view.setUint32(4, crc32(record.subarray(headBytes)), true)
  return record
}

function readAll(bytes: Uint8Array): { reports: BoardReport[]; end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const reports: BoardReport[] = []
  let at = 0
  while (at + headBytes + macBytes < bytes.length) {
    const length = view.getUint32(at, true)
    const rest = bytes.subarray(at + headBytes, at + headBytes + length)
    if (rest.length < length || length <= macBytes || crc32(rest) !== view.getUint32(at + 4, true)) break
    try {
      reports.push(reportOf(Uint8Array.from(rest.subarray(macBytes)), Uint8Array.from(rest.subarray(0, macBytes))))
    } catch (error) {
      if (!(error instanceof HyphaError)) throw error
      break
    }
    at += headBytes + length
  }
  return { reports, end: at }
}
