import { applyPatch, PatchKind, patchHeaderByte } from '@hypha/core/delta/decoder.ts'
import { makeWasmPatch } from '@hypha/core/delta/make-patch.ts'
import { brotli } from '@hypha/core/platform/compress.ts'

/** Old and new together: beyond, what the wasm-aware delta takes of memory and time isn't worth it. */
const wasmUpToBytes = 10 * 1024 * 1024

/** A wasm-aware patch of less than this share of the content isn't held against a general one: that has never been the smaller one, and takes as long again. */
const surelySmall = 1 / 8

/** A patch of `base` that makes `content`; it has been tried, whatever its kind. */
export function makeTransferPatch(base: Uint8Array, content: Uint8Array): Uint8Array<ArrayBuffer> {
  const wasm =
    base.length + content.length > wasmUpToBytes ? null : (makeWasmPatch(base, content, brotli)?.bytes ?? null)
  if (wasm !== null && wasm.length < content.length * surelySmall) return wasm
  const general = makeGeneralPatch(base, content)
  return wasm !== null && wasm.length <= general.length ? wasm : general
}

/** As `makePatch` makes it, without what comes to the content compressed as a whole: that is a transfer already. */
function makeGeneralPatch(base: Uint8Array, content: Uint8Array): Uint8Array<ArrayBuffer> {
  const body = brotli.compressAgainst(content, base)
  const patch = new Uint8Array(body.length + 1)
  patch[0] = patchHeaderByte(PatchKind.general, null)
  patch.set(body, 1)
  if (!Buffer.from(applyPatch(base, patch, brotli)).equals(content)) throw new Error('brotli made another content')
  return patch
}
