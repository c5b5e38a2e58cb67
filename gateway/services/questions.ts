import { HyphaError } from '@hypha/core/errors.ts'
import type { WhatIfAnswer } from '../admin/api/schemas/plan.ts'
import { place } from '../place/place.ts'
import { changedFleet, costOf, type FleetChange, planChanges, unknownNodes } from '../place/what-if.ts'
import { whyNot } from '../place/why-not.ts'
import type { PlaceInput } from '../plan.ts'
import { notFound } from './not-found.ts'
import { placeInput, type Workshop } from './replan.ts'

/** Questions about the plan that runs, answered by the solver that made it. Nothing is changed. */

/** Throws `not-found`. */
export function askWhyNot(shop: Workshop, app: string, module: string, node: string, home?: string): string[] {
  const input = runningInput(shop, app)
  const sentences = whyNot(input, module, node, home)
  if (sentences !== null) return sentences
  throw input.fleet.some(({ id }) => id === node) ? notFound('module', `${module} in ${app}`) : notFound('node', node)
}

/** Throws `not-found`. */
export function askWhatIf(shop: Workshop, app: string, change: FleetChange): WhatIfAnswer {
  const input = runningInput(shop, app)
  const [unknown] = unknownNodes(input.fleet, change)
  if (unknown !== undefined) throw notFound('node', unknown)
  const before = place(input)
  const after = place({ ...input, fleet: changedFleet(input.fleet, change, input.release) })
  return {
    plan: after,
    changes: planChanges(before, after),
    costBefore: costOf(before),
    costAfter: costOf(after),
  }
}

function runningInput(shop: Workshop, app: string): PlaceInput {
  const running = shop.store.apps.latestPlan(app)
  const release = running && shop.releases.byDigest(running.release)
  if (!release) throw new HyphaError('not-found', `${app} runs nowhere`, { where: app })
  return placeInput(shop, release)
}
