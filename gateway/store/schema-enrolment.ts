/**
 * Which nodes may come in no more, how a clone shows, and what each node was ever given: instances that it may report for, and secrets that were sealed to it.
 */
export const enrolmentMigration = `
ALTER TABLE nodes ADD COLUMN revoked INTEGER;
ALTER TABLE nodes ADD COLUMN revoked_reason TEXT;
ALTER TABLE nodes ADD COLUMN cloned INTEGER;
ALTER TABLE invites ADD COLUMN replaces INTEGER NOT NULL DEFAULT 0;
-- When a journal was found to be set back behind its mark: nothing more of it is taken.
ALTER TABLE marks ADD COLUMN ended INTEGER;

-- Runs of each node's agent, in the order in which they first came online.
CREATE TABLE node_runs (
  fleet TEXT NOT NULL, node TEXT NOT NULL, position INTEGER NOT NULL, run BLOB NOT NULL,
  PRIMARY KEY (fleet, node, position), UNIQUE (fleet, node, run)
) STRICT, WITHOUT ROWID;

-- Instances that a plan, of today or of before, put on a node. A home of '' stands for none.
CREATE TABLE assignments (
  fleet TEXT NOT NULL, node TEXT NOT NULL, app TEXT NOT NULL, module TEXT NOT NULL, home TEXT NOT NULL,
  PRIMARY KEY (fleet, node, app, module, home)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO assignments
  SELECT fleet, json_extract(i.value, '$.node'), app, json_extract(i.value, '$.module'), coalesce(json_extract(i.value, '$.home'), '')
  FROM plans, json_each(plans.json, '$.instances') i;

CREATE TABLE sealed_secrets (
  fleet TEXT NOT NULL, node TEXT NOT NULL, app TEXT NOT NULL, key TEXT NOT NULL,
  PRIMARY KEY (fleet, node, app, key)
) STRICT, WITHOUT ROWID;
`
