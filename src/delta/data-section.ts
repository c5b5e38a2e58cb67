import { ByteIndex } from './byte-edits.ts'
import { context, Place } from './contexts.ts'
import { malformed } from './limits.ts'
import type { AddressRun, Maps } from './maps.ts'
import type { Module } from './module.ts'
import { codeCount, type Parts } from './parts.ts'

/** Memory as a module's segments fill it. */
export interface Image {
  readonly lowest: number
  readonly bytes: Uint8Array
}

/** Windows by which moved data is found. */
const dataWindow = 8

/** Null where a segment isn't active at a constant address, or where the image were much longer than the module [D 4.8]. */
export function imageOf(module: Module): Image | null {
  let lowest = Number.POSITIVE_INFINITY
  let highest = 0
  for (const { address, start, end } of module.segments) {
    if (address === null) return null
    lowest = Math.min(lowest, address)
    highest = Math.max(highest, address + end - start)
  }
  if (highest === 0) return { lowest: 0, bytes: new Uint8Array() }
  if (highest - lowest > 4 * module.bytes.length + 65_536) return null
  const bytes = new Uint8Array(highest - lowest)
  for (const { address, start, end } of module.segments) bytes.set(module.bytes.subarray(start, end), address! - lowest)
  return { lowest, bytes }
}

/** A stretch of new addresses that came from old ones `shift` below. */
interface Stretch {
  readonly from: number
  readonly shift: number
}

/** Where new addresses came from: the runs the other way round; where two meet, the later one counts. */
function stretches(runs: readonly AddressRun[]): Stretch[] {
  const all = [{ at: 0, shift: 0 }, ...runs]
  const spans = all.map(({ at, shift }, i) => ({
    from: at + shift,
    to: i + 1 < all.length ? all[i + 1]!.at + shift : Number.POSITIVE_INFINITY,
    shift,
  }))
  const cuts = [...new Set(spans.flatMap(({ from, to }) => [from, to]))].filter(Number.isFinite).sort((a, b) => a - b)
  const owner = new Int32Array(cuts.length).fill(-1)
  const at = new Map(cuts.map((cut, i) => [cut, i]))
  spans.forEach(({ from, to }, span) => {
    const end = to === Number.POSITIVE_INFINITY ? cuts.length : at.get(to)!
    for (let i = at.get(from)!; i < end; i++) owner[i] = span
  })
  return cuts.map((from, i) => ({ from, shift: owner[i]! < 0 ? 0 : spans[owner[i]!]!.shift }))
}

/** Old memory with each aligned word that the maps change in place of the old one: an address, or a slot of the table. */
function mappedImage({ lowest, bytes }: Image, maps: Maps, slots: Int32Array): Uint8Array {
  const mapped = bytes.slice()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const target = new DataView(mapped.buffer)
  for (let at = (4 - (lowest & 3)) & 3; at + 4 <= bytes.length; at += 4) {
    const word = view.getInt32(at, true)
    if (word <= 0) continue
    const address = maps.address(word)
    if (address !== word) target.setInt32(at, address, true)
    else if (word < slots.length && slots[word]! >= 0) target.setInt32(at, slots[word]!, true)
  }
  return mapped
}

/** Data by pieces, each from where its addresses came from [D 4.8]. */
export function* codeData(parts: Parts, image: Image): Generator<void, void, void> {
  const { numbers, maps, plan, old, now, sink } = parts
  const expected = mappedImage(image, maps, parts.slots)
  const index = now === null ? null : new ByteIndex(expected, dataWindow)
  const origins = stretches(plan.runs)
  sink.uleb(plan.segments.length)
  let address = 0
  for (const [i, reference] of plan.segments.entries()) {
    while (numbers.coder.starved) yield
    const given = now?.segments[i]
    const before = old.segments[reference]
    const predicted = before === undefined ? address : maps.address(before.address!)
    const kept = numbers.flag(context(Place.segments), given?.address === predicted)
    address = kept ? predicted : codeCount(parts, Place.segments, 1, predicted, given?.address ?? 0, 0x7fff_ffff)
    const length = before === undefined ? 0 : before.end - before.start
    const size = codeCount(
      parts,
      Place.segments,
      2,
      length,
      given === undefined ? 0 : given.end - given.start,
      sink.limit,
    )
    if (address < 0) throw malformed('a data segment has a negative address')
    sink.uleb(0)
    sink.byte(0x41)
    sink.sleb(address)
    sink.byte(0x0b)
    sink.uleb(size)
    let stretch = lastAt(origins, address)
    for (let done = 0; done < size; stretch++) {
      const next = origins[stretch + 1]?.from ?? Number.POSITIVE_INFINITY
      const count = Math.min(size - done, Math.max(0, next - address - done))
      if (count === 0) continue
      const from = address + done - (origins[stretch]?.shift ?? 0) - image.lowest
      const start = Math.min(expected.length, Math.max(0, from))
      const bytes = now?.bytes.subarray(given!.start + done, given!.start + done + count)
      yield* parts.bytes.code(expected, start, count, bytes === undefined ? null : { bytes, index }, sink)
      done += count
    }
    address += size
  }
}

function lastAt(origins: readonly Stretch[], address: number): number {
  let low = 0
  let high = origins.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (origins[middle]!.from <= address) low = middle
    else high = middle - 1
  }
  return low
}
