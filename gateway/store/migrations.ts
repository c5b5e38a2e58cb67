import { HyphaError } from '@hypha/core/errors.ts'
import { broadcastMigration, brokerMigration } from './broker-store.ts'
import { chainAudit } from './schema-audit.ts'
import { boardMigration } from './schema-boards.ts'
import { enrolmentMigration } from './schema-enrolment.ts'
import { escalationMigration } from './schema-escalations.ts'
import { fleetSchema, signingMigration } from './schema-fleet.ts'
import { handoverMigration } from './schema-handovers.ts'
import { inputPublisherMigration } from './schema-inputs.ts'
import { leaseMigration } from './schema-leases.ts'
import { receiptMigration } from './schema-receipts.ts'
import { rolloutMigration } from './schema-rollouts.ts'
import { sitesMigration } from './schema-sites.ts'
import { telemetrySchema } from './schema-telemetry.ts'
import type { Database } from './sqlite.ts'

/** SQL, or what SQL can't say. */
type Migration = string | ((db: Database) => void)

/**
 * The way from an empty file to today's tables. Number n is the entry n − 1. An entry that was released is never changed: a change is a new entry at
 * the end, and a database of any earlier version comes up on the newest.
 */
export const migrations: readonly Migration[] = [
  fleetSchema + telemetrySchema,
  brokerMigration,
  signingMigration,
  enrolmentMigration,
  chainAudit,
  broadcastMigration,
  rolloutMigration,
  receiptMigration,
  inputPublisherMigration,
  escalationMigration,
  sitesMigration,
  boardMigration,
  leaseMigration,
  handoverMigration,
]

/**
 * Brings a database to the newest version, each step in a transaction of its own: a gateway killed meanwhile goes on at the step that it was in.
 * Throws `store-newer` for a database that a later Hypha wrote.
 */
export function migrate(db: Database, steps: readonly Migration[] = migrations): void {
  const version = db.pragma('user_version', { simple: true }) as number
  if (version > steps.length) {
    throw new HyphaError('store-newer', `The database has version ${version}, this gateway knows up to ${steps.length}`)
  }
  for (let number = version + 1; number <= steps.length; number++) {
    // IMMEDIATE takes the write lock first: of two gateways that start at once, one migrates and the other sees the result.
    db.transaction(() => {
      if ((db.pragma('user_version', { simple: true }) as number) >= number) return
      const step = steps[number - 1]!
      if (typeof step === 'string') db.exec(step)
      else step(db)
      db.pragma(`user_version = ${number}`)
    }).immediate()
  }
}
