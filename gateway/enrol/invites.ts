import { createHash, randomBytes } from 'node:crypto'
import { checkId } from '@hypha/core/wire/ids.ts'
import { formatJoinUrl } from '@hypha/core/wire/join-url.ts'
import type { Tier } from '@hypha/core/wire/messages/state.ts'
import type { Invite, InviteStore } from '../store/ports/invites.ts'

export interface InviteRequest {
  readonly fleet: string
  readonly node: string
  readonly tier: Tier
  readonly labels?: readonly string[]
  /** For a name that a node has: whoever joins takes its place. */
  readonly replaces?: boolean
  /** How long the invitation holds. */
  readonly hours?: number
  /** The gateway's HTTPS server, as the node reaches it. */
  readonly host: string
  readonly port: number
  /** SHA-256 of the CA certificate's DER and of the first root metadata's envelope, lower-case hex. */
  readonly ca: string
  readonly root: string
}

const defaultHours = 24

/** By which people name an invitation: the beginning of its token's digest, which says nothing of the token. */
export const inviteId = (digest: string): string => digest.slice(0, 12)

export const tokenDigest = (token: string): string => createHash('sha256').update(token).digest('hex')

/** Makes an invitation and its URL: the only place where the token ever stands. */
export function createInvite(
  request: InviteRequest,
  store: InviteStore,
  now: () => number = Date.now,
): { url: string; invite: Invite } {
  const { fleet, node, tier, labels = [], replaces = false, hours = defaultHours, host, port, ca, root } = request
  checkId('node', node)
  const token = randomBytes(32).toString('base64url')
  const createdAt = now()
  const invite: Invite = {
    tokenDigest: tokenDigest(token),
    node,
    tier,
    labels,
    replaces,
    createdAt,
    expiresAt: createdAt + hours * 3_600_000,
    used: null,
  }
  store.addInvite(invite)
  return { url: formatJoinUrl({ host, port, fleet, node, token, ca, root }), invite }
}
