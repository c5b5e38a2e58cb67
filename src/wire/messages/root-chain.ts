import { maxRootBytes } from '../../trust/snapshot.ts'
import { bytes, list, message, record, type TypeOf } from '../codec.ts'

/**
 * Retained on `b/root`: the signed envelopes of root metadata by rising version without a gap, the newest last. It holds as many as fit, so that a node that was away
 * for several versions follows them one by one.
 */
export const rootChain = message(
  'root chain',
  record({ envelopes: [1, list(bytes({ max: maxRootBytes }), 256)] }),
  60_000,
)

export type RootChain = TypeOf<typeof rootChain>
