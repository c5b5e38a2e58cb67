import { type BrotliOptions, brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import { HyphaError } from '../errors.ts'
import type { Compressor } from '../ports/compressor.ts'

/** Node's own types know the option from zstd only. */
type WithDictionary = BrotliOptions & { readonly dictionary?: Uint8Array }

const dictionary = (base: Uint8Array): WithDictionary => (base.length === 0 ? {} : { dictionary: base })

function compressWith(bytes: Uint8Array, quality: number, options: WithDictionary): Uint8Array<ArrayBuffer> {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: quality,
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  }
  return new Uint8Array(brotliCompressSync(bytes, { ...options, params }))
}

function decompressWith(bytes: Uint8Array, maxBytes: number, options: WithDictionary): Uint8Array<ArrayBuffer> {
  try {
    // maxOutputLength 0 would be taken for "no limit given".
    const whole = brotliDecompressSync(bytes, { ...options, maxOutputLength: Math.max(1, maxBytes) })
    if (whole.length <= maxBytes) return new Uint8Array(whole)
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'ERR_BUFFER_TOO_LARGE') {
      throw new HyphaError('bytes-malformed', 'the bytes are not brotli', { cause })
    }
  }
  throw new HyphaError('bytes-too-long', `the bytes decompress to more than ${maxBytes}`)
}

/** Brotli (RFC 7932) by Node's zlib; a base is its dictionary. */
export const brotli: Compressor = {
  compress: (bytes) => compressWith(bytes, 9, {}),
  decompress: (bytes, maxBytes) => decompressWith(bytes, maxBytes, {}),
  compressAgainst: (bytes, base) => compressWith(bytes, constants.BROTLI_MAX_QUALITY, dictionary(base)),
  decompressAgainst: (bytes, base, maxBytes) => decompressWith(bytes, maxBytes, dictionary(base)),
}
