// Instructions [D 5.1]: their fields, and how they are read.

import {
  align,
  blockType,
  counted,
  f32Const,
  f64Const,
  formOf,
  heapType,
  i32Const,
  i64Const,
  label,
  lane,
  listForm,
  memoryForm,
  memoryIndex,
  memoryLane,
  offset,
  plain,
  typesForm,
  v128Const,
  valueType,
  vectorForm,
} from './kinds'
import { byte, fail, high, isBroken, pad, sleb, sleb64, spoil, take, uleb, word } from './memory'

const most = 4096

// An instruction's fields, as offsets.
const kinds: usize = 8
const lows: usize = kinds + most
const highs: usize = lows + 4 * most
const pads: usize = highs + 4 * most
const size: usize = pads + most

export function makeInstruction(): usize {
  return take(size)
}
export function opOf(ins: usize): i32 {
  return load<i32>(ins)
}
export function setOp(ins: usize, op: i32): void {
  store<i32>(ins, op)
}
export function countOf(ins: usize): i32 {
  return load<i32>(ins + 4)
}
export function setCount(ins: usize, count: i32): void {
  store<i32>(ins + 4, count)
}
export function kindOf(ins: usize, i: i32): i32 {
  return load<u8>(ins + kinds + i)
}
export function lowOf(ins: usize, i: i32): i32 {
  return load<i32>(ins + lows + 4 * i)
}
export function setLow(ins: usize, i: i32, value: i32): void {
  store<i32>(ins + lows + 4 * i, value)
}
export function highOf(ins: usize, i: i32): i32 {
  return load<i32>(ins + highs + 4 * i)
}
export function setHigh(ins: usize, i: i32, value: i32): void {
  store<i32>(ins + highs + 4 * i, value)
}
export function padOf(ins: usize, i: i32): i32 {
  return load<u8>(ins + pads + i)
}
export function setPad(ins: usize, i: i32, value: i32): void {
  store<u8>(ins + pads + i, value)
}
export function setField(ins: usize, i: i32, kind: i32, low: i32, high: i32, pad: i32): void {
  store<u8>(ins + kinds + i, kind)
  setLow(ins, i, low)
  setHigh(ins, i, high)
  setPad(ins, i, pad)
}
export function add(ins: usize, kind: i32, low: i32, high: i32, pad: i32): void {
  const at = countOf(ins)
  if (at >= most) fail()
  setField(ins, at, kind, low, high, pad)
  setCount(ins, at + 1)
}
export function copyFields(from: usize, to: usize): void {
  const count = countOf(from)
  setCount(to, count)
  memory.copy(to + kinds, from + kinds, count)
  memory.copy(to + lows, from + lows, 4 * count)
  memory.copy(to + highs, from + highs, 4 * count)
  memory.copy(to + pads, from + pads, count)
}
export function sameFields(a: usize, b: usize): bool {
  const count = countOf(a)
  if (count !== countOf(b)) return false
  for (let i = 0; i < count; i++)
    if (lowOf(a, i) !== lowOf(b, i) || highOf(a, i) !== highOf(b, i) || padOf(a, i) !== padOf(b, i)) return false
  return true
}

/** The next instruction; try_table and what isn't known spoil the reading. */
export function readInstruction(ins: usize): void {
  let op = byte()
  if (op >= 0xfc && op <= 0xfe) {
    const sub = <i32>uleb()
    if (<u32>sub >= 0x140 || pad() > 0) {
      spoil()
      return
    }
    op = (op === 0xfc ? 0x100 : op === 0xfd ? 0x300 : 0x500) + sub
  }
  setOp(ins, op)
  setCount(ins, 0)
  const form = formOf(op)
  switch (form & 15) {
    case plain: {
      for (let rest = form >> 4; rest > 0; rest >>= 5) readOne(ins, rest & 31)
      break
    }
    case memoryLane:
    case memoryForm: {
      readOne(ins, align)
      if (lowOf(ins, 0) & 0x40) readOne(ins, memoryIndex)
      readOne(ins, offset)
      if ((form & 15) === memoryLane) readOne(ins, lane)
      break
    }
    case typesForm:
    case listForm: {
      readOne(ins, counted)
      const count = lowOf(ins, 0)
      if (count < 0 || count * 3 + 4 > most) {
        spoil()
        return
      }
      const list = (form & 15) === listForm
      for (let left = list ? count + 1 : count; left > 0; left--) readOne(ins, list ? label : valueType)
      break
    }
    case vectorForm: {
      for (let i = 0; i < 4; i++) readOne(ins, v128Const)
      break
    }
    default:
      spoil()
  }
}

function readOne(ins: usize, kind: i32): void {
  switch (kind) {
    case blockType:
    case heapType:
    case valueType:
    case i32Const: {
      const value = sleb()
      add(ins, kind, value, 0, pad())
      break
    }
    case i64Const: {
      const value = sleb64()
      add(ins, kind, value, high(), pad())
      break
    }
    case f32Const:
    case v128Const:
      add(ins, kind, word(), 0, 0)
      break
    case f64Const: {
      const value = word()
      add(ins, kind, value, word(), 0)
      break
    }
    case lane:
      add(ins, kind, byte(), 0, 0)
      break
    default: {
      const value = uleb()
      add(ins, kind, value, 0, pad())
    }
  }
}

/** An instruction that has to be one. */
export function needInstruction(ins: usize): void {
  readInstruction(ins)
  if (isBroken()) fail()
}
