// Instructions are written as they were read, or with other immediates in their place [D 5.3].

import { countOf, highOf, kindOf, lowOf, opOf, padOf } from './instruction'
import { blockType, f32Const, f64Const, heapType, i32Const, i64Const, lane, v128Const, valueType } from './kinds'
import { putByte, putSleb, putUleb, putWord, slebLength, ulebLength } from './memory'

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
