import type { Tier } from '@hypha/core/wire/messages/state.ts'
import type { NodeStore } from './nodes.ts'
import type { Invite, InviteStore, InviteUse } from './ports/invites.ts'
import type { RunStore } from './runs.ts'
import { type Database, plainBytes } from './sqlite.ts'

interface Row {
  token_digest: string
  node: string
  tier: Tier
  labels: string
  replaces: number
  created: number
  expires: number
  used_at: number | null
  public_key: Uint8Array
  box_key: Uint8Array
  fingerprint: string
  certificate_expires: number
  answer: Uint8Array
}

function fromRow(row: Row): Invite {
  return {
    tokenDigest: row.token_digest,
    node: row.node,
    tier: row.tier,
    labels: JSON.parse(row.labels) as string[],
    replaces: row.replaces === 1,
    createdAt: row.created,
    expiresAt: row.expires,
    used:
      row.used_at === null
        ? null
        : {
            at: row.used_at,
            publicKey: plainBytes(row.public_key),
            boxKey: plainBytes(row.box_key),
            fingerprint: row.fingerprint,
            certificateExpiresAt: row.certificate_expires,
            answer: plainBytes(row.answer),
          },
  }
}

/** Invitations beside what an operator does with them. */
export interface Invites extends InviteStore {
  listInvites(): Invite[]
  withdrawInvite(tokenDigest: string): boolean
  removeExpired(now: number): number
  /** Also those that were used: their answers are given no more. */
  withdrawOf(node: string): number
}

export function createInvites(db: Database, fleet: string, nodes: NodeStore, runs: RunStore): Invites {
  const insert = db.prepare(
    'INSERT INTO invites (fleet, token_digest, node, tier, labels, replaces, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  )
  const get = db.prepare<[string, string], Row>('SELECT * FROM invites WHERE fleet = ? AND token_digest = ?')
  const list = db.prepare<[string], Row>('SELECT * FROM invites WHERE fleet = ? ORDER BY created, token_digest')
  const use =
    db.prepare(`UPDATE invites SET used_at = ?, public_key = ?, box_key = ?, fingerprint = ?, certificate_expires = ?, answer = ?
    WHERE fleet = ? AND token_digest = ? AND used_at IS NULL`)
  const withdraw = db.prepare('DELETE FROM invites WHERE fleet = ? AND token_digest = ?')
  const withdrawOf = db.prepare('DELETE FROM invites WHERE fleet = ? AND node = ?')
  const withdrawOthers = db.prepare('DELETE FROM invites WHERE fleet = ? AND node = ? AND used_at IS NULL')
  const expire = db.prepare('DELETE FROM invites WHERE fleet = ? AND expires < ?')

  const redeem = db.transaction((tokenDigest: string, by: InviteUse): boolean => {
    const { at, publicKey, boxKey, fingerprint, certificateExpiresAt, answer } = by
    const used = use.run(at, publicKey, boxKey, fingerprint, certificateExpiresAt, answer, fleet, tokenDigest)
    if (used.changes === 0) return false
    const { node: id, tier, labels, replaces } = fromRow(get.get(fleet, tokenDigest)!)
    const keys = { id, tier, publicKey, boxKey, fingerprint, certificateExpiresAt, createdAt: at }
    // Its own numbers begin anew, and runs of the device before prove nothing about this one.
    runs.forget(id)
    const replaced = replaces && nodes.replace({ ...keys, labels: labels.length > 0 ? labels : null })
    if (!replaced) nodes.put({ ...keys, labels })
    // The name is given: whoever finds an older line that was not used must not take it from the device that has joined.
    withdrawOthers.run(fleet, id)
    return true
  })

  return {
    addInvite(invite: Invite): void {
      const { tokenDigest, node, tier, labels, replaces, createdAt, expiresAt } = invite
      insert.run(fleet, tokenDigest, node, tier, JSON.stringify(labels), replaces ? 1 : 0, createdAt, expiresAt)
    },
    findInvite(tokenDigest: string): Invite | null {
      const row = get.get(fleet, tokenDigest)
      return row ? fromRow(row) : null
    },
    listInvites: (): Invite[] => list.all(fleet).map(fromRow),
    /**
     * In one transaction: marks an unused invitation as used and enters the node. A node that is there under this name is replaced: its operator invited
     * it anew, and its old keys and certificate count no more. Other invitations for the name that were not used are void. False, and nothing done, if the invitation was used meanwhile or is gone.
     */
    redeemInvite: (tokenDigest: string, by: InviteUse): boolean => redeem.immediate(tokenDigest, by),
    withdrawInvite: (tokenDigest: string): boolean => withdraw.run(fleet, tokenDigest).changes > 0,
    withdrawOf: (node: string): number => withdrawOf.run(fleet, node).changes,
    removeExpired: (now: number): number => expire.run(fleet, now).changes,
  }
}
