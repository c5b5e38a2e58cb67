import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import { trustFirstRoot } from '@hypha/core/trust/rules.ts'
import type { Identity } from './home.ts'
import type { TrustFile } from './trust-file.ts'
import { Verifier } from './verify/verifier.ts'

/**
 * Goes on from what this node has come to trust; from the root metadata that it joined with where it has come to nothing more. Throws `trust-damaged`: to begin with the first
 * root metadata again would let whoever can damage the file play old metadata to the node.
 */
export function openVerifier(
  trust: TrustFile,
  { fleet, node, root }: Pick<Identity, 'fleet' | 'node' | 'root'>,
  crypto: Crypto,
  nowMs: () => number,
): Verifier {
  if (!trust.exists) {
    const snapshot = trustFirstRoot(root, { digest: crypto.sha256(root), fleet, node }, crypto)
    return new Verifier({ snapshot, crypto, nowMs })
  }
  try {
    const snapshot = trust.read()!
    if (snapshot.fleet !== fleet || snapshot.node !== node)
      throw new Error(`it is of ${snapshot.node} in ${snapshot.fleet}`)
    return new Verifier({ snapshot, crypto, nowMs })
  } catch (cause) {
    const message = `What ${node} has come to trust can't be read: ${asHyphaError(cause).message}`
    throw new HyphaError('trust-damaged', message, { where: 'data/trust', cause })
  }
}
