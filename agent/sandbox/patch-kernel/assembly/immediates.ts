// Opcodes and immediates that no prediction tells, from the instructions before them [D 5.8, 5.9].

import { bodyId, expectNext, expectedBy, learnOp, lengthOf, ownLocal, ownOpcodes, pushTrail } from './code-memory'
import { mix, setContext } from './coder'
import {
  add,
  copyFields,
  countOf,
  kindOf,
  lowOf,
  opOf,
  sameFields,
  setCount,
  setHigh,
  setLow,
  setOp,
  setPad,
} from './instruction'
import {
  align,
  counted,
  f64Const,
  formOf,
  func,
  global,
  i32Const,
  i64Const,
  label,
  lane,
  listForm,
  local,
  memoryForm,
  memoryIndex,
  memoryLane,
  offset,
  plain,
  type,
  typesForm,
  v128Const,
  valueType,
  vectorForm,
} from './kinds'
import { newFunctions, newGlobals, newTypes } from './maps'
import { fail } from './memory'
import { context, flag, mixedSint, mixedTree, mixedUint, quick, sint, tree, uint } from './numbers'
import { firstNumber, firstSure, secondNumber, secondSure } from './numbers-map'
import { isFixed } from './write-instruction'

const opcodePlace = 15
const localPlace = 16
const indexPlace = 17
const constantPlace = 18
const offsetPlace = 19
const padPlace = 20
const immediatePlace = 30
const most = 4096

let padded = false
let opcodes: u32 = 0
let lastLocal: i32 = 0
let localsBefore: u32 = 0
let constant: i32 = 0
/** How far the last address moved that no run told. */
let shift: i32 = 0
let lastOffset: i32 = 0

export function beginImmediates(withPadding: bool): void {
  padded = withPadding
  opcodes = 0
  lastLocal = constant = lastOffset = shift = 0
  localsBefore = 0
}

/** What an instruction tells for the next ones. */
export function remember(ins: usize): void {
  pushTrail(ins)
  opcodes = ((opcodes << 10) | opOf(ins)) & 0x3fffffff
  const count = countOf(ins)
  for (let i = 0; i < count; i++) {
    const kind = kindOf(ins, i)
    if (kind === local) {
      localsBefore = ((lastLocal << 11) | lowOf(ins, i)) & 0xfffffff
      lastLocal = lowOf(ins, i)
    } else if (kind === i32Const) constant = lowOf(ins, i)
    else if (kind === offset) lastOffset = lowOf(ins, i)
  }
}

/** A whole instruction, where `expected` is the old opcode at this place, or -1. */
export function insert(ins: usize, expected: i32): void {
  expectNext()
  const op = codeOpcode(expected)
  setOp(ins, op)
  const told = asExpected(ins)
  learnOp(op)
  if (told) return
  setCount(ins, 0)
  const form = formOf(op)
  switch (form & 15) {
    case plain: {
      for (let rest = form >> 4; rest > 0; rest >>= 5) append(ins, rest & 31)
      break
    }
    case memoryLane:
    case memoryForm: {
      if (append(ins, align) & 0x40) append(ins, memoryIndex)
      append(ins, offset)
      if ((form & 15) === memoryLane) append(ins, lane)
      break
    }
    case typesForm:
    case listForm: {
      const count = <i32>min<u32>(append(ins, counted), most)
      const list = (form & 15) === listForm
      for (let left = list ? count + 1 : count; left > 0; left--) append(ins, list ? label : valueType)
      break
    }
    case vectorForm: {
      for (let i = 0; i < 4; i++) append(ins, v128Const)
      break
    }
    default:
      fail()
  }
}

function append(ins: usize, kind: i32): i32 {
  const i = countOf(ins)
  add(ins, kind, 0, 0, 0)
  field(ins, i)
  return lowOf(ins, i)
}

function codeOpcode(expected: i32): i32 {
  const one = opcodes & 0x3ff
  setContext(0, quick(0x52dce729, one))
  setContext(1, quick(0x38495ab5, opcodes & 0xfffff))
  setContext(2, quick(0x2127599b, expected))
  setContext(3, quick(0x61c88647, 0))
  setContext(4, quick(0x45d9f3b1, ((<u32>lastLocal) << 11) | one))
  setContext(5, quick(0x3ab1f9c5, ((<u32>opOf(expectedBy(0))) << 4) | lengthOf(0)))
  setContext(6, quick(0x7b21f9e7, ((<u32>opOf(expectedBy(1))) << 4) | lengthOf(1)))
  setContext(7, ownOpcodes(opcodes))
  const first = mixedTree(8, expected < 0 ? 16 : 17, 8)
  if (first < 0xfc || first > 0xfe) return first
  const base = first === 0xfc ? 0x100 : first === 0xfd ? 0x300 : 0x500
  const op = base + tree(context(opcodePlace, first, 5), 9)
  // Opcodes beyond the table are known to nobody.
  if (op >= 0x640) fail()
  return op
}

function asExpected(ins: usize): bool {
  const op = opOf(ins)
  let tried: usize = 0
  for (let which = 1; which >= 0; which--) {
    const expected = expectedBy(which)
    const count = countOf(expected)
    if (opOf(expected) !== op || count === 0) continue
    if (tried !== 0 && sameFields(tried, expected)) continue
    const place = tried === 0 ? 1 : 2
    tried = expected
    setContext(0, context(immediatePlace, 77 + which, min<u32>(lengthOf(which), 7), place))
    setContext(1, context(immediatePlace, 79 + which, op, place))
    setContext(2, context(immediatePlace, 81 + which, op, lowOf(expected, count - 1)))
    if (mix(3, 0, 80 + which) === 0) continue
    copyFields(expected, ins)
    return true
  }
  return false
}

