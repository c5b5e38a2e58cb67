import { createClients, createTokens } from './access.ts'
import { createApps } from './apps.ts'
import { createAudit } from './audit.ts'
import { createBoardSessions } from './board-sessions.ts'
import { SqliteBrokerStore } from './broker-store.ts'
import { createContents } from './contents.ts'
import { createDirectives } from './directives.ts'
import { createEpochs } from './epochs.ts'
import { createEscalations } from './escalations.ts'
import { createGiven } from './given.ts'
import { createHandovers } from './handovers.ts'
import { createInputs } from './inputs.ts'
import { createInvites } from './invites.ts'
import { createLeases } from './leases.ts'
import { createMarks } from './marks.ts'
import { createMeta } from './meta.ts'
import { migrate } from './migrations.ts'
import { createNodes } from './nodes.ts'
import { createOutbox } from './outbox.ts'
import { createReceipts } from './receipts.ts'
import { createEvents, createLogs } from './records.ts'
import { createRemoval } from './removal.ts'
import { createRetention } from './retention.ts'
import { createRollouts } from './rollouts.ts'
import { createRollups } from './rollups.ts'
import { createRuns } from './runs.ts'
import { createSeries } from './series.ts'
import { createSettings } from './settings.ts'
import { createSites } from './sites.ts'
import { type DatabaseOptions, openDatabase } from './sqlite.ts'

export interface StoreOptions extends DatabaseOptions {
  /** Every query is about this fleet: nothing here can read or change another's rows. */
  readonly fleet: string
}

/**
 * Opens the gateway's database, creates it if it isn't there, and brings it to the newest version. Times are ms since 1970, digests lower-case hex. Throws
 * `store-unusable`, `store-newer`.
 */
export function openStore(path: string, options: StoreOptions) {
  const { fleet } = options
  const db = openDatabase(path, options)
  migrate(db)

  const meta = createMeta(db, fleet)
  const nodes = createNodes(db, fleet)
  const runs = createRuns(db, fleet)
  const contents = createContents(db, fleet)
  const series = createSeries(db, fleet)
  const rollups = createRollups(db, fleet)
  const removal = createRemoval(db, fleet, contents, series)
  const { retain, sweep } = createRetention(db, fleet, series, rollups)

  return {
    fleet,
    /** The database itself, for the other files of this folder. */
    db,
    meta,
    nodes,
    runs,
    boardSessions: createBoardSessions(db, fleet),
    given: createGiven(db, fleet),
    handovers: createHandovers(db, fleet),
    invites: createInvites(db, fleet, nodes, runs),
    contents,
    apps: createApps(db, fleet, contents),
    epochs: createEpochs(db, fleet),
    escalations: createEscalations(db, fleet),
    directives: createDirectives(db, fleet),
    rollouts: createRollouts<unknown>(db, fleet),
    leases: createLeases(db, fleet),
    settings: createSettings(db, fleet),
    tokens: createTokens(db, fleet),
    clients: createClients(db, fleet),
    audit: createAudit(db, fleet),
    receipts: createReceipts(db, fleet),
    series,
    rollups,
    marks: createMarks(db, fleet),
    events: createEvents(db, fleet),
    logs: createLogs(db, fleet),
    inputs: createInputs(db, fleet, meta),
    sites: createSites(db, fleet),
    /** What is to be forwarded to an upstream. */
    outbox: createOutbox(db, fleet),
    /** The embedded broker's retained messages and sessions. */
    broker: new SqliteBrokerStore(db, fleet),
    retain,
    sweep,
    /** All of `run` or, if it throws, nothing; durable when this returns. `run` must not wait for anything. */
    transaction: <T>(run: () => T): T => db.transaction(run).immediate(),
    /** Removes a node and everything about it but the audit log. False for one that isn't there. */
    async removeNode(id: string): Promise<boolean> {
      const removed = removal.node(id)
      await sweep()
      return removed
    },
    /** Removes an app with its releases, settings, values, events and inputs. False for one that isn't there. */
    async removeApp(id: string): Promise<boolean> {
      const removed = removal.app(id)
      await sweep()
      return removed
    },
    close: (): void => void db.close(),
  }
}

export type Store = ReturnType<typeof openStore>
