/** What nodes have signed of their flips, as it came, with the key that it was verified with: a node that joins anew has another. */
export const receiptMigration = `
CREATE TABLE receipts (
  fleet TEXT NOT NULL, app TEXT NOT NULL, node TEXT NOT NULL, epoch INTEGER NOT NULL,
  at INTEGER NOT NULL, public_key BLOB NOT NULL, envelope BLOB NOT NULL,
  PRIMARY KEY (fleet, app, node, epoch),
  FOREIGN KEY (fleet, app) REFERENCES apps (fleet, id) ON DELETE CASCADE,
  FOREIGN KEY (fleet, node) REFERENCES nodes (fleet, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX receipts_by_epoch ON receipts (fleet, app, epoch);
`
