import { createHash, randomBytes } from 'node:crypto'
import { checkId } from '@hypha/core/wire/ids.ts'
import { formatJoinUrl } from '@hypha/core/wire/join-url.ts'
import type { Tier } from '@hypha/core/wire/messages/state.ts'

/** An invitation as the store keeps it. The token itself is kept nowhere: whoever reads the database can't join with it. */
export interface Invite {
  /** SHA-256 of the token, lower-case hex. */
  readonly tokenDigest: string
  readonly node: string
  readonly tier: Tier
  readonly labels: readonly string[]
  /** Milliseconds since 1970. */
  readonly createdAt: number
  readonly expiresAt: number
  readonly used: InviteUse | null
}

export interface InviteUse {
  readonly at: number
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array
  /** X25519, 32 bytes. */
  readonly boxKey: Uint8Array
  /** SHA-256 of the certificate's DER, lower-case hex, and when it ends. */
  readonly fingerprint: string
  readonly certificateExpiresAt: number
  /** The whole answer, given again to the same node when its connection was cut before it read it. */
  readonly answer: Uint8Array
}

/** Where invitations are kept, beside the nodes. */
export interface InviteStore {
  addInvite(invite: Invite): void
  findInvite(tokenDigest: string): Invite | null
  /**
   * In one transaction: marks an unused invitation as used and enters the node, its tier, labels and keys, in the fleet. False, and nothing done, if it
   * was used meanwhile or is gone.
   */
  redeemInvite(tokenDigest: string, use: InviteUse): boolean
}

export interface InviteRequest {
  readonly fleet: string
  readonly node: string
  readonly tier: Tier
  readonly labels?: readonly string[]
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

export const tokenDigest = (token: string): string => createHash('sha256').update(token).digest('hex')

/** Makes an invitation and its URL: the only place where the token ever stands. */
export function createInvite(
  request: InviteRequest,
  store: InviteStore,
  now: () => number = Date.now,
): { url: string; invite: Invite } {
  const { fleet, node, tier, labels = [], hours = defaultHours, host, port, ca, root } = request
  checkId('node', node)
  const token = randomBytes(32).toString('base64url')
  const createdAt = now()
  const invite: Invite = {
    tokenDigest: tokenDigest(token),
    node,
    tier,
    labels,
    createdAt,
    expiresAt: createdAt + hours * 3_600_000,
    used: null,
  }
  store.addInvite(invite)
  return { url: formatJoinUrl({ host, port, fleet, node, token, ca, root }), invite }
}
