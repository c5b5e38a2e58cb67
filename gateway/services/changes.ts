import { instanceName } from '@hypha/core/wire/ids.ts'
import type { Plan, PlannedInstance, Unplaced } from '../plan.ts'
import type { EventRecord } from '../store/records.ts'
import type { Replanned } from './replan.ts'

type Item = Omit<EventRecord, 'id' | 'at'>

/** What an operator should hear of a new plan: what moved, what lost its place, and what has one again. */
export function changesOf({ before, after }: Replanned): Item[] {
  const was = byInstance(before)
  const is = byInstance(after)
  const items: Item[] = []
  for (const [key, { node, module, home }] of is.placed) {
    const from = was.placed.get(key)?.node
    const name = instanceName({ app: after.app, module, home })
    if (from !== undefined && from !== node)
      items.push(item(after, module, home, node, 'moved', `${name} moves from ${from} to ${node}`))
    else if (was.unplaced.has(key))
      items.push(item(after, module, home, node, 'placed', `${name} has a place again, on ${node}`))
  }
  for (const [key, { module, home, reasons }] of is.unplaced) {
    if (was.unplaced.has(key)) continue
    const name = instanceName({ app: after.app, module, home })
    const text = `${name} has no place: ${reasons.map((reason) => reason.text).join('; ')}`
    items.push(item(after, module, home, null, 'unplaced', text.slice(0, 2_000)))
  }
  return items
}

const item = (
  plan: Plan,
  module: string,
  home: string | null,
  node: string | null,
  code: string,
  text: string,
): Item => ({
  app: plan.app,
  module,
  home,
  node,
  code,
  text,
})

function byInstance(plan: Plan | null) {
  const key = ({ module, home }: { module: string; home: string | null }) => `${module}@${home ?? ''}`
  return {
    placed: new Map((plan?.instances ?? []).map((instance): [string, PlannedInstance] => [key(instance), instance])),
    unplaced: new Map((plan?.unplaced ?? []).map((instance): [string, Unplaced] => [key(instance), instance])),
  }
}
