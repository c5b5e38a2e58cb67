import { createHash } from 'node:crypto'
import { type Database, orEmpty, orNull, plainBytes } from './sqlite.ts'

/** How a content travels: the bytes with `digest` are sent, and decode to the content. Digests are hex. */
export interface TransferRecord {
  readonly encoding: 'identity' | 'brotli' | 'patch'
  /** The content that a patch applies to; null where the bytes stand alone. */
  readonly base: string | null
  readonly digest: string
  readonly size: number
}

interface TransferRow {
  content: string
  base: string
  encoding: TransferRecord['encoding']
  digest: string
  size: number
  bytes: Uint8Array | null
}

const toRecord = ({ encoding, base, digest, size }: TransferRow): TransferRecord => ({
  encoding,
  base: orNull(base),
  digest,
  size,
})

export const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Bytes by their SHA-256, and the forms in which they travel. */
export function createContents(db: Database, fleet: string) {
  const insert = db.prepare(
    'INSERT INTO contents (fleet, digest, size, bytes) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
  )
  const get = db.prepare<[string, string], { bytes: Uint8Array }>(
    'SELECT bytes FROM contents WHERE fleet = ? AND digest = ?',
  )
  const size = db.prepare<[string, string], { size: number }>(
    'SELECT size FROM contents WHERE fleet = ? AND digest = ?',
  )
  const insertTransfer = db.prepare(`INSERT INTO transfers (fleet, content, base, encoding, digest, size, bytes)
    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
  const getTransfer = db.prepare<[string, string, string], TransferRow>(
    'SELECT * FROM transfers WHERE fleet = ? AND content = ? AND base = ?',
  )
  const getPatches = db.prepare<[string, string], TransferRow>(
    "SELECT content, base, encoding, digest, size, NULL AS bytes FROM transfers WHERE fleet = ? AND content = ? AND base <> ''",
  )
  const byDigest = db.prepare<[string, string], TransferRow>('SELECT * FROM transfers WHERE fleet = ? AND digest = ?')
  const unused = `SELECT digest FROM contents c WHERE fleet = :fleet
    AND NOT EXISTS (SELECT 1 FROM release_contents r WHERE r.fleet = c.fleet AND r.digest = c.digest)
    AND NOT EXISTS (SELECT 1 FROM holders h WHERE h.fleet = c.fleet AND h.digest = c.digest)
    AND NOT EXISTS (SELECT 1 FROM releases r WHERE r.fleet = c.fleet AND (r.envelope = c.digest OR r.collecting = c.digest))`
  const removeUnused = db.prepare(`DELETE FROM contents WHERE fleet = :fleet AND digest IN (${unused})`)

  return {
    /** Keeps bytes and gives their digest. What neither a release names nor an instance goes on from is removed by `removeUnused`. */
    put(bytes: Uint8Array): string {
      const digest = digestOf(bytes)
      insert.run(fleet, digest, bytes.length, bytes)
      return digest
    },
    get(digest: string): Uint8Array<ArrayBuffer> | null {
      const row = get.get(fleet, digest)
      return row ? plainBytes(row.bytes) : null
    },
    /** In bytes; null for a content that isn't here. */
    size: (digest: string): number | null => size.get(fleet, digest)?.size ?? null,
    /** `bytes` are null where they are the content itself. */
    putTransfer(content: string, transfer: TransferRecord, bytes: Uint8Array | null): void {
      const { base, encoding, digest, size } = transfer
      insertTransfer.run(fleet, content, orEmpty(base), encoding, digest, size, bytes)
    },
    findTransfer(content: string, base: string | null): TransferRecord | null {
      const row = getTransfer.get(fleet, content, orEmpty(base))
      return row ? toRecord(row) : null
    },
    /** All patches that make a content, of whatever base. */
    patchesOf: (content: string): TransferRecord[] => getPatches.all(fleet, content).map(toRecord),
    /** The bytes that travel under a digest. */
    transferBytes(digest: string): Uint8Array<ArrayBuffer> | null {
      const row = byDigest.get(fleet, digest)
      if (!row) return null
      return row.bytes === null ? this.get(row.content) : plainBytes(row.bytes)
    },
    /** Removes contents that no release names and no instance goes on from, and how they travelled. A patch stays when its base goes: nodes that hold the base may have been told of it. */
    removeUnused: (): number => removeUnused.run({ fleet }).changes,
  }
}

export type ContentStore = ReturnType<typeof createContents>
