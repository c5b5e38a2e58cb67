/** Lossless compression of contents on their way. */
export interface Compressor {
  compress(bytes: Uint8Array): Uint8Array<ArrayBuffer>
  /** Throws `bytes-too-long` as soon as more than `maxBytes` come out, `bytes-malformed` where the bytes aren't of its form. */
  decompress(bytes: Uint8Array, maxBytes: number): Uint8Array<ArrayBuffer>
}
