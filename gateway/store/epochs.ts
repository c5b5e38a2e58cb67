import type { Database } from './sqlite.ts'

/** A section that a node has proven to hold, of a release that this database doesn't know: it is older than the section. */
export interface CarriedRecord {
  readonly node: string
  readonly app: string
  /** Digest of the payload, hex. */
  readonly release: string
  /** When an operator chose it; ms since 1970. */
  readonly chosen: number
  readonly at: number
}

/** What is known of epochs beside the plans: how far nodes have seen them rise, and what they hold that isn't here. */
export function createEpochs(db: Database, fleet: string) {
  const get = db.prepare<[string, string], { floor: number; chosen: number }>(
    'SELECT floor, chosen FROM app_epochs WHERE fleet = ? AND app = ?',
  )
  const raise = db.prepare(`INSERT INTO app_epochs (fleet, app, floor, chosen) VALUES (?, ?, ?, ?)
    ON CONFLICT (fleet, app) DO UPDATE SET floor = max(floor, excluded.floor), chosen = max(chosen, excluded.chosen)`)
  const forget = db.prepare('DELETE FROM app_epochs WHERE fleet = ? AND app = ?')
  const carry = db.prepare(`INSERT INTO carried (fleet, node, app, release, chosen, at) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (fleet, node, app) DO UPDATE SET release = excluded.release, chosen = excluded.chosen, at = excluded.at`)
  const list = db.prepare<[string], CarriedRecord>(
    'SELECT node, app, release, chosen, at FROM carried WHERE fleet = ? ORDER BY node, app',
  )
  const drop = db.prepare('DELETE FROM carried WHERE fleet = ? AND app = ?')
  const dropOne = db.prepare('DELETE FROM carried WHERE fleet = ? AND node = ? AND app = ?')

  return {
    /** `floor`: no epoch up to it may be used again. `chosen`: when its release was last pushed or rolled back to, ms since 1970. Zeros for an app without. */
    of: (app: string): { readonly floor: number; readonly chosen: number } =>
      get.get(fleet, app) ?? { floor: 0, chosen: 0 },
    /** Both only rise. */
    raise: (app: string, { floor = 0, chosen = 0 }: { floor?: number; chosen?: number }): void =>
      void raise.run(fleet, app, floor, chosen),
    forget: (app: string): void => void forget.run(fleet, app),
    carry: ({ node, app, release, chosen, at }: CarriedRecord): void =>
      void carry.run(fleet, node, app, release, chosen, at),
    carried: (): CarriedRecord[] => list.all(fleet),
    /** From now on the gateway's own word counts again, on every node or on one. */
    uncarry: (app: string, node?: string): number =>
      (node === undefined ? drop.run(fleet, app) : dropOne.run(fleet, node, app)).changes,
  }
}
