import { chainHash, emptyHead } from '../audit-chain.ts'
import type { Database } from './sqlite.ts'

const schema = `
DROP TRIGGER audit_keeps_rows;
DROP TRIGGER audit_keeps_values;
DROP INDEX audit_by_time;
ALTER TABLE audit RENAME TO audit_unchained;

-- Each fleet's entries are numbered without a gap, and each hash covers the one before (gateway/audit-chain.ts).
CREATE TABLE audit (
  fleet TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL,
  actor TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, details TEXT NOT NULL, hash TEXT NOT NULL,
  PRIMARY KEY (fleet, number)
) STRICT, WITHOUT ROWID;

ALTER TABLE tokens ADD COLUMN apps TEXT NOT NULL DEFAULT '[]';
ALTER TABLE tokens ADD COLUMN last_used INTEGER;
`

const triggers = `
DROP TABLE audit_unchained;
CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only ever added to'); END;
CREATE TRIGGER audit_keeps_values BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only ever added to'); END;
`

interface Row {
  readonly fleet: string
  readonly at: number
  readonly actor: string
  readonly action: string
  readonly subject: string
  readonly details: string
}

/** Chains the audit log that a database has, and makes room for what tokens are for. Entries from before are proven from here on, not from when they were written. */
export function chainAudit(db: Database): void {
  db.exec(schema)
  const insert = db.prepare('INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
  const heads = new Map<string, { number: number; hash: string }>()
  const rows = db.prepare<[], Row>('SELECT fleet, at, actor, action, subject, details FROM audit_unchained ORDER BY id')
  for (const { fleet, at, actor, action, subject, details } of rows.all()) {
    const before = heads.get(fleet) ?? emptyHead
    const number = before.number + 1
    const hash = chainHash(before.hash, fleet, { number, at, actor, action, subject, details })
    insert.run(fleet, number, at, actor, action, subject, details, hash)
    heads.set(fleet, { number, hash })
  }
  db.exec(triggers)
}
