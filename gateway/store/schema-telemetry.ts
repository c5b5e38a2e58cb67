/**
 * Version 1, continued: what the nodes report, and what waits for them. Samples and rollups belong to a fleet through their series. They have no foreign
 * key: a look-up for each of a million rows would only repeat what ingest has done once for the series.
 */
export const telemetrySchema = `
-- AUTOINCREMENT: an id is never given again, so that rows which wait for their removal can't become another series'.
CREATE TABLE series (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  fleet TEXT NOT NULL, app TEXT NOT NULL, module TEXT NOT NULL, home TEXT NOT NULL, metric TEXT NOT NULL,
  node TEXT NOT NULL, incarnation BLOB NOT NULL, epoch INTEGER NOT NULL,
  -- Samples before this time are in the rollups only.
  raw_floor INTEGER NOT NULL DEFAULT 0,
  UNIQUE (fleet, app, module, home, metric, node, incarnation, epoch)
) STRICT;
CREATE INDEX series_of_node ON series (fleet, node);

-- SQLite keeps NaN as null.
CREATE TABLE samples (
  series INTEGER NOT NULL, at INTEGER NOT NULL, seq INTEGER NOT NULL, value REAL,
  PRIMARY KEY (series, at, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE minutes (
  series INTEGER NOT NULL, at INTEGER NOT NULL, min REAL, max REAL, sum REAL, count INTEGER NOT NULL,
  PRIMARY KEY (series, at)
) STRICT, WITHOUT ROWID;

CREATE TABLE hours (
  series INTEGER NOT NULL, at INTEGER NOT NULL, min REAL, max REAL, sum REAL, count INTEGER NOT NULL,
  PRIMARY KEY (series, at)
) STRICT, WITHOUT ROWID;

-- Minutes with samples that their rollup doesn't know yet.
CREATE TABLE stale_minutes (
  series INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (series, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX stale_by_time ON stale_minutes (at);

-- Series that are gone, whose rows are removed in steps.
CREATE TABLE doomed_series (
  fleet TEXT NOT NULL, id INTEGER NOT NULL,
  PRIMARY KEY (fleet, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE marks (
  fleet TEXT NOT NULL, node TEXT NOT NULL, incarnation BLOB NOT NULL, up_to INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (fleet, node, incarnation)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  fleet TEXT NOT NULL, at INTEGER NOT NULL, node TEXT, app TEXT, module TEXT, home TEXT, code TEXT NOT NULL, text TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_time ON events (fleet, at);

CREATE TABLE logs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  fleet TEXT NOT NULL, at INTEGER NOT NULL, node TEXT NOT NULL, app TEXT NOT NULL, module TEXT NOT NULL, home TEXT,
  level TEXT NOT NULL, text TEXT NOT NULL
) STRICT;
CREATE INDEX logs_by_time ON logs (fleet, at);

-- Messages that wait for a module's inbox; the failed ones are kept to be looked at.
CREATE TABLE inputs (
  fleet TEXT NOT NULL, node TEXT NOT NULL, number INTEGER NOT NULL, app TEXT NOT NULL, module TEXT NOT NULL, home TEXT NOT NULL,
  topic TEXT NOT NULL, payload BLOB NOT NULL, queued INTEGER NOT NULL, failed INTEGER,
  PRIMARY KEY (fleet, node, number)
) STRICT;

CREATE INDEX inputs_waiting ON inputs (fleet, node, app, module, home, number) WHERE failed IS NULL;

-- How many wait for each node: a queue has an end, and counting would read all of it.
CREATE TABLE input_counts (
  fleet TEXT NOT NULL, node TEXT NOT NULL, waiting INTEGER NOT NULL,
  PRIMARY KEY (fleet, node)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER input_queued AFTER INSERT ON inputs WHEN new.failed IS NULL BEGIN
  INSERT INTO input_counts VALUES (new.fleet, new.node, 1) ON CONFLICT (fleet, node) DO UPDATE SET waiting = waiting + 1;
END;
CREATE TRIGGER input_gone AFTER DELETE ON inputs WHEN old.failed IS NULL BEGIN
  UPDATE input_counts SET waiting = waiting - 1 WHERE fleet = old.fleet AND node = old.node;
END;
CREATE TRIGGER input_failed AFTER UPDATE OF failed ON inputs WHEN old.failed IS NULL AND new.failed IS NOT NULL BEGIN
  UPDATE input_counts SET waiting = waiting - 1 WHERE fleet = old.fleet AND node = old.node;
END;
CREATE TRIGGER input_moved AFTER UPDATE OF node ON inputs WHEN old.failed IS NULL BEGIN
  UPDATE input_counts SET waiting = waiting - 1 WHERE fleet = old.fleet AND node = old.node;
  INSERT INTO input_counts VALUES (new.fleet, new.node, 1) ON CONFLICT (fleet, node) DO UPDATE SET waiting = waiting + 1;
END;
`