/** An immediate that isn't as expected. */
export function change(ins: usize, i: i32, expected: i32, old: i32): void {
  const kind = kindOf(ins, i)
  if (kind === i32Const || kind === offset) {
    const stays = old !== expected && flag(context(immediatePlace, kind, 0))
    setLow(ins, i, stays ? old : otherAddress(kind, expected, old))
    codePad(ins, i)
  } else if (kind === local) {
    setLow(ins, i, codeLocal(opOf(ins), expected, old))
    codePad(ins, i)
  } else if (kind === func || kind === global || kind === type) field(ins, i)
  else simple(ins, i, context(immediatePlace, kind, 2))
}

/** An address that isn't where the runs have it: mostly it moved as far as the last such one. */
function otherAddress(kind: i32, expected: i32, old: i32): i32 {
  const near = old + shift
  if (near !== expected && near !== old && flag(context(immediatePlace, kind, 8))) return near
  const to = expected + sint(context(immediatePlace, kind, 9))
  shift = to - old
  return to
}

/** A number that is no address, and changes. */
export function changeNumber(ins: usize, i: i32, old: i32): void {
  const kind = kindOf(ins, i)
  const first = firstNumber()
  const second = secondNumber()
  const one = firstSure()
  const two = secondSure()
  let to = 0
  if (one > 0 && first !== old && flag(context(immediatePlace, one, two, 5))) to = first
  else if (
    two > 0 &&
    second !== old &&
    (one === 0 || first !== second) &&
    flag(context(immediatePlace, one, kind, 6))
  )
    to = second
  else to = old + mixedSint(context(immediatePlace, kind, 1), context(immediatePlace, opOf(ins), 7))
  setLow(ins, i, to)
  codePad(ins, i)
}

/** An immediate of an inserted instruction. */
function field(ins: usize, i: i32): void {
  const kind = kindOf(ins, i)
  const op = opOf(ins)
  switch (kind) {
    case local:
      setLow(ins, i, codeLocal(op, -1, -1))
      break
    case func:
    case global:
    case type:
      setLow(ins, i, codeIndex(kind))
      break
    case i32Const: {
      const one = opcodes & 0x3ff
      setLow(
        ins,
        i,
        flag(context(constantPlace, one))
          ? constant + sint(context(constantPlace, 0, 1))
          : mixedSint(context(constantPlace, 0, 2), context(constantPlace, one, 3, lastLocal)),
      )
      break
    }
    case offset:
      setLow(ins, i, mixedUint(context(offsetPlace, op), context(offsetPlace, lastOffset, 1, lastLocal)))
      break
    case align:
      setLow(ins, i, tree(context(immediatePlace, op, 3), 8))
      break
    default:
      simple(ins, i, context(immediatePlace, kind, 4, op))
      return
  }
  codePad(ins, i)
}

function simple(ins: usize, i: i32, at: u32): void {
  const kind = kindOf(ins, i)
  const low: i32 = kind === label || kind === counted ? uint(at) : sint(at)
  setLow(ins, i, low)
  setHigh(ins, i, kind === i64Const || kind === f64Const ? sint(at + 1) ^ (low >> 31) : 0)
  codePad(ins, i)
}

function codePad(ins: usize, i: i32): void {
  const kind = kindOf(ins, i)
  if (!padded || isFixed(kind)) {
    setPad(ins, i, 0)
    return
  }
  setPad(ins, i, flag(context(padPlace, kind, opOf(ins))) ? tree(context(padPlace, kind, 0, 1), 4) : 0)
}

function codeLocal(op: i32, expected: i32, old: i32): i32 {
  setContext(0, quick(0x7feb352d, op))
  setContext(1, quick(0x68e31da4, ((<u32>lastLocal) << 11) | op))
  setContext(2, quick(0x1b56c4e9, opcodes & 0xfffff))
  setContext(3, quick(0x0c2b2ae3, expected))
  setContext(4, quick(0x5851f42d, (<u32>expected * 0x165667b1) ^ lastLocal))
  setContext(5, ownLocal(lastLocal, op))
  setContext(6, quick(0x2f6b8d31, (old < 0 ? opcodes & 0xfffff : <u32>old + 0x100000) + bodyId() * 0x9e3779b1))
  setContext(7, quick(0x1d872b41, old < 0 ? localsBefore : <u32>((old << 10) ^ expected)))
  const told = mixedTree(8, 32, 8)
  return told < 255 ? told : 255 + uint(context(localPlace, 0, 3))
}

function codeIndex(kind: i32): i32 {
  const things = kind === func ? newFunctions() : kind === global ? newGlobals() : newTypes()
  const bits = max(1, 32 - <i32>clz<u32>(things - 1))
  if (flag(context(indexPlace, kind))) return uint(context(indexPlace, kind, 1))
  setContext(0, context(indexPlace, kind, 2))
  setContext(1, context(indexPlace, kind, 3, opcodes & 0x3ff))
  return mixedTree(2, 33, bits)
}
