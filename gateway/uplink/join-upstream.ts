import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { fetchPinnedAuthority, post } from '@hypha/core/platform/pinned-https.ts'
import { parseJoinUrl } from '@hypha/core/wire/join-url.ts'
import { siteJoinAnswer, siteJoinProof, siteJoinRequest } from '@hypha/core/wire/messages/site-join.ts'
import type { Upstream } from './upstream-file.ts'
import { firstRootOf } from './upstream-trust.ts'

const timeoutMs = 15_000

/**
 * Joins the upstream that an invitation names. It has to prove that it holds the pinned CA before anything is sent to it. The same call with the same seed may be repeated until the
 * invitation expires. Throws `join-url-invalid`, `join-unreachable`, `join-ca-mismatch`, and what the upstream answers. [P 14.1]
 */
export async function joinUpstream(urlText: string, node: string, seed: Uint8Array, nowMs: number): Promise<Upstream> {
  const url = parseJoinUrl(urlText)
  const target = { host: url.host, port: url.port, timeoutMs }
  const ca = await fetchPinnedAuthority(target, url.ca)
  const request = { site: url.node, token: url.token, publicKey: nodeCrypto.publicKey(seed) }
  const proof = nodeCrypto.sign(seed, siteJoinProof(url.fleet, request))
  const answer = siteJoinAnswer.decode(
    await post(target, ca, '/v1/join-site', siteJoinRequest.encode({ ...request, proof })),
  )
  const { fleet, certificate, host, port } = answer
  if (fleet !== url.fleet) {
    throw new HyphaError('join-root-mismatch', `The join URL is for fleet ${url.fleet}, the gateway's is ${fleet}`)
  }
  const root = await firstRootOf(target, ca, url.root, fleet)
  return { fleet, site: url.node, host, port, ca, certificate, seed, joinedMs: nowMs, node, httpPort: url.port, root }
}
