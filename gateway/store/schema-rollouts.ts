/**
 * Rollouts of today and of before. `current`: nodes are directed by it, at most one of each app. `json` is the whole of it; `commit_envelope` the last commit that was signed for
 * it, written down before it was sent.
 */
export const rolloutMigration = `
CREATE TABLE rollouts (
  fleet TEXT NOT NULL, app TEXT NOT NULL, id INTEGER NOT NULL, current INTEGER NOT NULL,
  json TEXT NOT NULL, commit_envelope BLOB,
  PRIMARY KEY (fleet, app, id),
  FOREIGN KEY (fleet, app) REFERENCES apps (fleet, id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX rollouts_current ON rollouts (fleet, app) WHERE current = 1;
`
