import type { Barred } from '../plan.ts'
import type { Store } from '../store/store.ts'

/** What the solver is to know of an app's instances that may not be on a node, if it is to run this release: one that failed says nothing of another. */
export const barredOf = ({ escalations }: Pick<Store, 'escalations'>, app: string, digest: string): Barred[] =>
  escalations
    .inForce(app)
    .filter(({ release }) => release === null || release === digest)
    .map(({ module, home, node, text, release }) => ({
      module,
      home,
      node,
      // What failed there would fail on a lower tier, too; a node that runs short says nothing of others.
      below: release !== null,
      reason: { code: 'escalated', text },
    }))
