import { ByteReader } from '../bytes/reader.ts'
import { bytesEqual, toHex, toUtf8 } from '../bytes/text.ts'
import { ByteWriter } from '../bytes/writer.ts'
import { HyphaError } from '../errors.ts'
import type { Compressor } from '../ports/compressor.ts'
import type { Crypto } from '../ports/crypto.ts'
import { applyPatch } from './decoder.ts'
import { malformed } from './limits.ts'

const digestBytes = 32
const magic = toUtf8('hypha-patch-1\n')

/** A patch as a file of its own [D 9]: what it is for and what it makes, told by SHA-256, and the patch. */
export interface PatchFile {
  readonly oldDigest: Uint8Array
  readonly newDigest: Uint8Array
  readonly oldBytes: number
  readonly newBytes: number
  readonly patch: Uint8Array
}

export function encodePatchFile(
  old: Uint8Array,
  content: Uint8Array,
  patch: Uint8Array,
  crypto: Crypto,
): Uint8Array<ArrayBuffer> {
  const head = new ByteWriter().put(magic).put(crypto.sha256(old)).put(crypto.sha256(content)).put(crypto.sha256(patch))
  return head.u32(old.length).u32(content.length).put(patch).finish()
}

/** @throws HyphaError `delta-malformed` where the file is no patch, or not the one that was written */
export function decodePatchFile(file: Uint8Array, crypto: Crypto): PatchFile {
  const reader = new ByteReader(file, 'patch file')
  if (!bytesEqual(file.subarray(0, magic.length), magic)) throw malformed('the file is no patch of hypha delta make')
  reader.skip(magic.length)
  if (reader.left < 3 * digestBytes + 8) throw malformed('the file ends within its head')
  const [oldDigest, newDigest, patchDigest] = [
    reader.take(digestBytes),
    reader.take(digestBytes),
    reader.take(digestBytes),
  ]
  const [oldBytes, newBytes] = [reader.u32(), reader.u32()]
  const patch = reader.take(reader.left)
  if (!bytesEqual(crypto.sha256(patch), patchDigest)) throw malformed('the file was cut or changed since it was made')
  return { oldDigest, newDigest, oldBytes, newBytes, patch }
}

/**
 * Makes the new file of the old one, and nothing else than the very file that the patch was made of.
 *
 * @throws HyphaError `delta-base-wrong` for another old file, `delta-malformed` for a patch that makes something else
 */
export function applyPatchFile(
  old: Uint8Array,
  file: PatchFile,
  ports: { compressor: Compressor; crypto: Crypto },
): Uint8Array<ArrayBuffer> {
  const { oldDigest, newDigest } = file
  const digest = ports.crypto.sha256(old)
  if (!bytesEqual(digest, oldDigest)) {
    throw new HyphaError(
      'delta-base-wrong',
      `the patch is for a file with the SHA-256 ${toHex(oldDigest)}; this one's is ${toHex(digest)}`,
    )
  }
  const content = applyPatch(old, file.patch, ports.compressor)
  if (!bytesEqual(ports.crypto.sha256(content), newDigest))
    throw malformed(`it makes another file than the one with the SHA-256 ${toHex(newDigest)}`)
  return content
}
