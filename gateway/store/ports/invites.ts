import type { Tier } from '@hypha/core/wire/messages/state.ts'

/** An invitation as the store keeps it. The token itself is kept nowhere: whoever reads the database can't join with it. */
export interface Invite {
  /** SHA-256 of the token, lower-case hex. */
  readonly tokenDigest: string
  readonly node: string
  readonly tier: Tier
  readonly labels: readonly string[]
  /** Whoever joins with it takes the place of the device that has the name, with its history. */
  readonly replaces: boolean
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
