import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import { HyphaError } from '../errors.ts'
import type { Compressor } from '../ports/compressor.ts'

/** Brotli (RFC 7932) by Node's zlib. */
export const brotli: Compressor = {
  compress(bytes) {
    const packed = brotliCompressSync(bytes, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
    })
    return new Uint8Array(packed)
  },
  decompress(bytes, maxBytes) {
    try {
      // maxOutputLength 0 would be taken for "no limit given".
      const whole = brotliDecompressSync(bytes, { maxOutputLength: Math.max(1, maxBytes) })
      if (whole.length <= maxBytes) return new Uint8Array(whole)
    } catch (cause) {
      if ((cause as { code?: unknown }).code !== 'ERR_BUFFER_TOO_LARGE') {
        throw new HyphaError('bytes-malformed', 'the bytes are not brotli', { cause })
      }
    }
    throw new HyphaError('bytes-too-long', `the bytes decompress to more than ${maxBytes}`)
  },
}
