import type { Scope } from '../plan.ts'
import { isBound, isDeviceBound, type LinkGraph, type ModuleLinks } from './links.ts'

export interface ScopeDecision {
  readonly scope: Scope
  /** Sentences without their full stops. */
  readonly why: readonly string[]
  /** It keeps nothing of its own, so it runs beside each of its callers. */
  readonly copied: boolean
}

/**
 * The scope of each module: `device` if it imports a device-bound interface or all its callers are device-scoped, else `site`; `fleet` only on request.
 * A subscription counts as a call from each module whose `publish` filters meet it, a timer as a caller without a device.
 */
export function decideScopes(graph: LinkGraph): ReadonlyMap<string, ScopeDecision> {
  const device = deviceScoped(graph)
  const decisions = new Map<string, ScopeDecision>()
  for (const [name, links] of graph.modules) {
    const scope = links.module.spec.fleetScope ? 'fleet' : device.has(name) ? 'device' : 'site'
    decisions.set(name, { scope, why: explainScope(links, scope, device), copied: isCopied(links) })
  }
  return decisions
}

const callersOf = (links: ModuleLinks): string[] => [...new Set([...links.importers, ...links.publishers])].sort()

/**
 * Modules may call each other in a round, through messages: so begin with all that could be device-scoped, and take away until nothing changes. What no device-bound
 * module leads to is taken away too, else a round of two modules would have each other for an only reason.
 */
function deviceScoped(graph: LinkGraph): ReadonlySet<string> {
  const reached = reachedFromDevices(graph)
  const device = new Set(reached)
  for (let before = -1; before !== device.size; ) {
    before = device.size
    for (const name of [...device]) {
      const links = graph.modules.get(name)!
      if (links.module.spec.fleetScope) device.delete(name)
      else if (isBound(links)) continue
      else if (links.module.spec.timerMs !== null || !callersOf(links).every((caller) => device.has(caller)))
        device.delete(name)
    }
  }
  return device
}

function reachedFromDevices(graph: LinkGraph): Set<string> {
  const reached = new Set([...graph.modules].filter(([, links]) => isBound(links)).map(([name]) => name))
  for (let before = -1; before !== reached.size; ) {
    before = reached.size
    for (const [name, links] of graph.modules)
      if (callersOf(links).some((caller) => reached.has(caller))) reached.add(name)
  }
  return reached
}

function explainScope(links: ModuleLinks, scope: Scope, device: ReadonlySet<string>): string[] {
  if (scope === 'fleet') return ['one instance for the whole fleet, because hypha.toml says so']
  const bound = links.host.filter(isDeviceBound)
  if (scope === 'device' && bound.length > 0)
    return [`one instance for each device, because it imports ${bound.join(' and ')}`]
  const callers = callersOf(links)
  if (scope === 'device')
    return [`one instance for each device, because all that call it belong to a device: ${callers.join(', ')}`]
  if (links.module.spec.timerMs !== null) return ['one instance for the site, because its timer belongs to no device']
  if (callers.length === 0) return ['one instance for the site, because no module of the app calls it']
  const shared = callers.filter((caller) => !device.has(caller))
  return [`one instance for the site, because it is called by what belongs to no device: ${shared.join(', ')}`]
}

/** Called by imports only, without a clock of its own, and with nothing that must not exist twice. */
function isCopied(links: ModuleLinks): boolean {
  const { world, spec } = links.module
  const keeps = world.exports.some(({ name }) => name.startsWith('hypha:module/state@'))
  const stores = links.host.some((name) => /^hypha:host\/(kv|sql)@/.test(name))
  return (
    links.importers.length > 0 &&
    !keeps &&
    !stores &&
    !isBound(links) &&
    spec.timerMs === null &&
    spec.subscribe.length === 0
  )
}
