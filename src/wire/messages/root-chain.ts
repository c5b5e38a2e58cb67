import { maxRootBytes } from '../../trust/snapshot.ts'
import { bytes, list, message, record, type TypeOf } from '../codec.ts'

const maxChainBytes = 60_000
const maxEnvelopes = 256

/**
 * Retained on `b/root`: the signed envelopes of root metadata by rising version without a gap, the newest last. It holds as many as fit, so that a node that was away
 * for several versions follows them one by one.
 */
export const rootChain = message(
  'root chain',
  record({ envelopes: [1, list(bytes({ max: maxRootBytes }), maxEnvelopes)] }),
  maxChainBytes,
)

export type RootChain = TypeOf<typeof rootChain>

/** The newest of a chain, as many as fit. */
export function encodeNewest(chain: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  // Each envelope has a head of at most 3 bytes, and the whole one of at most 6.
  let left = maxChainBytes - 6
  let from = chain.length
  while (from > 0 && chain.length - from < maxEnvelopes) {
    left -= chain[from - 1]!.length + 3
    if (left < 0) break
    from--
  }
  return rootChain.encode({ envelopes: chain.slice(from) })
}
