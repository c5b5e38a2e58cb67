/** Instances that may not be on a node, or might not until `lifted`; one row for each pair of them. `home` is '' for a shared one. */
export const escalationMigration = `
CREATE TABLE escalations (
  fleet TEXT NOT NULL, app TEXT NOT NULL, module TEXT NOT NULL, home TEXT NOT NULL, node TEXT NOT NULL,
  cause TEXT NOT NULL, text TEXT NOT NULL, release TEXT,
  since INTEGER NOT NULL, until INTEGER NOT NULL, times INTEGER NOT NULL, lifted INTEGER,
  PRIMARY KEY (fleet, app, module, home, node),
  FOREIGN KEY (fleet, app) REFERENCES apps (fleet, id) ON DELETE CASCADE,
  FOREIGN KEY (fleet, node) REFERENCES nodes (fleet, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
`
