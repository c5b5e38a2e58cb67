// Data by pieces, each from where its addresses came from [D 4.8].

import { codeBytes } from './byte-codec'
import { slotOf } from './elements'
import { mapAddress, newSegments, runBy, runStart, runs, segmentReference } from './maps'
import { fail, putByte, putSleb, putUleb, take } from './memory'
import { context, count, flag } from './numbers'
import { oldLength, oldSegments, segmentAddress, segmentEnd, segmentStart } from './old-module'

const place = 24
const never: i64 = 0x7fffffffffffffff

let image: usize = 0
let imageLength: u32 = 0
let lowest: i64 = 0
// Where new addresses came from: stretches with where each begins and how far it moved.
let stretchFrom: usize = 0
let stretchShift: usize = 0
let stretches = 0

/** Old memory as its segments fill it; false where it has no such form. */
export function readImage(): bool {
  let low = never
  let high: i64 = 0
  for (let i = 0; i < oldSegments(); i++) {
    const address = segmentAddress(i)
    if (address < 0) return false
    low = min(low, <i64>address)
    high = max(high, <i64>address + <i64>(segmentEnd(i) - segmentStart(i)))
  }
  if (high === 0) return true
  if (high - low > 4 * <i64>oldLength() + 65536) return false
  lowest = low
  imageLength = <u32>(high - low)
  image = take(imageLength)
  for (let i = 0; i < oldSegments(); i++)
    memory.copy(image + <u32>(<i64>segmentAddress(i) - low), segmentStart(i), segmentEnd(i) - segmentStart(i))
  return true
}

/** Each aligned word that the maps change in place of the old one. */
function mapImage(): void {
  for (let at: u32 = (4 - (<u32>lowest & 3)) & 3; at + 4 <= imageLength; at += 4) {
    const word = load<i32>(image + at)
    if (word <= 0) continue
    const address = mapAddress(word)
    if (address !== word) store<i32>(image + at, address)
    else {
      const slot = slotOf(word)
      if (slot >= 0) store<i32>(image + at, slot)
    }
  }
}

/** The runs the other way round; where two meet, the later one counts. */
function findStretches(): void {
  const count = runs()
  const cuts = take(16 * count)
  let many = 0
  for (let i = 0; i < count; i++) {
    many = insertCut(cuts, many, <i64>runStart(i) + <i64>runBy(i))
    if (i + 1 < count) many = insertCut(cuts, many, <i64>runStart(i + 1) + <i64>runBy(i))
  }
  stretches = many
  stretchFrom = cuts
  stretchShift = take(4 * many)
  for (let i = 0; i < count; i++) {
    const from = find(<i64>runStart(i) + <i64>runBy(i))
    const to = i + 1 < count ? find(<i64>runStart(i + 1) + <i64>runBy(i)) : many
    for (let k = from; k < to; k++) store<i32>(stretchShift + 4 * k, runBy(i))
  }
}

function insertCut(cuts: usize, many: i32, cut: i64): i32 {
  let at = many
  while (at > 0 && load<i64>(cuts + 8 * (at - 1)) > cut) at--
  if (at > 0 && load<i64>(cuts + 8 * (at - 1)) === cut) return many
  memory.copy(cuts + 8 * at + 8, cuts + 8 * at, 8 * (many - at))
  store<i64>(cuts + 8 * at, cut)
  return many + 1
}

/** The last stretch that begins at an address or before it. */
function find(address: i64): i32 {
  let low = 0
  let high = stretches - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (load<i64>(stretchFrom + 8 * middle) <= address) low = middle
    else high = middle - 1
  }
  return low
}

export function codeData(most: i32): void {
  mapImage()
  findStretches()
  const many = newSegments()
  putUleb(many, 0)
  let address: i64 = 0
  for (let i = 0; i < many; i++) {
    const reference = segmentReference(i)
    const known = reference >= 0
    const predicted: i64 = known ? mapAddress(segmentAddress(reference)) : address
    if (!flag(context(place))) {
      if (predicted > 0x7fffffff) fail()
      address = count(place, 1, <i32>predicted, 0x7fffffff)
    } else address = predicted
    const length = known ? <i32>(segmentEnd(reference) - segmentStart(reference)) : 0
    const size = count(place, 2, length, most)
    if (address < 0 || address > 0x7fffffff) fail()
    putUleb(0, 0)
    putByte(0x41)
    putSleb(<i32>address, <i32>address >> 31, 0)
    putByte(0x0b)
    putUleb(size, 0)
    let stretch = find(address)
    for (let done: i64 = 0; done < size; stretch++) {
      const next = stretch + 1 < stretches ? load<i64>(stretchFrom + 8 * (stretch + 1)) : never
      const piece = min(<i64>size - done, next === never ? never : max<i64>(0, next - address - done))
      if (piece === 0) continue
      const shift: i64 = stretch < stretches ? load<i32>(stretchShift + 4 * stretch) : 0
      const from = address + done - shift - lowest
      codeBytes(image, image + imageLength, <u32>min<i64>(imageLength, max<i64>(0, from)), <u32>piece)
      done += piece
    }
    address += size
  }
}
