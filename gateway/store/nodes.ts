import type { Presence } from '@hypha/core/wire/messages/presence.ts'
import type { Inventory, Tier } from '@hypha/core/wire/messages/state.ts'
import { type Database, plainBytes, plainBytesOrNull } from './sqlite.ts'

export interface NodeRecord {
  readonly id: string
  readonly tier: Tier
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array
  /** X25519, 32 bytes. */
  readonly boxKey: Uint8Array
  /** SHA-256 of the DER of the certificate that counts, lower-case hex. */
  readonly fingerprint: string
  readonly certificateExpiresAt: number
  /** Set by the operator; the node's own stand in its inventory. */
  readonly labels: readonly string[]
  readonly zone: string | null
  readonly createdAt: number
  /** When the operator removed it; it is kept until it has left, or until `Store.removeNode`. */
  readonly removedAt: number | null
  /** Lost or stolen: its certificate counts no more. */
  readonly revoked: { readonly at: number; readonly reason: string | null } | null
  /** When it was found that two machines have its keys. */
  readonly clonedAt: number | null
  readonly presence: { readonly connection: number; readonly online: boolean; readonly at: number } | null
  /** The last `state` message as it came, with the time. */
  readonly state: { readonly bytes: Uint8Array; readonly at: number } | null
  readonly inventory: Inventory | null
  /** The node at whose serial port a board was last seen; null for all that isn't one. */
  readonly parent: string | null
}

export interface Admission {
  readonly fingerprint: string
  readonly revoked: boolean
  readonly cloned: boolean
}

export type NewNode = Pick<
  NodeRecord,
  'id' | 'tier' | 'publicKey' | 'boxKey' | 'fingerprint' | 'certificateExpiresAt' | 'labels' | 'createdAt'
>

interface Row {
  id: string
  tier: Tier
  public_key: Uint8Array
  box_key: Uint8Array
  fingerprint: string
  certificate_expires: number
  labels: string
  zone: string | null
  created: number
  removed: number | null
  revoked: number | null
  revoked_reason: string | null
  cloned: number | null
  connection: number | null
  online: number
  presence_at: number | null
  state: Uint8Array | null
  state_at: number | null
  inventory: string | null
  parent: string | null
}

interface AdmissionRow {
  fingerprint: string
  revoked: number | null
  cloned: number | null
}

function fromRow(row: Row): NodeRecord {
  const state = plainBytesOrNull(row.state)
  return {
    id: row.id,
    tier: row.tier,
    publicKey: plainBytes(row.public_key),
    boxKey: plainBytes(row.box_key),
    fingerprint: row.fingerprint,
    certificateExpiresAt: row.certificate_expires,
    labels: JSON.parse(row.labels) as string[],
    zone: row.zone,
    createdAt: row.created,
    removedAt: row.removed,
    revoked: row.revoked === null ? null : { at: row.revoked, reason: row.revoked_reason },
    clonedAt: row.cloned,
    presence:
      row.connection === null
        ? null
        : { connection: row.connection, online: row.online === 1, at: row.presence_at ?? 0 },
    state: state === null ? null : { bytes: state, at: row.state_at ?? 0 },
    inventory: row.inventory === null ? null : (JSON.parse(row.inventory) as Inventory),
    parent: row.parent,
  }
}

