/** The device whose instance published what waits for an inbox: the turn that it causes belongs to that device. */
export const inputPublisherMigration = `
ALTER TABLE inputs ADD COLUMN publisher TEXT NOT NULL DEFAULT '';
`
