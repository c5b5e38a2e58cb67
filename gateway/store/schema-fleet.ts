/**
 * Version 1: who belongs to the fleet, what it should run, and who did what. Every table has the fleet in its key: a query without one can't use
 * the key, and finds nothing of another fleet. Times are milliseconds since 1970, digests lower-case hex.
 */
export const fleetSchema = `
CREATE TABLE meta (
  fleet TEXT NOT NULL, key TEXT NOT NULL, value ANY NOT NULL,
  PRIMARY KEY (fleet, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE nodes (
  fleet TEXT NOT NULL, id TEXT NOT NULL, tier TEXT NOT NULL,
  public_key BLOB NOT NULL, box_key BLOB NOT NULL,
  fingerprint TEXT NOT NULL, certificate_expires INTEGER NOT NULL,
  labels TEXT NOT NULL, zone TEXT, created INTEGER NOT NULL, removed INTEGER,
  connection INTEGER, online INTEGER NOT NULL DEFAULT 0, presence_at INTEGER,
  state BLOB, state_at INTEGER, inventory TEXT,
  PRIMARY KEY (fleet, id)
) STRICT;

CREATE TABLE invites (
  fleet TEXT NOT NULL, token_digest TEXT NOT NULL, node TEXT NOT NULL, tier TEXT NOT NULL, labels TEXT NOT NULL,
  created INTEGER NOT NULL, expires INTEGER NOT NULL,
  used_at INTEGER, public_key BLOB, box_key BLOB, fingerprint TEXT, certificate_expires INTEGER, answer BLOB,
  PRIMARY KEY (fleet, token_digest)
) STRICT;
CREATE INDEX invites_of_node ON invites (fleet, node);

CREATE TABLE apps (
  fleet TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL,
  PRIMARY KEY (fleet, id)
) STRICT;

CREATE TABLE contents (
  fleet TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, bytes BLOB NOT NULL,
  PRIMARY KEY (fleet, digest)
) STRICT;

CREATE TABLE releases (
  fleet TEXT NOT NULL, app TEXT NOT NULL, number INTEGER NOT NULL, digest TEXT NOT NULL,
  envelope TEXT NOT NULL, label TEXT NOT NULL, created INTEGER NOT NULL,
  PRIMARY KEY (fleet, app, number), UNIQUE (fleet, digest),
  FOREIGN KEY (fleet, app) REFERENCES apps (fleet, id) ON DELETE CASCADE,
  FOREIGN KEY (fleet, envelope) REFERENCES contents (fleet, digest)
) STRICT;
CREATE INDEX releases_of_envelope ON releases (fleet, envelope);

CREATE TABLE release_contents (
  fleet TEXT NOT NULL, digest TEXT NOT NULL, app TEXT NOT NULL, number INTEGER NOT NULL,
  PRIMARY KEY (fleet, digest, app, number),
  FOREIGN KEY (fleet, app, number) REFERENCES releases (fleet, app, number) ON DELETE CASCADE,
  FOREIGN KEY (fleet, digest) REFERENCES contents (fleet, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX contents_of_release ON release_contents (fleet, app, number);

-- How a content travels, kept because it is dear to compute. A base of '' stands for none; bytes are null where they are the content's own.
CREATE TABLE transfers (
  fleet TEXT NOT NULL, content TEXT NOT NULL, base TEXT NOT NULL, encoding TEXT NOT NULL,
  digest TEXT NOT NULL, size INTEGER NOT NULL, bytes BLOB,
  PRIMARY KEY (fleet, content, base),
  FOREIGN KEY (fleet, content) REFERENCES contents (fleet, digest) ON DELETE CASCADE
) STRICT;
CREATE INDEX transfers_by_digest ON transfers (fleet, digest);
CREATE INDEX transfers_by_base ON transfers (fleet, base);

CREATE TABLE plans (
  fleet TEXT NOT NULL, app TEXT NOT NULL, epoch INTEGER NOT NULL, release TEXT NOT NULL, json TEXT NOT NULL, created INTEGER NOT NULL,
  PRIMARY KEY (fleet, app, epoch),
  FOREIGN KEY (fleet, app) REFERENCES apps (fleet, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE directives (
  fleet TEXT NOT NULL, node TEXT NOT NULL, version INTEGER NOT NULL, payload BLOB NOT NULL, envelope BLOB NOT NULL, issued INTEGER NOT NULL,
  PRIMARY KEY (fleet, node),
  FOREIGN KEY (fleet, node) REFERENCES nodes (fleet, id) ON DELETE CASCADE
) STRICT;

-- A module of '' stands for the whole app, a node of '' for every node. A sealed value is box, with its nonce and the sender's key.
CREATE TABLE settings (
  fleet TEXT NOT NULL, app TEXT NOT NULL, module TEXT NOT NULL, node TEXT NOT NULL, key TEXT NOT NULL,
  value TEXT, sender_key BLOB, nonce BLOB, box BLOB, changed INTEGER NOT NULL,
  PRIMARY KEY (fleet, app, module, node, key),
  CHECK ((value IS NULL) <> (box IS NULL))
) STRICT;

CREATE TABLE tokens (
  fleet TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, role TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER,
  PRIMARY KEY (fleet, name), UNIQUE (fleet, digest)
) STRICT;

CREATE TABLE clients (
  fleet TEXT NOT NULL, name TEXT NOT NULL, fingerprint TEXT NOT NULL, grants TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL,
  PRIMARY KEY (fleet, name)
) STRICT;

CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  fleet TEXT NOT NULL, at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, details TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_time ON audit (fleet, at);
CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only ever added to'); END;
CREATE TRIGGER audit_keeps_values BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only ever added to'); END;
`

/**
 * Releases that wait for signatures, envelopes on which signatures are being collected, and what nodes have proven to hold that this database doesn't know: it is older than they.
 * `floor`: no epoch of the app up to it may be used again. `chosen`: when its release was last pushed or rolled back to.
 */
export const signingMigration = `
ALTER TABLE releases ADD COLUMN pending INTEGER NOT NULL DEFAULT 0;
ALTER TABLE releases ADD COLUMN collecting TEXT;

CREATE TABLE app_epochs (
  fleet TEXT NOT NULL, app TEXT NOT NULL, floor INTEGER NOT NULL DEFAULT 0, chosen INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (fleet, app)
) STRICT, WITHOUT ROWID;

CREATE TABLE carried (
  fleet TEXT NOT NULL, node TEXT NOT NULL, app TEXT NOT NULL, release TEXT NOT NULL, chosen INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (fleet, node, app),
  FOREIGN KEY (fleet, node) REFERENCES nodes (fleet, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
`
