import { bytesEqual } from '@hypha/core/bytes/text.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import { keyId, openEnvelope } from '@hypha/core/trust/cose.ts'
import type { Role } from '@hypha/core/trust/root.ts'
import { maxDirectiveBytes } from '@hypha/core/trust/snapshot.ts'
import type { DirectiveRecord } from '../store/directives.ts'

/** Nodes whose directive was signed by a key that the gateway role names no more. Each of them forgets it, and its counter, with the root metadata that says so. */
export function nodesOfReplacedSigner(
  directives: readonly DirectiveRecord[],
  gateway: Role,
  crypto: Pick<Crypto, 'sha256'>,
): ReadonlySet<string> {
  const named = gateway.keys.map((key) => keyId(key, crypto))
  // The database is the gateway's own: the signatures were good when they were made.
  const isNamed = ({ envelope }: DirectiveRecord) =>
    openEnvelope(envelope, 'directive', maxDirectiveBytes).signatures.some(({ kid }) =>
      named.some((each) => bytesEqual(each, kid)),
    )
  return new Set(directives.filter((record) => !isNamed(record)).map(({ node }) => node))
}
