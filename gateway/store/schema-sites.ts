/**
 * Sites: gateways that have joined this one. What they forward stands in the same tables as the fleet's own telemetry, under the fleet `FLEET/SITE`, which no fleet can be named. And the
 * other side: what this gateway has to forward where it is a site itself; triggers fill the outbox, and exist only as long as there is an upstream.
 */
export const sitesMigration = `
CREATE TABLE sites (
  fleet TEXT NOT NULL, name TEXT NOT NULL, created INTEGER NOT NULL, memory INTEGER NOT NULL,
  public_key BLOB, joined INTEGER, certificate_expires INTEGER, revoked INTEGER, gone INTEGER,
  -- How far its telemetry is stored: rows of an incarnation of its outbox. Rows up to 'overlap' may have come before, under another.
  incarnation BLOB, cursor INTEGER NOT NULL DEFAULT 0, overlap INTEGER NOT NULL DEFAULT 0, forwarded INTEGER,
  PRIMARY KEY (fleet, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE site_invites (
  fleet TEXT NOT NULL, token_digest TEXT NOT NULL, site TEXT NOT NULL, expires INTEGER NOT NULL, public_key BLOB,
  PRIMARY KEY (fleet, token_digest)
) STRICT, WITHOUT ROWID;

-- kind: 0 a sample of the series 'ref', 1 the event 'ref', 2 the log line 'ref'.
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, ref INTEGER NOT NULL, at INTEGER, seq INTEGER, value REAL
) STRICT;
`
