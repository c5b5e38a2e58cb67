import type { Row } from './row.ts'
import { apiRows } from './rows/api.ts'
import { BoardTarget, boardRows } from './rows/boards.ts'
import { commandRows } from './rows/commands.ts'
import { connectionRows } from './rows/connections.ts'
import { directiveRows } from './rows/directives.ts'
import { joiningRows } from './rows/joining.ts'
import { linkRows } from './rows/links.ts'
import { releaseRows } from './rows/releases.ts'
import { openReporter, type Reporter, reportRows } from './rows/reports.ts'
import { rootRows } from './rows/roots.ts'
import { openTopics, type Topics, topicRows } from './rows/topics.ts'
import { transferRows } from './rows/transfers.ts'
import { openUplinks, type Uplinks, uplinkRows } from './rows/uplinks.ts'
import type { Victim } from './victim.ts'
import type { World } from './world.ts'

/** Rows that attack the same thing, one after the other. */
export interface Lane<T> {
  readonly rows: readonly Row<T>[]
  open(world: World): T | Promise<T>
  /** How long its rows wait from now on for what may never come. */
  wait?(target: T, ms: number): void
  /** Throws where what was refused has done harm all the same. */
  unharmed?(target: T): Promise<void>
  /** After a row that was let through. */
  mend?(target: T): Promise<void>
  close?(target: T): void | Promise<void>
}

const lane = <T>(made: Lane<T>): Lane<unknown> => made as Lane<unknown>

export const lanes: readonly Lane<unknown>[] = [
  lane<Victim>({
    rows: [...directiveRows, ...releaseRows, ...transferRows, ...commandRows, ...rootRows, ...linkRows],
    open: ({ victim }) => victim,
    unharmed: (victim) => victim.obey(),
    mend: (victim) => victim.restore(),
    wait: (victim, ms) => {
      victim.patienceMs = ms
    },
  }),
  lane<World>({ rows: apiRows, open: (world) => world }),
  lane<World>({ rows: joiningRows, open: (world) => world }),
  lane<Reporter>({
    rows: reportRows,
    open: openReporter,
    wait: (reporter, ms) => {
      reporter.patienceMs = ms
    },
    close: ({ node }) => node.close(),
  }),
  lane<World>({ rows: connectionRows, open: (world) => world }),
  lane<BoardTarget>({
    rows: boardRows,
    open: () => new BoardTarget(),
    unharmed: (target) => target.unharmed(),
    close: (target) => target.close(),
  }),
  lane<Uplinks>({
    rows: uplinkRows,
    open: openUplinks,
    wait: (target, ms) => {
      target.patienceMs = ms
    },
  }),
  lane<Topics>({ rows: topicRows, open: openTopics, close: (target) => target.close() }),
]

/** In the order of the table. */
export const allRows: readonly Row<unknown>[] = lanes.flatMap(({ rows }) => rows)
