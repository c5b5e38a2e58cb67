/**
 * Who has an instance, and how it came there; what nodes have last said that instances keep; and what nodes that had one once may still say of it. A holder may be a node that is no more.
 */
export const handoverMigration = `
CREATE TABLE holders (
  fleet TEXT NOT NULL, app TEXT NOT NULL, module TEXT NOT NULL, home TEXT NOT NULL,
  node TEXT NOT NULL, status TEXT NOT NULL, since INTEGER NOT NULL, wanted TEXT NOT NULL,
  lost TEXT, move INTEGER NOT NULL, digest TEXT, size INTEGER NOT NULL, turns INTEGER NOT NULL,
  origin TEXT, stopped INTEGER, arrived INTEGER NOT NULL,
  PRIMARY KEY (fleet, app, module, home),
  FOREIGN KEY (fleet, app) REFERENCES apps (fleet, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX holders_by_digest ON holders (fleet, digest);
CREATE TABLE checkpoints (
  fleet TEXT NOT NULL, app TEXT NOT NULL, module TEXT NOT NULL, home TEXT NOT NULL,
  node TEXT NOT NULL, incarnation BLOB NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL,
  turns INTEGER NOT NULL, stopped INTEGER, handled INTEGER NOT NULL, kept BLOB NOT NULL,
  PRIMARY KEY (fleet, app, module, home),
  FOREIGN KEY (fleet, app) REFERENCES apps (fleet, id) ON DELETE CASCADE
) STRICT;
CREATE TABLE departures (
  fleet TEXT NOT NULL, app TEXT NOT NULL, module TEXT NOT NULL, home TEXT NOT NULL, node TEXT NOT NULL,
  incarnation BLOB, number INTEGER NOT NULL, waited INTEGER NOT NULL, above INTEGER, until INTEGER,
  PRIMARY KEY (fleet, app, module, home, node),
  FOREIGN KEY (fleet, app) REFERENCES apps (fleet, id) ON DELETE CASCADE
) STRICT;
-- Up to this number, what a journal reports is what a turn left behind that was another node's.
CREATE TABLE passed_over (
  fleet TEXT NOT NULL, node TEXT NOT NULL, incarnation BLOB NOT NULL, upto INTEGER NOT NULL,
  PRIMARY KEY (fleet, node),
  FOREIGN KEY (fleet, node) REFERENCES nodes (fleet, id) ON DELETE CASCADE
) STRICT;
`
