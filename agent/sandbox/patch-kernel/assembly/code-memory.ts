// What old bodies that are edited say of the instructions that are inserted [D 5.9].

import { teach } from './coder'
import { countOf, kindOf, lowOf, makeInstruction, needInstruction, opOf, setCount, setLow, setOp } from './instruction'
import { label, local } from './kinds'
import { predict } from './maps'
import { fail, here, open, take } from './memory'
import { quick } from './numbers'

const places = 65536

let bodyNumber: u32 = 0
let walkLeft: i64 = 0
let scratch: usize = 0
// Two models: 0 by the last three opcodes, 1 by the last two instructions.
let places0: usize = 0
let ends0: usize = 0
let places1: usize = 0
let ends1: usize = 0
let expected0: usize = 0
let expected1: usize = 0
let at0: usize = 0
let at1: usize = 0
let end0: usize = 0
let end1: usize = 0
let next0: usize = 0
let next1: usize = 0
let length0: u32 = 0
let length1: u32 = 0
// The old body, as long as it hasn't been read.
let unread: usize = 0
let unreadEnd: usize = 0
// The last instructions of the body that is written, or of the old one that is read.
let one: u32 = 0
let two: u32 = 0
let three: u32 = 0
let keyOne: u32 = 0
let keyTwo: u32 = 0

export function beginMemory(budget: i64): void {
  walkLeft = budget
  places0 = take(4 * places)
  ends0 = take(4 * places)
  places1 = take(4 * places)
  ends1 = take(4 * places)
  expected0 = makeInstruction()
  expected1 = makeInstruction()
  scratch = makeInstruction()
}

/** Instructions of old bodies that are walked [D 5.6]. */
export function walk(instructions: i32): void {
  walkLeft -= instructions
  if (walkLeft < 0) fail()
}

export function bodyId(): u32 {
  return bodyNumber
}
export function expectedBy(model: i32): usize {
  return model ? expected1 : expected0
}
export function lengthOf(model: i32): u32 {
  return model ? length1 : length0
}

function seed(): u32 {
  return bodyNumber * 0x9e3779b1
}
export function ownOpcodes(opcodes: u32): u32 {
  return quick(0x2e3d4c5b, (opcodes & 0xfffff) + seed())
}
export function ownLocal(last: u32, op: u32): u32 {
  return quick(0x4e3d4c5b, (last << 10) + op + seed())
}

function slot(hash: u32): u32 {
  return (hash * 0x9e3779b1) >>> 16
}
function byOps(): u32 {
  return slot((one * 0x2c1b3c6d) ^ ((two + 7) * 0x297a2d39) ^ ((three + 99) * 0x165667b1))
}
function byKeys(): u32 {
  return slot((keyOne * 0x2c1b3c6d) ^ ((keyTwo + 7) * 0x297a2d39))
}

function forget(): void {
  one = two = three = keyOne = keyTwo = 0
}

export function pushTrail(ins: usize): void {
  three = two
  two = one
  one = opOf(ins)
  let key = one
  const count = min(4, countOf(ins))
  for (let i = 0; i < count; i++) {
    const value: u32 = kindOf(ins, i) === label ? 0 : lowOf(ins, i)
    key = ((key ^ value) * 0x9e3779b1) ^ (key >>> 15)
  }
  keyTwo = keyOne
  keyOne = key
}

/** An old instruction as the maps have it; answers where the next begins. */
function read(at: usize, end: usize, into: usize): usize {
  open(at, end)
  needInstruction(into)
  const next = here()
  const count = countOf(into)
  for (let i = 0; i < count; i++) {
    const kind = kindOf(into, i)
    if (kind !== local && kind !== label) setLow(into, i, predict(kind, lowOf(into, i)))
  }
  walk(1 + (count >> 3))
  return next
}

function firstByte(op: u32): u32 {
  return op < 0x100 ? op : op < 0x300 ? 0xfc : op < 0x500 ? 0xfd : 0xfe
}

/** Another body, and the instructions of what it follows. */
export function beginBody(from: usize, end: usize): void {
  bodyNumber++
  at0 = at1 = 0
  length0 = length1 = 0
  unread = from
  unreadEnd = end
  forget()
}

/** Reads the old body, if that hasn't been done. */
function readBody(): void {
  if (unread === 0) return
  const from = unread
  const end = unreadEnd
  const kept1 = one
  const kept2 = two
  const kept3 = three
  const keptKey1 = keyOne
  const keptKey2 = keyTwo
  unread = 0
  forget()
  let opcodes: u32 = 0
  for (let at = from; at < end; ) {
    const slot0 = 4 * byOps()
    const slot1 = 4 * byKeys()
    store<u32>(places0 + slot0, at)
    store<u32>(ends0 + slot0, end)
    store<u32>(places1 + slot1, at)
    store<u32>(ends1 + slot1, end)
    at = read(at, end, scratch)
    const op: u32 = opOf(scratch)
    teach(ownOpcodes(opcodes), 8, firstByte(op))
    pushTrail(scratch)
    opcodes = ((opcodes << 10) | op) & 0x3fffffff
  }
  one = kept1
  two = kept2
  three = kept3
  keyOne = keptKey1
  keyTwo = keptKey2
}

export function expectNext(): void {
  readBody()
  if (at0 === 0 || length0 === 0) {
    const at = 4 * byOps()
    at0 = load<u32>(places0 + at)
    end0 = load<u32>(ends0 + at)
    length0 = 0
  }
  if (at0 !== 0) next0 = read(at0, end0, expected0)
  else nothing(expected0)
  if (at1 === 0 || length1 === 0) {
    const at = 4 * byKeys()
    at1 = load<u32>(places1 + at)
    end1 = load<u32>(ends1 + at)
    length1 = 0
  }
  if (at1 !== 0) next1 = read(at1, end1, expected1)
  else nothing(expected1)
}

function nothing(ins: usize): void {
  setOp(ins, 0x7ff)
  setCount(ins, 0)
}

export function learnOp(op: i32): void {
  if (at0 !== 0) {
    const right = opOf(expected0) === op
    length0 = right ? min<u32>(15, length0 + 1) : 0
    at0 = right && next0 < end0 ? next0 : 0
  }
  if (at1 !== 0) {
    const right = opOf(expected1) === op
    length1 = right ? min<u32>(15, length1 + 1) : 0
    at1 = right && next1 < end1 ? next1 : 0
  }
}
