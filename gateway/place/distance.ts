import type { Tier } from '@hypha/core/wire/messages/state.ts'
import type { FleetNode } from '../plan.ts'

// How far apart nodes are, in steps whose sizes are of the order of what a message costs there: a cable to a microcontroller, a local network, the internet.
const cable = 1
const local = 2
const internet = 8
const otherZone = 4

export type Point = Pick<FleetNode, 'id' | 'tier' | 'zone' | 'parent'>

/** The distance of two nodes; 0 for a node from itself, and symmetrical. */
export function distance(a: Point, b: Point): number {
  return a.id === b.id ? 0 : apart(a, b)
}

/** The distance of two different nodes that are where these are. */
export function apart(a: Point, b: Point): number {
  if (a.tier === 'mcu' && b.tier === 'mcu') {
    return 2 * cable + (a.parent !== null && a.parent === b.parent ? 0 : overNetwork(a, b))
  }
  if (a.tier === 'mcu') return a.parent === b.id ? cable : cable + overNetwork(b, a)
  if (b.tier === 'mcu') return b.parent === a.id ? cable : cable + overNetwork(a, b)
  return overNetwork(a, b)
}

function overNetwork(a: Point, b: Point): number {
  const zones = a.zone !== null && b.zone !== null && a.zone !== b.zone ? otherZone : 0
  return zones + betweenTiers(above(a.tier), above(b.tier))
}

/** A microcontroller speaks through a device. */
const above = (tier: Tier): Exclude<Tier, 'mcu'> => (tier === 'mcu' ? 'device' : tier)

function betweenTiers(a: Exclude<Tier, 'mcu'>, b: Exclude<Tier, 'mcu'>): number {
  if (a === 'cloud' && b === 'cloud') return local
  if (a === 'cloud' || b === 'cloud') return internet + (a === 'device' || b === 'device' ? local : 0)
  // Devices reach each other through the gateway, which is of the edge.
  return a === 'device' && b === 'device' ? 2 * local : local
}

/** How far a node is from where a site's shared modules belong: the edge. What is placed on a device takes from the little that the device has. */
export function distanceFromSite(node: Point): number {
  if (node.tier === 'edge') return 0
  if (node.tier === 'cloud') return internet
  return node.tier === 'device' ? 2 * local : 2 * local + cable
}

/** Nodes with the same key are equally far from every other node. `parents` are those that a microcontroller is attached to. */
export const placeKey = ({ id, tier, zone, parent }: Point, parents: ReadonlySet<string>): string =>
  `${tier} ${zone ?? ''} ${parent ?? ''} ${parents.has(id) ? id : ''}`
