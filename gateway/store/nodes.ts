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
  readonly presence: { readonly connection: number; readonly online: boolean; readonly at: number } | null
  /** The last `state` message as it came, with the time. */
  readonly state: { readonly bytes: Uint8Array; readonly at: number } | null
  readonly inventory: Inventory | null
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
  connection: number | null
  online: number
  presence_at: number | null
  state: Uint8Array | null
  state_at: number | null
  inventory: string | null
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
    presence:
      row.connection === null
        ? null
        : { connection: row.connection, online: row.online === 1, at: row.presence_at ?? 0 },
    state: state === null ? null : { bytes: state, at: row.state_at ?? 0 },
    inventory: row.inventory === null ? null : (JSON.parse(row.inventory) as Inventory),
  }
}

/** The nodes of a fleet. */
export function createNodes(db: Database, fleet: string) {
  // A node that joins again under its name starts anew: its own counters do, too.
  const put = db.prepare(`INSERT INTO nodes
    (fleet, id, tier, public_key, box_key, fingerprint, certificate_expires, labels, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (fleet, id) DO UPDATE SET tier = excluded.tier, public_key = excluded.public_key, box_key = excluded.box_key,
    fingerprint = excluded.fingerprint, certificate_expires = excluded.certificate_expires, labels = excluded.labels,
    removed = NULL, connection = NULL, online = 0, presence_at = NULL, state = NULL, state_at = NULL, inventory = NULL`)
  const get = db.prepare<[string, string], Row>('SELECT * FROM nodes WHERE fleet = ? AND id = ?')
  const has = db.prepare('SELECT 1 FROM nodes WHERE fleet = ? AND id = ?')
  const list = db.prepare<[string], Row>('SELECT * FROM nodes WHERE fleet = ? ORDER BY id')
  const setCertificate = db.prepare(
    'UPDATE nodes SET fingerprint = ?, certificate_expires = ? WHERE fleet = ? AND id = ?',
  )
  const setLabels = db.prepare('UPDATE nodes SET labels = ? WHERE fleet = ? AND id = ?')
  const setZone = db.prepare('UPDATE nodes SET zone = ? WHERE fleet = ? AND id = ?')
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
    get(id: string): NodeRecord | null {
      const row = get.get(fleet, id)
      return row ? fromRow(row) : null
    },
    has: (id: string): boolean => has.get(fleet, id) !== undefined,
    list: (): NodeRecord[] => list.all(fleet).map(fromRow),
    setCertificate: (id: string, fingerprint: string, expiresAt: number): boolean =>
      setCertificate.run(fingerprint, expiresAt, fleet, id).changes > 0,
    setLabels: (id: string, labels: readonly string[]): boolean =>
      setLabels.run(JSON.stringify(labels), fleet, id).changes > 0,
    setZone: (id: string, zone: string | null): boolean => setZone.run(zone, fleet, id).changes > 0,
    /** From now on the node is to leave. */
    setRemoved: (id: string, at: number): boolean => setRemoved.run(at, fleet, id).changes > 0,
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
