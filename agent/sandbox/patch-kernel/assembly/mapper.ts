// Old instructions as the maps have them [D 5.3]: bytes are copied as they are up to the next immediate that changes.

import { closeBoth, mapLabel, mapLocal, openBlocks, openBoth } from './frame'
import { countOf, kindOf, lowOf, makeInstruction, needInstruction, opOf, setLow, setPad } from './instruction'
import {
  blockType,
  f32Const,
  f64Const,
  formOf,
  func,
  global,
  i32Const,
  i64Const,
  label,
  local,
  memoryIndex,
  offset,
  plain,
  table,
  tag,
  type,
} from './kinds'
import { highestAddress, lowestAddress, predict } from './maps'
import { fail, here, isBroken, open, put, putSleb, putUleb, slebLength, take, ulebLength } from './memory'
import { expectedPad, writeInstruction } from './write-instruction'

const none = 0
const leb = 1
const funcWay = 2
const globalWay = 3
const i32Way = 4
const memoryWay = 5
const callWay = 6
const blockWay = 7
const bytes4 = 8
const bytes8 = 9
const other = 10
const localWay = 11
const labelWay = 12
const endWay = 13

let ways: usize = 0
let quickPlain: usize = 0
let quickFramed: usize = 0
let scratch: usize = 0
let walkedCount = 0

/** Instructions that the last call went over. */
export function walked(): i32 {
  return walkedCount
}

function wayOf(op: i32): i32 {
  if (op === 0x0b) return endWay
  const form = formOf(op)
  if (op >= 0x28 && op <= 0x3e) return memoryWay
  if ((form & 15) !== plain) return other
  switch (form >> 4) {
    case 0:
      return none
    case i64Const:
    case memoryIndex:
    case table:
    case tag:
      return leb
    case local:
      return localWay
    case label:
      return labelWay
    case func:
      return funcWay
    case global:
      return globalWay
    case i32Const:
      return i32Way
    case type | (table << 5):
      return callWay
    case blockType:
      return blockWay
    case f32Const:
      return bytes4
    case f64Const:
      return bytes8
  }
  return other
}

export function beginMapper(): void {
  scratch = makeInstruction()
  ways = take(256)
  quickPlain = take(256)
  quickFramed = take(256)
  const first = highestAddress() === 0 ? 0x7fffffff : lowestAddress()
  for (let op = 0; op < 256; op++) {
    const way = wayOf(op)
    store<u8>(ways + op, way)
    store<u8>(quickPlain + op, quickLength(way, first, false))
    store<u8>(quickFramed + op, quickLength(way, first, true))
  }
}

function quickLength(way: i32, lowest: i32, framed: bool): i32 {
  if (way === none || (way === endWay && !framed)) return 1
  if (way === leb || ((way === localWay || way === labelWay) && !framed)) return 2
  if (lowest > 0x7f && (way === i32Way || way === memoryWay)) return way === i32Way ? 2 : 3
  return 0
}

function kindOfWay(way: i32): i32 {
  switch (way) {
    case funcWay:
      return func
    case globalWay:
      return global
    case i32Way:
      return i32Const
    case memoryWay:
      return offset
    case callWay:
      return type
    default:
      return blockType
  }
}

/** Behind a LEB128; what goes on behind the function fails in the end. */
function behind(at: usize, end: usize): usize {
  while (at < end && load<u8>(at) >= 0x80) at++
  return at + 1
}

/** Up to `most` instructions; answers where the next begins, or 0 where a thing is gone. */
export function writeMapped(from: usize, end: usize, most: i32, framed: bool): usize {
  const lowest = lowestAddress()
  const highest = highestAddress()
  const quick = framed ? quickFramed : quickPlain
  let at = from
  let copied = from
  let left = most
  while (at < end && left > 0) {
    const op: i32 = load<u8>(at)
    const length: i32 = load<u8>(quick + op)
    if (length !== 0) {
      if (
        length === 1 ||
        (length === 2 && at + 1 < end && load<u8>(at + 1) < 0x80) ||
        (length === 3 && at + 2 < end && load<u8>(at + 1) < 0x40 && load<u8>(at + 2) < 0x80)
      ) {
        at += length
        left--
        continue
      }
    }
    const way: i32 = load<u8>(ways + op)
    left--
    at++
    if (way === none) continue
    if (way === endWay) {
      if (!framed) continue
      closeBoth()
      if (openBlocks() < 0) break
      continue
    }
    if (way === leb || ((way === localWay || way === labelWay) && !framed)) {
      at = behind(at, end)
      continue
    }
    if (way === bytes4 || way === bytes8) {
      at += way === bytes4 ? 4 : 8
      continue
    }
    if (way === other || (way === memoryWay && (at >= end || (load<u8>(at) & 0xc0) !== 0))) {
      put(copied, at - 1)
      at = writeOther(at - 1, end, framed)
      if (at === 0) return 0
      copied = at
      continue
    }
    if (way === memoryWay) at++
    const start = at
    let value: i32 = 0
    let shift: i32 = 0
    let byte: i32 = 0
    do {
      if (at >= end) fail()
      byte = load<u8>(at++)
      if (shift < 32) value |= (byte & 0x7f) << shift
      shift += 7
      if (shift > 35) fail()
    } while (byte >= 0x80)
    const signed = way === i32Way || way === blockWay
    if (signed && shift < 32 && byte & 0x40) value |= -1 << shift
    if (way === blockWay && framed) openBoth()
    if (way === callWay) at = behind(at, end)
    const numeric = way === i32Way || way === memoryWay
    if (numeric ? value < lowest || value >= highest : way === blockWay && value < 0) continue
    const expected =
      way === localWay ? mapLocal(value) : way === labelWay ? mapLabel(value) : predict(kindOfWay(way), value)
    if (expected === value) continue
    if (expected < 0 && !numeric) return 0
    const rest = way === callWay ? behind(start, end) : at
    put(copied, start)
    copied = rest
    const width = <i32>(rest - start)
    const is = signed ? slebLength(expected, expected >> 31) : ulebLength(expected)
    const padded = width > (signed ? slebLength(value, value >> 31) : ulebLength(value))
    const pad = padded ? max(0, width - is) : 0
    if (signed) putSleb(expected, expected >> 31, pad)
    else putUleb(expected, pad)
  }
  if (at > end) fail()
  put(copied, at)
  walkedCount = most - left
  return at
}

/** An instruction that isn't worth a way of its own. */
function writeOther(at: usize, end: usize, framed: bool): usize {
  open(at, end)
  needInstruction(scratch)
  const next = here()
  const count = countOf(scratch)
  for (let i = 0; i < count; i++) {
    const kind = kindOf(scratch, i)
    const value = lowOf(scratch, i)
    let expected = value
    if (kind === local || kind === label) {
      if (framed) expected = kind === local ? mapLocal(value) : mapLabel(value)
    } else expected = predict(kind, value)
    if (expected === value) continue
    if (expected < 0 && kind !== i32Const && kind !== offset) return 0
    setPad(scratch, i, expectedPad(scratch, i, expected))
    setLow(scratch, i, expected)
  }
  if (opOf(scratch) === 0x1f || isBroken()) fail()
  writeInstruction(scratch)
  return next
}
