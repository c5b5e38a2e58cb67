import type { Image } from './data-section.ts'
import { maxAddressRuns } from './limits.ts'
import type { AddressRun } from './maps.ts'

/** Says that an address went to another, and how much that counts. */
export interface Vote {
  readonly from: number
  readonly to: number
  readonly weight: number
}

/** About the bits that an address costs that isn't as predicted, and a run. */
const missCost = 14
const runCost = 34
/** Shifts that are tried. */
const mostShifts = 300

/** Windows by which old data is found again, and how much a byte of it counts. */
const windowBytes = 12
const stride = 16
const weightPerByte = 0.25

/** Where long stretches of old data are found in the new. */
export function dataVotes(old: Image, now: Image): Vote[] {
  const places = new Map<number, number>()
  for (let at = 0; at + windowBytes <= old.bytes.length; at++) {
    const hash = windowHash(old.bytes, at)
    if (hash !== null) places.set(hash, places.has(hash) ? -1 : at)
  }
  const votes: Vote[] = []
  let shift = 0
  for (let at = 0; at + windowBytes <= now.bytes.length; ) {
    let length = equalFrom(old.bytes, at + shift, now.bytes, at)
    if (length < windowBytes) {
      // Stay on the alignment as long as it holds, then look for another.
      const hash = windowHash(now.bytes, at)
      const place = hash === null ? -1 : (places.get(hash) ?? -1)
      length = place < 0 ? 0 : equalFrom(old.bytes, place, now.bytes, at)
      if (length >= windowBytes) shift = place - at
    }
    if (length < windowBytes) {
      at++
      continue
    }
    for (let i = 0; i < length; i += stride) {
      votes.push({
        from: at + shift + i + old.lowest,
        to: at + i + now.lowest,
        weight: Math.min(stride, length - i) * weightPerByte,
      })
    }
    at += length
  }
  return votes
}

function equalFrom(old: Uint8Array, place: number, now: Uint8Array, at: number): number {
  let length = 0
  if (place < 0) return 0
  while (at + length < now.length && place + length < old.length && old[place + length] === now[at + length]) length++
  return length
}

/** Null for zeros, which are everywhere. */
function windowHash(bytes: Uint8Array, at: number): number | null {
  let hash = 0
  let any = 0
  for (let i = 0; i < windowBytes; i++) {
    hash = Math.imul(hash ^ bytes[at + i]!, 0x9e3779b1)
    hash ^= hash >>> 15
    any |= bytes[at + i]!
  }
  return any === 0 ? null : hash
}

/** Runs of one shift each that explain the votes at the least cost [D 4.4]. */
export function addressRuns(votes: readonly Vote[]): AddressRun[] {
  const byAddress = new Map<number, Map<number, number>>()
  const weights = new Map<number, number>([[0, 0]])
  for (const { from, to, weight } of votes) {
    const shift = to - from
    const shifts = byAddress.get(from) ?? new Map<number, number>()
    byAddress.set(from, shifts)
    shifts.set(shift, (shifts.get(shift) ?? 0) + weight)
    weights.set(shift, (weights.get(shift) ?? 0) + weight)
  }
  const shifts = [...weights]
    .sort((a, b) => b[1] - a[1])
    .slice(0, mostShifts)
    .map(([shift]) => shift)
  if (!shifts.includes(0)) shifts.push(0)
  const places = [...byAddress].sort((a, b) => a[0] - b[0])
  const chosen = cheapestShifts(
    places.map(([, each]) => each),
    shifts,
  )
  const runs: AddressRun[] = []
  let shift = 0
  for (const [i, [at]] of places.entries()) {
    const now = shifts[chosen[i]!]!
    if (now !== shift) runs.push({ at, shift: now })
    shift = now
  }
  return runs.slice(0, maxAddressRuns)
}

/** For each address the index of its shift, by dynamic programming over them in order. */
function cheapestShifts(places: readonly ReadonlyMap<number, number>[], shifts: readonly number[]): Int32Array {
  const count = shifts.length
  let costs = new Float64Array(count).fill(1e12)
  costs[shifts.indexOf(0)] = 0
  const origins: Int16Array[] = []
  for (const votes of places) {
    let best = 0
    for (let i = 1; i < count; i++) if (costs[i]! < costs[best]!) best = i
    let total = 0
    for (const weight of votes.values()) total += weight
    const origin = new Int16Array(count)
    const next = new Float64Array(count)
    const jump = costs[best]! + runCost
    for (let i = 0; i < count; i++) {
      const stays = costs[i]! <= jump
      origin[i] = stays ? i : best
      next[i] = (stays ? costs[i]! : jump) + (total - (votes.get(shifts[i]!) ?? 0)) * missCost
    }
    origins.push(origin)
    costs = next
  }
  let at = costs.indexOf(Math.min(...costs))
  const chosen = new Int32Array(places.length)
  for (let i = places.length - 1; i >= 0; i--) {
    chosen[i] = at
    at = origins[i]![at]!
  }
  return chosen
}
