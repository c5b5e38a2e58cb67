// Instructions [D 5.1]: read, decoded and written by one table of what each opcode has.
import {
  byte,
  fail,
  high,
  isBroken,
  pad,
  putByte,
  putSleb,
  putUleb,
  putWord,
  sleb,
  sleb64,
  slebLength,
  spoil,
  take,
  uleb,
  ulebLength,
  word,
} from './memory'

// Kinds of immediates.
export const blockType = 1
export const label = 2
export const func = 3
export const type = 4
export const table = 5
export const local = 6
export const global = 7
export const align = 8
export const offset = 9
export const i32Const = 10
export const i64Const = 11
export const f32Const = 12
export const f64Const = 13
export const memoryIndex = 14
export const heapType = 15
export const data = 16
export const element = 17
export const lane = 18
export const v128Const = 19
export const counted = 20
export const tag = 21
export const valueType = 22

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

// What an opcode has: up to three kinds, five bits each, from bit 4 on; a form in the lowest four bits.
export const unknown = 0
export const plain = 1
export const memoryForm = 2
export const memoryLane = 3
export const listForm = 4
export const typesForm = 5
export const vectorForm = 6

let forms: usize = 0

function fill(from: i32, to: i32, form: i32, one: i32 = 0, two: i32 = 0): void {
  for (let op = from; op <= to; op++) store<u16>(forms + 2 * op, form | (one << 4) | (two << 9))
}

export function beginInstructions(): void {
  forms = take(0x640 * 2)
  fill(0x00, 0x01, plain)
  fill(0x05, 0x05, plain)
  fill(0x0a, 0x0b, plain)
  fill(0x0f, 0x0f, plain)
  fill(0x19, 0x1b, plain)
  fill(0x45, 0xc4, plain)
  fill(0xd1, 0xd1, plain)
  fill(0x02, 0x04, plain, blockType)
  fill(0x06, 0x06, plain, blockType)
  fill(0x07, 0x08, plain, tag)
  fill(0x09, 0x09, plain, label)
  fill(0x0c, 0x0d, plain, label)
  fill(0x18, 0x18, plain, label)
  fill(0x0e, 0x0e, listForm)
  fill(0x10, 0x10, plain, func)
  fill(0x12, 0x12, plain, func)
  fill(0xd2, 0xd2, plain, func)
  fill(0x11, 0x11, plain, type, table)
  fill(0x13, 0x13, plain, type, table)
  fill(0x1c, 0x1c, typesForm)
  fill(0x20, 0x22, plain, local)
  fill(0x23, 0x24, plain, global)
  fill(0x25, 0x26, plain, table)
  fill(0x28, 0x3e, memoryForm)
  fill(0x3f, 0x40, plain, memoryIndex)
  fill(0x41, 0x41, plain, i32Const)
  fill(0x42, 0x42, plain, i64Const)
  fill(0x43, 0x43, plain, f32Const)
  fill(0x44, 0x44, plain, f64Const)
  fill(0xd0, 0xd0, plain, heapType)
  fill(0x100, 0x107, plain)
  fill(0x108, 0x108, plain, data, memoryIndex)
  fill(0x109, 0x109, plain, data)
  fill(0x10a, 0x10a, plain, memoryIndex, memoryIndex)
  fill(0x10b, 0x10b, plain, memoryIndex)
  fill(0x10c, 0x10c, plain, element, table)
  fill(0x10d, 0x10d, plain, element)
  fill(0x10e, 0x10e, plain, table, table)
  fill(0x10f, 0x111, plain, table)
  fill(0x300, 0x300 + 0x13f, plain)
  fill(0x300, 0x30b, memoryForm)
  fill(0x35c, 0x35d, memoryForm)
  fill(0x30c, 0x30d, vectorForm)
  fill(0x315, 0x322, plain, lane)
  fill(0x354, 0x35b, memoryLane)
  fill(0x500, 0x54e, memoryForm)
  fill(0x503, 0x503, plain, memoryIndex)
}

export function formOf(op: i32): i32 {
  return load<u16>(forms + 2 * op)
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

export function isFixed(kind: i32): bool {
  return kind === f32Const || kind === f64Const || kind === v128Const || kind === lane
}

export function shortest(kind: i32, low: i32, high: i32): i32 {
  if (kind === blockType || kind === heapType || kind === valueType || kind === i32Const)
    return slebLength(low, low >> 31)
  if (kind === i64Const) return slebLength(low, high)
  return isFixed(kind) ? 0 : ulebLength(low)
}

/** Padding that is expected where a value takes the place of another [D 5.3]. */
export function expectedPad(ins: usize, i: i32, low: i32): i32 {
  const was = padOf(ins, i)
  if (was === 0) return 0
  const kind = kindOf(ins, i)
  const upper = highOf(ins, i)
  return max(0, was + shortest(kind, lowOf(ins, i), upper) - shortest(kind, low, upper))
}

export function writeInstruction(ins: usize): void {
  const op = opOf(ins)
  if (op < 0x100) putByte(op)
  else {
    const first = op < 0x300 ? 0x100 : op < 0x500 ? 0x300 : 0x500
    putByte(op < 0x300 ? 0xfc : op < 0x500 ? 0xfd : 0xfe)
    putUleb(op - first, 0)
  }
  const count = countOf(ins)
  for (let i = 0; i < count; i++) writeImmediate(kindOf(ins, i), lowOf(ins, i), highOf(ins, i), padOf(ins, i))
}

export function writeImmediate(kind: i32, low: i32, high: i32, extra: i32): void {
  switch (kind) {
    case blockType:
    case heapType:
    case valueType:
    case i32Const:
      putSleb(low, low >> 31, extra)
      break
    case i64Const:
      putSleb(low, high, extra)
      break
    case f32Const:
    case v128Const:
      putWord(low)
      break
    case f64Const:
      putWord(low)
      putWord(high)
      break
    case lane:
      putByte(low & 255)
      break
    default:
      putUleb(low, extra)
  }
}

/** An instruction that has to be one. */
export function needInstruction(ins: usize): void {
  readInstruction(ins)
  if (isBroken()) fail()
}
