/** Who held which instance last, by its name: when that ran out, a gateway that was down can't know. */
export const leaseMigration = `
CREATE TABLE leases (
  fleet TEXT NOT NULL, instance TEXT NOT NULL, node TEXT NOT NULL, for_ms INTEGER NOT NULL,
  PRIMARY KEY (fleet, instance),
  FOREIGN KEY (fleet, node) REFERENCES nodes (fleet, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
`
