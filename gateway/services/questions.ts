import { HyphaError } from '@hypha/core/errors.ts'
import type { LinkView } from '../admin/api/schemas/links.ts'
import type { WhatIfAnswer } from '../admin/api/schemas/plan.ts'
import { place } from '../place/place.ts'
import { changedFleet, costOf, type FleetChange, linkCostOf, planChanges, unknownNodes } from '../place/what-if.ts'
import { whyNot } from '../place/why-not.ts'
import type { PlaceInput, Plan } from '../plan.ts'
import { trafficOf } from './measured.ts'
import { notFound } from './not-found.ts'
import { placeInput } from './place-apps.ts'
import type { Workshop } from './workshop.ts'

/** Questions about the plan that runs, answered by the solver that made it. Nothing is changed. */

/** Throws `not-found`. */
export function askWhyNot(shop: Workshop, app: string, module: string, node: string, home?: string): string[] {
  const input = runningInput(shop, app)
  const sentences = whyNot(input, module, node, home)
  if (sentences !== null) return sentences
  const { fleet } = input
  throw fleet.some(({ id }) => id === node) ? notFound('module', `${module} in ${app}`) : notFound('node', node, fleet)
}

/** `measured` is what links carry by count: it decides in place of hints, and what both plans cost. Null where they are to be taken as they are planned. Throws `not-found`. */
export function askWhatIf(
  shop: Workshop,
  app: string,
  change: FleetChange,
  measured: readonly LinkView[] | null,
): WhatIfAnswer {
  const input = runningInput(shop, app)
  const [unknown] = unknownNodes(input.fleet, change)
  if (unknown !== undefined) throw notFound('node', unknown, input.fleet)
  const before = place(input)
  const traffic = measured === null ? {} : { traffic: trafficOf(measured) }
  const after = place({ ...input, ...traffic, fleet: changedFleet(input.fleet, change, input.release) })
  const cost = (plan: Plan) => (measured === null ? costOf(plan) : linkCostOf(plan, after.traffic))
  return { plan: after, changes: planChanges(before, after), costBefore: cost(before), costAfter: cost(after) }
}

function runningInput(shop: Workshop, app: string): PlaceInput {
  const running = shop.store.apps.latestPlan(app)
  const release = running && shop.releases.byDigest(running.release)
  if (!release) throw new HyphaError('not-found', `${app} runs nowhere`, { where: app })
  return placeInput(shop, release)
}
