/**
 * Boards are nodes without a connection: they are reached through the node that they were last seen at. The keys of sessions stay, for a report may come long after it was made: its MAC
 * is under the key of then.
 */
export const boardMigration = `
ALTER TABLE nodes ADD COLUMN parent TEXT;
CREATE INDEX nodes_by_parent ON nodes (fleet, parent) WHERE parent IS NOT NULL;
CREATE TABLE board_sessions (
  fleet TEXT NOT NULL, node TEXT NOT NULL, incarnation BLOB NOT NULL, session_key BLOB NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (fleet, node, incarnation, session_key),
  FOREIGN KEY (fleet, node) REFERENCES nodes (fleet, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
`
