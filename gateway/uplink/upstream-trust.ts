import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { type AuthorityTrust, believes, renewByRoot } from '@hypha/core/platform/authority.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { fetchPinnedAuthority, get } from '@hypha/core/platform/pinned-https.ts'
import { openEnvelope } from '@hypha/core/trust/cose.ts'
import { rootMetadata } from '@hypha/core/trust/root.ts'
import { restOfChain, type VerifiedRoot, verifyFirstRoot, verifyNextRoot } from '@hypha/core/trust/root-chain.ts'
import { maxRootBytes } from '@hypha/core/trust/snapshot.ts'
import { rootChain } from '@hypha/core/wire/messages/root-chain.ts'
import type { Upstream } from './upstream-file.ts'

type Root = VerifiedRoot & { readonly envelope: Uint8Array }

/** Where an upstream's API is, for one request. */
export interface UpstreamApi {
  readonly host: string
  readonly port: number
  readonly timeoutMs: number
}

const path = '/v1/root-chain'

/** From who proves itself by a CA (PEM), or null: from whoever answers. */
const askChain = async (api: UpstreamApi, ca: string | null): Promise<readonly Uint8Array[]> =>
  rootChain.decode(await get(api, ca, path)).envelopes

/** Newer root metadata of a chain, each version by the one before it. */
const followed = (held: Root, chain: readonly Uint8Array[]): Root =>
  restOfChain(held.payload, chain).reduce<Root>(
    (before, envelope) => ({ ...verifyNextRoot(before.root, envelope, nodeCrypto), envelope }),
    held,
  )

/**
 * The newest root metadata (its envelope) of the fleet that a gateway joins, from the one that the join URL pins on. Null where that is so old that the fleet doesn't give it any more: then its
 * authority can't be followed. Throws what isn't the pinned fleet's. [P 14.9]
 */
export async function firstRootOf(api: UpstreamApi, ca: string, digestHex: string, fleet: string) {
  const chain = await askChain(api, ca)
  const envelope = chain.find((each) => toHex(nodeCrypto.sha256(each)) === digestHex)
  if (envelope === undefined) return null
  return followed({ ...verifyFirstRoot(envelope, fleet, nodeCrypto), envelope }, chain).envelope
}

/** What this site has kept: verified before it was. */
function rootOf(envelope: Uint8Array): Root {
  const payload = openEnvelope(envelope, 'root', maxRootBytes).unverifiedPayload
  return { root: rootMetadata.decode(payload), payload, envelope }
}

/**
 * Whom to believe by today's root metadata of the upstream's fleet: as a node follows the CA of its gateway, a site follows its upstream's. Who answers there has proven itself by the CA of the answer. Throws
 * `join-ca-mismatch` where it can't, `join-unreachable`. [P 14.9]
 */
export async function followUpstream(
  upstream: Upstream,
  timeoutMs: number,
  onProblem: (error: HyphaError) => void,
): Promise<Upstream> {
  const { root, httpPort, host } = upstream
  if (root === null || httpPort === null) {
    throw new HyphaError('join-ca-mismatch', 'The root metadata by which a new authority could be believed is not here')
  }
  const api = { host, port: httpPort, timeoutMs }
  let held = rootOf(root)
  const trust: AuthorityTrust = {
    root: () => held.root,
    follow: async (chain) => {
      held = followed(held, chain)
    },
    onProblem,
  }
  const ca = await renewByRoot(upstream, trust, {
    async renew(by) {
      await trust.follow(await askChain(api, by))
      if (believes(held.root, by)) return by
      throw new HyphaError(
        'join-ca-mismatch',
        `Root metadata ${held.root.version} doesn't name the authority of ${host}`,
      )
    },
    rootChain: () => askChain(api, null),
    authority: (digestsHex) => fetchPinnedAuthority(api, ...digestsHex),
  })
  return { ...upstream, ca, root: held.envelope }
}
