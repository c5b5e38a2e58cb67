import { type Directive, directive } from '@hypha/core/trust/directive.ts'
import { type Database, plainBytes } from './sqlite.ts'

export interface DirectiveRecord {
  readonly node: string
  readonly version: number
  readonly directive: Directive
  /** The signed envelope around it. */
  readonly envelope: Uint8Array
}

interface Row {
  node: string
  version: number
  payload: Uint8Array
  envelope: Uint8Array
}

const fromRow = ({ node, version, payload, envelope }: Row): DirectiveRecord => ({
  node,
  version,
  directive: directive.decode(plainBytes(payload)),
  envelope: plainBytes(envelope),
})

/** The last directive of each node. */
export function createDirectives(db: Database, fleet: string) {
  const put =
    db.prepare(`INSERT INTO directives (fleet, node, version, payload, envelope, issued) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (fleet, node) DO UPDATE SET version = excluded.version, payload = excluded.payload,
    envelope = excluded.envelope, issued = excluded.issued WHERE excluded.version > version`)
  const putAnew =
    db.prepare(`INSERT INTO directives (fleet, node, version, payload, envelope, issued) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (fleet, node) DO UPDATE SET version = excluded.version, payload = excluded.payload,
    envelope = excluded.envelope, issued = excluded.issued`)
  const get = db.prepare<[string, string], Row>('SELECT * FROM directives WHERE fleet = ? AND node = ?')
  const version = db.prepare<[string, string], { version: number }>(
    'SELECT version FROM directives WHERE fleet = ? AND node = ?',
  )
  const list = db.prepare<[string], Row>('SELECT * FROM directives WHERE fleet = ? ORDER BY node')

  return {
    /** False, and nothing kept, if the node has this version or a later one: versions only rise. */
    put: (value: Directive, envelope: Uint8Array): boolean =>
      put.run(fleet, value.node, value.version, directive.encode(value), envelope, value.issuedMs).changes > 0,
    /** The first that another key has signed, after root metadata has replaced the one of before: with the key its counter is forgotten. */
    putAnew: (value: Directive, envelope: Uint8Array): void =>
      void putAnew.run(fleet, value.node, value.version, directive.encode(value), envelope, value.issuedMs),
    /** Keeps what a node has proven to hold, in place of what this database believed that it had told it. */
    adopt: (value: Directive, envelope: Uint8Array): void =>
      void putAnew.run(fleet, value.node, value.version, directive.encode(value), envelope, value.issuedMs),
    get(node: string): DirectiveRecord | null {
      const row = get.get(fleet, node)
      return row ? fromRow(row) : null
    },
    /** 0 before the first. */
    version: (node: string): number => version.get(fleet, node)?.version ?? 0,
    list: (): DirectiveRecord[] => list.all(fleet).map(fromRow),
  }
}
