import { createHash, X509Certificate } from 'node:crypto'
import { toHex } from '../bytes/text.ts'
import { asHyphaError, type HyphaError } from '../errors.ts'
import { mayVouch, type RootMetadata } from '../trust/root.ts'

// Whom a node believes to be its gateway, and a site its upstream, when the certificate authority by which it joined was replaced.

/** What a node knows of whom to believe, and how it learns more. */
export interface AuthorityTrust {
  /** The root metadata in force. */
  root(): RootMetadata
  /** Follows a chain by the rules; durable when it resolves. Throws what doesn't hold. */
  follow(chain: readonly Uint8Array[]): Promise<void>
  onProblem(error: HyphaError): void
}

/** Of the gateway where the node joined. */
export interface AskedGateway<Renewed> {
  /** A certificate by proof of the node's key, from a server that the CA (PEM) vouches for. Throws `join-ca-mismatch` for another. */
  renew(ca: string): Promise<Renewed>
  /** Root metadata from whoever answers: it proves itself. */
  rootChain(): Promise<readonly Uint8Array[]>
  /** The CA certificate (PEM) with one of the digests, from whoever answers: it proves nothing yet. Throws `join-ca-mismatch`. */
  authority(digestsHex: readonly string[]): Promise<string>
}

/** Whether root metadata lets a node believe its gateway by this CA certificate (PEM). [P 5.9] */
export const believes = (root: RootMetadata, ca: string): boolean =>
  mayVouch(root, createHash('sha256').update(new X509Certificate(ca).raw).digest())

/**
 * A certificate from the gateway. Where the node's CA doesn't vouch for who answers there, or root metadata doesn't name that CA any more, newer root metadata is asked for: whoever
 * answers is believed once it shows, and holds, a CA that the root's keys have signed for. Who has only stolen the CA before, or made another, has no such root metadata, and
 * the error stays `join-ca-mismatch`. [P 5.9]
 */
export async function renewByRoot<Renewed>(
  { ca }: { readonly ca: string },
  trust: AuthorityTrust,
  gateway: AskedGateway<Renewed>,
): Promise<Renewed> {
  if (believes(trust.root(), ca)) {
    try {
      return await gateway.renew(ca)
    } catch (thrown) {
      const mismatch = asHyphaError(thrown)
      if (mismatch.code !== 'join-ca-mismatch') throw mismatch
      await followGiven(trust, gateway)
      // Nothing newer, or it still names the CA that this gateway can't prove: there is nothing else to believe it by.
      if (trust.root().authorities === null) throw mismatch
    }
  } else await followGiven(trust, gateway)
  const { authorities } = trust.root()
  return await gateway.renew(await gateway.authority((authorities ?? []).map(toHex)))
}

/** What is refused of it changes nothing: what is held decides. */
async function followGiven(trust: AuthorityTrust, gateway: Pick<AskedGateway<unknown>, 'rootChain'>): Promise<void> {
  try {
    await trust.follow(await gateway.rootChain())
  } catch (thrown) {
    trust.onProblem(asHyphaError(thrown))
  }
}
