import { crc32 } from '@hypha/core/bytes/crc32.ts'
import { ByteReader } from '@hypha/core/bytes/reader.ts'
import { ByteWriter } from '@hypha/core/bytes/writer.ts'
import type { Files, OpenFile } from '@hypha/core/ports/files.ts'
import { chunkBytes, type Want } from '@hypha/core/wire/messages/want.ts'

export const partialFolder = 'partial'

const recordBytes = 8
/** A map longer than this was not written by us. */
const maxMapBytes = 1024 * 1024

const checksum = (index: number, chunk: Uint8Array): number => crc32(chunk, crc32(new ByteWriter(4).u32(index).view()))

/**
 * The chunks of one transfer that have come. Beside the bytes there is a map with a record for each chunk: its index, and a CRC-32 over index and bytes.
 * So after a power cut each chunk proves itself, whatever the disk kept of either file, and in whatever order.
 */
export class PartialTransfer {
  readonly chunks: number
  readonly size: number
  readonly #files: Files
  readonly #path: string
  readonly #data: OpenFile
  readonly #map: OpenFile
  readonly #here: Uint8Array
  #mapBytes: number
  #count = 0
  #bytes = 0

  /** `name` is the transfer's digest in hex; `size` has been held against its cap. */
  constructor(files: Files, name: string, size: number) {
    this.#files = files
    this.#path = `${partialFolder}/${name}`
    this.size = size
    this.chunks = Math.ceil(size / chunkBytes)
    this.#here = new Uint8Array(this.chunks)
    this.#data = files.open(this.#path)
    this.#map = files.open(`${this.#path}.map`)
    this.#mapBytes = this.#resume()
  }

  get complete(): boolean {
    return this.#count === this.chunks
  }

  /** Bytes of the chunks that are here. */
  get bytes(): number {
    return this.#bytes
  }

  /** False for what is no chunk of this transfer, or is here already. Throws `disk-full` or `file-failed`. */
  put(index: number, chunk: Uint8Array): boolean {
    if (!this.#fits(index, chunk.length) || this.#here[index]) return false
    this.#data.writeAt(index * chunkBytes, chunk)
    this.#map.writeAt(this.#mapBytes, new ByteWriter(recordBytes).u32(index).u32(checksum(index, chunk)).view())
    this.#mapBytes += recordBytes
    this.#note(index)
    return true
  }

  /** The first ranges of chunks that are missing, of at most `maxChunks` together. */
  missing(maxChunks: number, maxRanges = 64): Want['ranges'] {
    const ranges: { first: number; count: number }[] = []
    let left = maxChunks
    for (let index = 0; index < this.chunks && left > 0; index++) {
      if (this.#here[index]) continue
      const last = ranges.at(-1)
      if (last && last.first + last.count === index) last.count++
      else if (ranges.length === maxRanges) break
      else ranges.push({ first: index, count: 1 })
      left--
    }
    return ranges
  }

  /** Makes what has come so far durable. */
  async sync(): Promise<void> {
    await this.#data.sync()
    await this.#map.sync()
    await this.#files.syncFolder(partialFolder)
  }

  /** All bytes, once it is complete. */
  read(): Uint8Array<ArrayBuffer> {
    return this.#data.readAt(0, this.size)
  }

  close(): void {
    this.#data.close()
    this.#map.close()
  }

  /** Closes and removes it. */
  remove(): void {
    this.close()
    for (const path of [this.#path, `${this.#path}.map`]) this.#files.remove(path)
  }

  #fits(index: number, length: number): boolean {
    if (!Number.isInteger(index) || index < 0 || index >= this.chunks) return false
    return length === Math.min(chunkBytes, this.size - index * chunkBytes)
  }

  #note(index: number): void {
    this.#here[index] = 1
    this.#count++
    this.#bytes += Math.min(chunkBytes, this.size - index * chunkBytes)
  }

  /** Takes in what proves itself; returns where the next record of the map goes. */
  #resume(): number {
    if (this.#map.size() > maxMapBytes) this.#map.truncate(0)
    const records = Math.floor(this.#map.size() / recordBytes)
    const reader = new ByteReader(this.#map.readAt(0, records * recordBytes), 'map of a transfer')
    while (!reader.done) {
      const [index, sum] = [reader.u32(), reader.u32()]
      if (index >= this.chunks || this.#here[index]) continue
      const chunk = this.#data.readAt(index * chunkBytes, Math.min(chunkBytes, this.size - index * chunkBytes))
      if (this.#fits(index, chunk.length) && checksum(index, chunk) === sum) this.#note(index)
    }
    return records * recordBytes
  }
}
