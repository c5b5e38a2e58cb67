import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import {
  type JoinRequest,
  joinAnswer,
  joinProof,
  joinRequest,
  renewProof,
  renewRequest,
} from '@hypha/core/wire/messages/join.ts'
import type { Tier } from '@hypha/core/wire/messages/state.ts'
import type { Invite, InviteStore, InviteUse } from '../store/ports/invites.ts'
import type { Authority, Issued } from './ca.ts'
import { tokenDigest } from './invites.ts'

export interface EnrolDeps {
  readonly authority: Pick<Authority, 'fleet' | 'certificate' | 'issueNode'>
  readonly invites: InviteStore
  readonly crypto: Pick<Crypto, 'verify'>
  readonly now: () => number
  /** The envelope of the first root metadata. */
  readonly root: () => Uint8Array
  /** Told of a device that has just joined, at once: the one that had its name before is to go. */
  readonly joined?: (node: string) => void
  /** The broker, as nodes reach it. */
  readonly broker: () => { host: string; port: number }
}

/**
 * Answers the body of POST /v1/join. An invitation is good for one key: the same node with the same keys gets the same answer again until the [P 5.3]
 * invitation expires, so that a cut connection doesn't lose it.
 *
 * Throws `join-token-unknown`, `join-token-expired`, `join-token-used`, `join-proof-invalid`, or what a malformed body throws.
 */
export async function handleJoin(body: Uint8Array, deps: EnrolDeps): Promise<Uint8Array> {
  const request = joinRequest.decode(body)
  const digest = tokenDigest(request.token)
  const invite = deps.invites.findInvite(digest)
  const before = checkInvite(invite, request, deps)
  if (before) return before

  const issued = await deps.authority.issueNode({ id: request.node, publicKey: request.publicKey })
  const answer = encodeAnswer(invite!.tier, issued, deps)
  const use: InviteUse = {
    at: deps.now(),
    publicKey: request.publicKey,
    boxKey: request.boxKey,
    fingerprint: issued.fingerprint,
    certificateExpiresAt: issued.expiresAt,
    answer,
  }
  if (deps.invites.redeemInvite(digest, use)) {
    deps.joined?.(request.node)
    return answer
  }
  // Another request with this token came first while the certificate was made: this one is judged as a repetition.
  const repeated = checkInvite(deps.invites.findInvite(digest), request, deps)
  if (repeated) return repeated
  throw unknownToken(request)
}

/** The stored answer if this is a repetition, null if the invitation is unused; throws if it doesn't hold. */
function checkInvite(invite: Invite | null, request: JoinRequest, deps: EnrolDeps): Uint8Array | null {
  // A token for another node is as unknown as no token: the answer tells nothing about other invitations.
  // Nor does a board join: its node brings the token that it carries.
  if (!invite || invite.node !== request.node || invite.tier === 'mcu') throw unknownToken(request)
  if (deps.now() >= invite.expiresAt) {
    throw new HyphaError('join-token-expired', `The invitation of ${invite.node} has expired`)
  }
  if (!deps.crypto.verify(request.publicKey, joinProof(deps.authority.fleet, request), request.proof)) {
    throw new HyphaError('join-proof-invalid', `The request is not signed by the key that it names for ${request.node}`)
  }
  if (!invite.used) return null
  const same = bytesEqual(invite.used.publicKey, request.publicKey) && bytesEqual(invite.used.boxKey, request.boxKey)
  if (!same) throw new HyphaError('join-token-used', `The invitation of ${invite.node} was used by another key`)
  return invite.used.answer
}

const unknownToken = (request: JoinRequest) =>
  new HyphaError('join-token-unknown', `There is no invitation with this token for ${request.node}`)

export interface RenewDeps extends Omit<EnrolDeps, 'invites' | 'joined'> {
  /** A joined node's tier and Ed25519 key, and why it isn't let in; null for one that is unknown or was removed. */
  readonly findNode: (node: string) => { tier: Tier; publicKey: Uint8Array; refused?: HyphaError | null } | null
  /** Whether a node that has proven its key is given one more now; always, if left out. */
  readonly mayRenew?: (node: string) => boolean
  /** Keeps what the broker will ask for when the node connects with the new certificate. */
  readonly recordCertificate: (node: string, issued: Issued) => void
}

/** Answers the body of POST /v1/renew. Throws `join-proof-invalid`, also for nodes that are unknown: who can't prove a key learns nothing;
 * `node-revoked`, `cloned-identity` and `too-many-attempts` to who can. */
export async function handleRenew(body: Uint8Array, deps: RenewDeps): Promise<Uint8Array> {
  const request = renewRequest.decode(body)
  const node = deps.findNode(request.node)
  if (!node || !deps.crypto.verify(node.publicKey, renewProof(deps.authority.fleet, request.node), request.proof)) {
    throw new HyphaError('join-proof-invalid', `The request is not signed by the key of a joined node ${request.node}`)
  }
  if (node.refused) throw node.refused
  // Only now: whoever can't prove a key takes nothing from who can.
  if (deps.mayRenew?.(request.node) === false) {
    throw new HyphaError('too-many-attempts', `${request.node} asks for certificates again and again`, {
      where: request.node,
    })
  }
  const issued = await deps.authority.issueNode({ id: request.node, publicKey: node.publicKey })
  // Revoked or replaced meanwhile: what was issued for the old key must not become the node's.
  const now = deps.findNode(request.node)
  if (!now || now.refused || !bytesEqual(now.publicKey, node.publicKey)) return handleRenew(body, deps)
  deps.recordCertificate(request.node, issued)
  return encodeAnswer(node.tier, issued, deps)
}

function encodeAnswer(tier: Tier, issued: Issued, deps: Pick<EnrolDeps, 'authority' | 'root' | 'broker'>): Uint8Array {
  const { host, port } = deps.broker()
  return joinAnswer.encode({
    fleet: deps.authority.fleet,
    tier,
    certificate: issued.certificate,
    ca: deps.authority.certificate,
    root: deps.root(),
    brokerHost: host,
    brokerPort: port,
  })
}