/** The nodes of a fleet. */
export function createNodes(db: Database, fleet: string) {
  // A node that joins again under its name starts anew: its own counters do, too.
  const put = db.prepare(`INSERT INTO nodes
    (fleet, id, tier, public_key, box_key, fingerprint, certificate_expires, labels, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (fleet, id) DO UPDATE SET tier = excluded.tier, public_key = excluded.public_key, box_key = excluded.box_key,
    fingerprint = excluded.fingerprint, certificate_expires = excluded.certificate_expires, labels = excluded.labels,
    removed = NULL, revoked = NULL, revoked_reason = NULL, cloned = NULL,
    connection = NULL, online = 0, presence_at = NULL, state = NULL, state_at = NULL, inventory = NULL, parent = NULL`)
  // The device is another one, the node the same: labels, zone and history stay, and what it provides is taken to be the same until it says otherwise.
  const replace =
    db.prepare(`UPDATE nodes SET tier = ?, public_key = ?, box_key = ?, fingerprint = ?, certificate_expires = ?, labels = ?,
    removed = NULL, revoked = NULL, revoked_reason = NULL, cloned = NULL, connection = NULL, online = 0, state = NULL, state_at = NULL
    WHERE fleet = ? AND id = ?`)
  const get = db.prepare<[string, string], Row>('SELECT * FROM nodes WHERE fleet = ? AND id = ?')
  const accepts = db.prepare('SELECT 1 FROM nodes WHERE fleet = ? AND id = ? AND revoked IS NULL AND cloned IS NULL')
  const identity = db.prepare<[string, string], AdmissionRow>(
    'SELECT fingerprint, revoked, cloned FROM nodes WHERE fleet = ? AND id = ?',
  )
  const revoke = db.prepare(
    'UPDATE nodes SET revoked = ?, revoked_reason = ?, online = 0 WHERE fleet = ? AND id = ? AND revoked IS NULL',
  )
  const setCloned = db.prepare('UPDATE nodes SET cloned = ?, online = 0 WHERE fleet = ? AND id = ? AND cloned IS NULL')
  const forgetConnection = db.prepare('UPDATE nodes SET connection = NULL WHERE fleet = ? AND id = ?')
  const has = db.prepare('SELECT 1 FROM nodes WHERE fleet = ? AND id = ?')
  const list = db.prepare<[string], Row>('SELECT * FROM nodes WHERE fleet = ? ORDER BY id')
  const setCertificate = db.prepare(
    'UPDATE nodes SET fingerprint = ?, certificate_expires = ? WHERE fleet = ? AND id = ?',
  )
  const setLabels = db.prepare('UPDATE nodes SET labels = ? WHERE fleet = ? AND id = ?')
  const setZone = db.prepare('UPDATE nodes SET zone = ? WHERE fleet = ? AND id = ?')
  const setParent = db.prepare('UPDATE nodes SET parent = ? WHERE fleet = ? AND id = ?')
  const parentOf = db.prepare<[string, string], { parent: string | null }>(
    'SELECT parent FROM nodes WHERE fleet = ? AND id = ?',
  )
  const childrenOf = db.prepare<[string, string], Row>('SELECT * FROM nodes WHERE fleet = ? AND parent = ? ORDER BY id')
  const setRemoved = db.prepare(
    'UPDATE nodes SET removed = coalesce(removed, ?), online = 0 WHERE fleet = ? AND id = ?',
  )
  // A number below the last one seen is ignored (presence.ts): it is the will of an older connection.
  const setPresence = db.prepare(`UPDATE nodes SET connection = ?, online = ?, presence_at = ?
    WHERE fleet = ? AND id = ? AND (connection IS NULL OR connection <= ?)`)
  const setState = db.prepare('UPDATE nodes SET state = ?, state_at = ?, inventory = ? WHERE fleet = ? AND id = ?')
  const allOffline = db.prepare('UPDATE nodes SET online = 0 WHERE fleet = ? AND online = 1')

  return {
    /** Enters a node, or enters it anew with other keys. */
    put(node: NewNode): void {
      const { id, tier, publicKey, boxKey, fingerprint, certificateExpiresAt, labels, createdAt } = node
      put.run(fleet, id, tier, publicKey, boxKey, fingerprint, certificateExpiresAt, JSON.stringify(labels), createdAt)
    },
    /**
     * Gives a node that is there other keys, and the name to the device that has them. False for one that isn't there. `labels` of null stay as they are.
     */
    replace(node: Omit<NewNode, 'labels'> & { readonly labels: readonly string[] | null }): boolean {
      const { id, tier, publicKey, boxKey, fingerprint, certificateExpiresAt } = node
      const before = get.get(fleet, id)
      if (!before) return false
      const labels = node.labels === null ? before.labels : JSON.stringify(node.labels)
      replace.run(tier, publicKey, boxKey, fingerprint, certificateExpiresAt, labels, fleet, id)
      return true
    },
    get(id: string): NodeRecord | null {
      const row = get.get(fleet, id)
      return row ? fromRow(row) : null
    },
    has: (id: string): boolean => has.get(fleet, id) !== undefined,
    /** Whether what the node says counts: it is there, and neither revoked nor cloned. */
    accepts: (id: string): boolean => accepts.get(fleet, id) !== undefined,
    /** What the broker asks at each connection. */
    admission(id: string): Admission | null {
      const row = identity.get(fleet, id)
      return row ? { fingerprint: row.fingerprint, revoked: row.revoked !== null, cloned: row.cloned !== null } : null
    },
    list: (): NodeRecord[] => list.all(fleet).map(fromRow),
    setCertificate: (id: string, fingerprint: string, expiresAt: number): boolean =>
      setCertificate.run(fingerprint, expiresAt, fleet, id).changes > 0,
    setLabels: (id: string, labels: readonly string[]): boolean =>
      setLabels.run(JSON.stringify(labels), fleet, id).changes > 0,
    setZone: (id: string, zone: string | null): boolean => setZone.run(zone, fleet, id).changes > 0,
    /** A board is at another node's serial port. */
    setParent: (id: string, parent: string): boolean => setParent.run(parent, fleet, id).changes > 0,
    /** The node at whose serial port a board was last seen; null for all that isn't one. */
    parentOf: (id: string): string | null => parentOf.get(fleet, id)?.parent ?? null,
    /** The boards that were last seen at a node's serial ports, sorted. */
    childrenOf: (parent: string): NodeRecord[] => childrenOf.all(fleet, parent).map(fromRow),
    /** From now on the node is to leave. */
    setRemoved: (id: string, at: number): boolean => setRemoved.run(at, fleet, id).changes > 0,
    /** Its certificate counts no more. False where that was so already. */
    revoke: (id: string, reason: string | null, at: number): boolean => revoke.run(at, reason, fleet, id).changes > 0,
    /** Two machines have its keys. False where that was known. */
    setCloned: (id: string, at: number): boolean => setCloned.run(at, fleet, id).changes > 0,
    /** Of a new run of its agent: whatever number it begins with is above the one before. */
    forgetConnection: (id: string): void => void forgetConnection.run(fleet, id),
    /** False if the node is unknown, or the message is older than the last one. */
    setPresence: (id: string, { connection, online }: Presence, at: number): boolean =>
      setPresence.run(connection, online ? 1 : 0, at, fleet, id, connection).changes > 0,
    setState: (id: string, bytes: Uint8Array, inventory: Inventory, at: number): boolean =>
      setState.run(bytes, at, JSON.stringify(inventory), fleet, id).changes > 0,
    /** At the gateway's start nobody is connected to an embedded broker. */
    setAllOffline: (): void => void allOffline.run(fleet),
  }
}

export type NodeStore = ReturnType<typeof createNodes>
