/** Lossless compression of contents on their way. */
export interface Compressor {
  compress(bytes: Uint8Array): Uint8Array<ArrayBuffer>
  /** Throws `bytes-too-long` as soon as more than `maxBytes` come out, `bytes-malformed` where the bytes aren't of its form. */
  decompress(bytes: Uint8Array, maxBytes: number): Uint8Array<ArrayBuffer>
  /** As small as can be, whatever the time, for a reader who has `base` already (an empty one for a reader who has nothing). */
  compressAgainst(bytes: Uint8Array, base: Uint8Array): Uint8Array<ArrayBuffer>
  /** What `compressAgainst` made with the same base; throws as `decompress` does. */
  decompressAgainst(bytes: Uint8Array, base: Uint8Array, maxBytes: number): Uint8Array<ArrayBuffer>
}
