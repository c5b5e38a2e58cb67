import type { PlannedLink, Reason, Unplaced } from '../plan.ts'
import { grouped } from './fit.ts'
import { compare } from './links.ts'
import type { Scene, Spot } from './scene.ts'

/** Calls from elsewhere that one node serves of one app: its directive names every caller. */
export const maxCallers = 1_024

/** Devices of a module whose instances a caller without a device may choose from: its directive names each. */
export const maxDevices = 2_048

/** Who serves a call, as the plan writes it down; null where nobody does. `from` is the instance that calls, or that the calling copy is beside. */
export function providerOf(callee: string, from: Spot, scene: Scene): PlannedLink['provider'] | null {
  const { home, node } = from
  const { scope, copied } = scene.scopes.get(callee)!
  if (copied) {
    const at = from.beside.includes(callee) ? node : scene.spots.get(home)?.get(callee)?.node
    return at === undefined ? null : { kind: 'instance', node: at.id, module: callee, home }
  }
  if (scope === 'device' && home === null)
    return scene.homes.count.get(callee)! > 0 ? { kind: 'device', module: callee } : null
  const whose = scope === 'device' ? home : null
  const at = scene.spots.get(whose)?.get(callee)?.node
  return at === undefined ? null : { kind: 'instance', node: at.id, module: callee, home: whose }
}

/** Takes instances out whose calls nobody serves, and then those that call these. */
export function unservedSpots(scene: Scene): Unplaced[] {
  const calling = new Set([...scene.graph.modules].filter(([, { calls }]) => calls.length > 0).map(([name]) => name))
  const dropped: Unplaced[] = []
  for (let before = -1; before !== dropped.length; ) {
    before = dropped.length
    const callers = new Map<string, number>()
    for (const home of [...scene.spots.keys()].sort((a, b) => compare(a ?? '', b ?? ''))) {
      const spots = scene.spots.get(home)!
      for (const spot of spots.values()) {
        if (spot.beside.length === 0 && !calling.has(spot.module)) continue
        const reasons = unservedCalls(spot.module, spot, callers, scene)
        for (const name of spot.beside) reasons.push(...unservedCalls(name, spot, callers, scene))
        if (reasons.length === 0) continue
        spots.delete(spot.module)
        dropped.push({ module: spot.module, home, reasons })
      }
    }
  }
  return dropped
}

function unservedCalls(name: string, spot: Spot, callers: Map<string, number>, scene: Scene): Reason[] {
  const reasons: Reason[] = []
  for (const { callee } of scene.graph.modules.get(name)!.calls) {
    const provider = providerOf(callee, spot, scene)
    if (provider?.kind === 'instance' && provider.node === spot.node.id) continue
    if (provider === null) reasons.push({ code: 'callee-missing', text: nobody(callee, spot, scene) })
    else if (provider.kind === 'device') reasons.push(...tooManyDevices(callee, scene))
    else if (provider.kind === 'instance') reasons.push(...tooManyCallers(callee, provider.node, callers))
  }
  return reasons
}

/** Counts one more caller of what is on a node. */
function tooManyCallers(callee: string, node: string, callers: Map<string, number>): Reason[] {
  const count = (callers.get(node) ?? 0) + 1
  callers.set(node, count)
  if (count <= maxCallers) return []
  const text = `calls ${callee} on ${node}, which answers ${grouped(maxCallers)} callers of the app already, as many as its directive can name`
  return [{ code: 'callers-full', text }]
}

const nobody = (callee: string, { home }: Spot, { scopes }: Scene): string =>
  home !== null && scopes.get(callee)!.scope === 'device'
    ? `calls ${callee}, which has no place for ${home}`
    : `calls ${callee}, which has no place`

function tooManyDevices(callee: string, { homes }: Scene): Reason[] {
  const count = homes.count.get(callee)!
  if (count <= maxDevices) return []
  const text = `calls ${callee} of whichever device is meant, and of its ${grouped(count)} devices its directive could name ${grouped(maxDevices)}`
  return [{ code: 'callers-full', text }]
}
