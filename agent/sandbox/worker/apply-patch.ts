import { applyByKernel, PatchDecoder } from '@hypha/core/delta/decoder.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import type { Compressor } from '@hypha/core/ports/compressor.ts'
import type { PatchKernel } from '@hypha/core/ports/patch-kernel.ts'

/** What is given to the decoder at a time: what it makes of so little is held before it is known to be too much. */
const pieceBytes = 4_096

/**
 * Applies a patch to the content that it was made from, and gives up as soon as more comes out than the directive says. By the kernel where that can do it.
 *
 * @throws HyphaError `delta-malformed`, `delta-base-wrong`, `delta-too-large`, `bytes-too-long`
 */
export function applyPatchWithin(
  base: Uint8Array,
  patch: Uint8Array,
  maxBytes: number,
  kernel: PatchKernel | null = null,
): Uint8Array<ArrayBuffer> {
  const quick = kernel === null ? null : applyByKernel(kernel, base, patch, maxBytes)
  if (quick !== null) return quick
  const within: Compressor = {
    ...brotli,
    decompressAgainst: (bytes, against, most) => brotli.decompressAgainst(bytes, against, Math.min(most, maxBytes)),
  }
  const decoder = new PatchDecoder(base, within)
  const parts: Uint8Array[] = []
  let length = 0
  const take = (part: Uint8Array): void => {
    length += part.length
    if (length > maxBytes) throw new HyphaError('bytes-too-long', `the patch makes more than ${maxBytes} bytes`)
    parts.push(part)
  }
  for (let at = 0; at < patch.length; at += pieceBytes) take(decoder.write(patch.subarray(at, at + pieceBytes)))
  take(decoder.end())
  const content = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    content.set(part, at)
    at += part.length
  }
  return content
}
