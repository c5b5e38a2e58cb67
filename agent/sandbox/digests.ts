import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { functionDigest } from '@hypha/core/wasm/interface-digest.ts'
import type { FuncType } from '@hypha/core/wasm/types.ts'

const digests = new WeakMap<FuncType, Uint8Array>()

/** As `functionDigest`, worked out once. */
export function digestOf(name: string, func: FuncType): Uint8Array {
  let digest = digests.get(func)
  if (digest === undefined) {
    digest = functionDigest(name, func, nodeCrypto)
    digests.set(func, digest)
  }
  return digest
}
