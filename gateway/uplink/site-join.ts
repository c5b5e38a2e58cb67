import { createHash, randomBytes } from 'node:crypto'
import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import { formatJoinUrl, type JoinUrl } from '@hypha/core/wire/join-url.ts'
import {
  type SiteJoinRequest,
  siteJoinAnswer,
  siteJoinProof,
  siteJoinRequest,
} from '@hypha/core/wire/messages/site-join.ts'
import type { SiteStore } from '../store/sites.ts'

const tokenDigest = (token: string): string => createHash('sha256').update(token).digest('hex')

/** Makes an invitation of a site and its URL: the only place where the token ever stands. */
export function inviteSite(
  sites: Pick<SiteStore, 'invite'>,
  { hours, memoryBytes, now, ...where }: Omit<JoinUrl, 'token'> & { hours: number; memoryBytes: number; now: number },
): { readonly url: string; readonly expiresAt: number } {
  const token = randomBytes(32).toString('base64url')
  const expiresAt = now + hours * 3_600_000
  sites.invite({ tokenDigest: tokenDigest(token), site: where.node, expiresAt }, memoryBytes, now)
  return { url: formatJoinUrl({ ...where, token }), expiresAt }
}

export interface SiteJoinDeps {
  readonly fleet: string
  readonly sites: Pick<SiteStore, 'findInvite' | 'redeem'>
  readonly crypto: Pick<Crypto, 'verify'>
  now(): number
  certify(site: string, publicKey: Uint8Array): Promise<{ readonly certificate: string; readonly expiresAt: number }>
  /** Where uplinks are opened. */
  uplink(): { readonly host: string; readonly port: number }
  /** Called after it is stored. */
  joined(site: string, invite: string): void
}

/**
 * Answers the body of POST /v1/join-site. An invitation is good for one key: the same key gets an answer again until the invitation expires. Throws `join-token-unknown`,
 * `join-token-expired`, `join-token-used`, `join-proof-invalid`, or what a malformed body throws. [P 14.1]
 */
export async function handleSiteJoin(body: Uint8Array, deps: SiteJoinDeps): Promise<Uint8Array> {
  const request = siteJoinRequest.decode(body)
  const digest = tokenDigest(request.token)
  const { site, publicKey } = request
  const repeated = check(request, digest, deps)
  const issued = await deps.certify(site, publicKey)
  if (!repeated && deps.sites.redeem(digest, site, publicKey, deps.now(), issued.expiresAt))
    deps.joined(site, digest.slice(0, 12))
  // Another request with this token may have come first while the certificate was made.
  else if (!check(request, digest, deps)) throw unknownToken(site)
  return siteJoinAnswer.encode({ fleet: deps.fleet, certificate: issued.certificate, ...deps.uplink() })
}

/** Whether this key has used the invitation already; throws if it doesn't hold. */
function check(request: SiteJoinRequest, digest: string, deps: SiteJoinDeps): boolean {
  const { site, publicKey, proof } = request
  const invite = deps.sites.findInvite(digest)
  if (invite?.site !== site) throw unknownToken(site)
  if (deps.now() >= invite.expiresAt)
    throw new HyphaError('join-token-expired', `The invitation of ${site} has expired`)
  if (!deps.crypto.verify(publicKey, siteJoinProof(deps.fleet, request), proof)) {
    throw new HyphaError('join-proof-invalid', `The request is not signed by the key that it names for ${site}`)
  }
  if (invite.publicKey === null) return false
  if (bytesEqual(invite.publicKey, publicKey)) return true
  throw new HyphaError('join-token-used', `The invitation of ${site} was used by another key`)
}

const unknownToken = (site: string) =>
  new HyphaError('join-token-unknown', `There is no invitation with this token for the site ${site}`)
