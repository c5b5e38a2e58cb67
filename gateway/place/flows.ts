import type { ExpectedTraffic, MeasuredTraffic } from '../plan.ts'
import { compare, type LinkGraph, type ModuleLinks } from './links.ts'
import type { ScopeDecision } from './scope.ts'

/** What a link is taken to carry where neither measurement nor a hint says it: calls of one instance, and arguments and result of one call. */
const assumed = { callsPerS: 1, bytesPerCall: 256 } as const

/** A call of up to so many bytes counts once, a larger one as often as they go into it. */
const bytesOfOne = 1_024

/** How strongly two modules pull at each other: what one instance of the one that begins sends, in calls a second. */
export interface Tie {
  readonly other: string
  /** It is this module that calls or publishes. */
  readonly outward: boolean
  /** A call goes to one instance, a message to all that hear it. */
  readonly kind: 'call' | 'message'
  readonly weight: number
}

export interface Flows {
  /** By module. Ties lead past copied modules to what these call, for they are beside their callers. */
  readonly ties: ReadonlyMap<string, readonly Tie[]>
  /** By caller and interface: steps of distance times this is what a link costs. */
  readonly weights: ReadonlyMap<string, number>
  readonly expected: readonly ExpectedTraffic[]
}

type Scopes = ReadonlyMap<string, ScopeDecision>

export const weightKey = (caller: string, interfaceName: string): string => `${caller} ${interfaceName}`

/** What flows between the modules of an app: as it was measured, as `hypha.toml` says, or as is assumed of any link. `instances` is how many a module has. */
export function flowsOf(
  graph: LinkGraph,
  scopes: Scopes,
  traffic: readonly MeasuredTraffic[],
  instances: (module: string) => number,
): Flows {
  const expected = [...graph.modules].flatMap(([caller, links]) =>
    links.calls.map((call) => expectedOf(caller, call, links, traffic, instances)),
  )
  const weights = new Map(expected.map((each) => [weightKey(each.caller, each.interface), weightOf(each)]))
  const ties = new Map<string, Tie[]>([...graph.modules.keys()].map((name) => [name, []]))
  for (const [name, { publishers }] of graph.modules) {
    for (const publisher of publishers) tie(ties, publisher, name, 'message', 1)
    for (const [callee, weight] of reached(name, graph, scopes, weights)) {
      // A copied module has a place of its own only where there was no room beside its caller: then it is drawn to both sides.
      if (!scopes.get(callee)!.copied || !scopes.get(name)!.copied) tie(ties, name, callee, 'call', weight)
    }
  }
  return { ties, weights, expected }
}

function tie(ties: Map<string, Tie[]>, from: string, to: string, kind: Tie['kind'], weight: number): void {
  ties.get(from)!.push({ other: to, outward: true, kind, weight })
  ties.get(to)!.push({ other: from, outward: false, kind, weight })
}

function expectedOf(
  caller: string,
  call: { readonly interface: string; readonly callee: string },
  { module }: ModuleLinks,
  traffic: readonly MeasuredTraffic[],
  instances: (module: string) => number,
): ExpectedTraffic {
  const link = { caller, callee: call.callee, interface: call.interface }
  const measured = traffic.find((each) => each.caller === caller && each.interface === call.interface)
  if (measured !== undefined) {
    const callsPerS = measured.callsPerS / Math.max(1, instances(caller))
    const bytesPerCall = measured.callsPerS === 0 ? 0 : measured.bytesPerS / measured.callsPerS
    return { ...link, callsPerS, bytesPerCall, source: 'measured' }
  }
  const hint = module.spec.links?.find((each) => each.interface === call.interface)
  const source = hint?.ratePerS != null || hint?.bytesPerCall != null ? 'hint' : 'assumed'
  return {
    ...link,
    callsPerS: hint?.ratePerS ?? assumed.callsPerS,
    bytesPerCall: hint?.bytesPerCall ?? assumed.bytesPerCall,
    source,
  }
}

/** Calls a second, large ones as often as they are the size of one. */
export const weightOf = ({ callsPerS, bytesPerCall }: ExpectedTraffic): number =>
  callsPerS * Math.max(1, bytesPerCall / bytesOfOne)

/** What a module calls, and what the copied modules call that are beside it; each with the weight of the link that leads to it. */
function reached(
  name: string,
  graph: LinkGraph,
  scopes: Scopes,
  weights: ReadonlyMap<string, number>,
): Map<string, number> {
  const found = new Map<string, number>()
  const visit = (at: string) => {
    for (const { interface: wanted, callee } of graph.modules.get(at)!.calls) {
      const seen = found.has(callee)
      found.set(callee, (found.get(callee) ?? 0) + weights.get(weightKey(at, wanted))!)
      if (scopes.get(callee)!.copied && !seen) visit(callee)
    }
  }
  visit(name)
  return new Map([...found].sort(([a], [b]) => compare(a, b)))
}
