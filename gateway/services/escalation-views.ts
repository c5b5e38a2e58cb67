import type { EscalationView } from '../admin/api/schemas/apps.ts'
import type { Plan } from '../plan.ts'
import type { EscalationRecord } from '../store/escalations.ts'

/** What may not be on a node for now, with where it is by the plan in force. */
export function escalationViews(records: readonly EscalationRecord[], plan: Plan | null): EscalationView[] {
  return records.map(({ app: _app, release: _release, liftedAt: _liftedAt, ...bar }) => {
    const instance = plan?.instances.find(({ module, home }) => module === bar.module && home === bar.home)
    return { ...bar, now: instance?.node ?? null, despite: instance?.despite ?? null }
  })
}

/** What an operator should know of an app: what should be elsewhere, and nothing else can hold. */
export const stuckNotices = (app: string, plan: Plan | null): string[] =>
  (plan?.instances ?? []).flatMap(({ module, home, node, despite }) =>
    despite === undefined ? [] : [`${app}/${module}${home === null ? '' : `@${home}`} stays on ${node}: ${despite}.`],
  )
