// Types of functions, exports, globals, element segments [D 4.5, 4.7]. Each reads the old section in its form, or says that it has another.

import { codeBytes } from './byte-codec'
import { setContext } from './coder'
import {
  blockType,
  countOf,
  f32Const,
  f64Const,
  func,
  global,
  heapType,
  highOf,
  i32Const,
  i64Const,
  kindOf,
  lowOf,
  makeInstruction,
  opOf,
  padOf,
  readInstruction,
  writeImmediate,
} from './instruction'
import {
  functionReference,
  globalReference,
  mapFunction,
  mapGlobal,
  mapType,
  newFunctions,
  newGlobals,
  newImportedFunctions,
  newImportedGlobals,
  predict,
} from './maps'
import {
  byte,
  fail,
  here,
  isBroken,
  limit,
  open,
  pad,
  put,
  putByte,
  putSleb,
  putUleb,
  skip,
  take,
  uleb,
} from './memory'
import { context, count, flag, mixedTree, sint, tree, uint } from './numbers'
import { oldFunctionType, oldImportedFunctions, oldImportedGlobals, oldLength, readConstant } from './old-module'

const functionsPlace = 10
const exportsPlace = 21
const globalsPlace = 22
const elementsPlace = 23

/** Where functions' slots went, or -1: for the data section. */
let slots: usize = 0
let slotCount: u32 = 0
let scratch: usize = 0

export function slotOf(word: i32): i32 {
  return <u32>word < slotCount ? load<i32>(slots + 4 * word) : -1
}

/** A number without padding. */
export function plainUleb(): u32 {
  const value = uleb()
  if (pad() > 0) skip(0xffffffff)
  return value
}

export function codeFunctions(): void {
  const imported = newImportedFunctions()
  const many = newFunctions() - imported
  putUleb(many, 0)
  for (let i = 0; i < many; i++) {
    const reference = functionReference(imported + i) - oldImportedFunctions()
    const expected = reference >= 0 ? mapType(oldFunctionType(reference)) : -1
    const hit = expected >= 0 && flag(context(functionsPlace))
    putUleb(hit ? expected : uint(context(functionsPlace, 1)), 0)
  }
}

let exportCount: u32 = 0
/** Of each old export: its name's start and end, kind, index. */
let exports: usize = 0

export function readExports(from: usize, to: usize): bool {
  open(from, to)
  exportCount = plainUleb()
  if (isBroken() || exportCount > <u32>(limit() - here())) return false
  exports = take(16 * exportCount)
  for (let i: u32 = 0; i < exportCount; i++) {
    const length = plainUleb()
    const start = here()
    skip(length)
    store<u32>(exports + 16 * i, start)
    store<u32>(exports + 16 * i + 4, here())
    store<i32>(exports + 16 * i + 8, byte())
    store<i32>(exports + 16 * i + 12, plainUleb())
    if (isBroken()) return false
  }
  return here() >= to
}

export function codeExports(most: i32): void {
  const many = count(exportsPlace, 0, exportCount, most)
  putUleb(many, 0)
  let next: u64 = 0
  for (let i = 0; i < many; i++) {
    next += uint(context(exportsPlace, 1))
    if (next < exportCount && flag(context(exportsPlace, 2))) {
      const old = exports + 16 * <u32>next
      next++
      const kind = load<i32>(old + 8)
      const was = load<i32>(old + 12)
      const expected: i64 = kind === 0 ? mapFunction(was) : kind === 3 ? mapGlobal(was) : <i64>(<u32>was)
      const hit = expected >= 0 && flag(context(exportsPlace, 3))
      const index = hit ? <u32>expected : uint(context(exportsPlace, 4))
      const name = load<u32>(old)
      const end = load<u32>(old + 4)
      putUleb(end - name, 0)
      put(name, end)
      putByte(kind)
      putUleb(index, 0)
    } else {
      const length = count(exportsPlace, 5, 0, most)
      putUleb(length, 0)
      codeBytes(0, 0, 0, length)
      putByte(tree(context(exportsPlace, 6), 3))
      putUleb(uint(context(exportsPlace, 7)), 0)
    }
  }
}

let globalCount: u32 = 0
/** Of each old global: type, whether it changes, opcode, kind, both halves. */
let globals: usize = 0

export function readGlobals(from: usize, to: usize): bool {
  scratch = makeInstruction()
  open(from, to)
  globalCount = plainUleb()
  if (isBroken() || globalCount > <u32>(limit() - here())) return false
  globals = take(24 * globalCount)
  for (let i: u32 = 0; i < globalCount; i++) {
    const at = globals + 24 * i
    const type = byte()
    const mutable = byte()
    readInstruction(scratch)
    if (isBroken()) return false
    const op = opOf(scratch)
    if (countOf(scratch) !== 1 || padOf(scratch, 0) > 0 || op > 0xff || type < 0x7b || mutable > 1) return false
    store<i32>(at, type)
    store<i32>(at + 4, mutable)
    store<i32>(at + 8, op)
    store<i32>(at + 12, kindOf(scratch, 0))
    store<i32>(at + 16, lowOf(scratch, 0))
    store<i32>(at + 20, highOf(scratch, 0))
    readInstruction(scratch)
    if (isBroken() || opOf(scratch) !== 0x0b) return false
  }
  return here() >= to
}

export function codeGlobals(): void {
  const many = newGlobals() - newImportedGlobals()
  putUleb(many, 0)
  for (let i = 0; i < many; i++) {
    const reference = globalReference(newImportedGlobals() + i) - oldImportedGlobals()
    const known = reference >= 0 && <u32>reference < globalCount
    const at = globals + 24 * <u32>(known ? reference : 0)
    const kept = known && flag(context(globalsPlace))
    let type = known ? load<i32>(at) : 0
    let mutable = known ? load<i32>(at + 4) : 0
    let op = known ? load<i32>(at + 8) : 0
    let kind = known ? load<i32>(at + 12) : 0
    if (!kept) {
      type = tree(context(globalsPlace, 1), 7)
      mutable = tree(context(globalsPlace, 2), 1)
      op = tree(context(globalsPlace, 3), 8)
      kind = initialKind(op)
    }
    const expected = kept ? predict(kind, load<i32>(at + 16)) : 0
    let low = expected
    let high = known ? load<i32>(at + 20) : 0
    if (!kept || !flag(context(globalsPlace, 4))) {
      low = expected + sint(context(globalsPlace, 5))
      high = sint(context(globalsPlace, 6))
    }
    putByte(type)
    putByte(mutable)
    putByte(op)
    writeImmediate(kind, low, high, 0)
    putByte(0x0b)
  }
}

function initialKind(op: i32): i32 {
  switch (op) {
    case 0x41:
      return i32Const
    case 0x42:
      return i64Const
    case 0x43:
      return f32Const
    case 0x44:
      return f64Const
    case 0x23:
    case 0x24:
      return global
    case 0xd0:
      return heapType
    case 0x10:
    case 0x12:
    case 0xd2:
      return func
  }
  fail()
  return blockType
}

let elementCount: u32 = 0
/** Of each old segment of functions: offset, how many, where they stand. */
let elements: usize = 0

export function readElements(from: usize, to: usize): bool {
  open(from, to)
  elementCount = plainUleb()
  if (isBroken() || elementCount > <u32>(limit() - here())) return false
  elements = take(12 * elementCount)
  for (let i: u32 = 0; i < elementCount; i++) {
    if (plainUleb() !== 0) return false
    const offset = readConstant()
    if (isBroken() || offset < 0) return false
    const many = plainUleb()
    if (isBroken() || many > <u32>(limit() - here())) return false
    const list = take(4 * many)
    for (let k: u32 = 0; k < many; k++) store<i32>(list + 4 * k, plainUleb())
    if (isBroken()) return false
    store<i32>(elements + 12 * i, offset)
    store<u32>(elements + 12 * i + 4, many)
    store<u32>(elements + 12 * i + 8, list)
  }
  return here() === to
}

export function codeElements(most: i32): void {
  const many = count(elementsPlace, 0, elementCount, most)
  putUleb(many, 0)
  let end: i64 = 0
  for (let i: u32 = 0; i < elementCount; i++)
    end = max(end, <i64>load<i32>(elements + 12 * i) + <i64>load<i32>(elements + 12 * i + 4))
  slotCount = end > 4 * <i64>oldLength() ? 0 : <u32>end
  slots = take(4 * slotCount)
  memory.fill(slots, 0xff, 4 * slotCount)
  for (let i: u32 = 0; i < <u32>many; i++) {
    const known = i < elementCount
    const at = elements + 12 * i
    const from = known ? load<i32>(at) : 0
    const length = known ? load<i32>(at + 4) : 0
    const list: usize = known ? <usize>load<u32>(at + 8) : 0
    const offset = count(elementsPlace, 1, from, 0x7fffffff)
    const size = count(elementsPlace, 2, length, most)
    putUleb(0, 0)
    putByte(0x41)
    putSleb(offset, offset >> 31, 0)
    putByte(0x0b)
    putUleb(size, 0)
    codeIndices(list, length, size, from, offset)
  }
}

function codeIndices(list: usize, length: i32, size: i32, from: i32, offset: i32): void {
  const bits = max(1, 32 - <i32>clz<u32>(newFunctions() - 1))
  let at = 0
  let history: u32 = 7
  // The maps don't change meanwhile.
  for (let done = 0; done < size; ) {
    if (at < length) {
      const copied = flag(context(elementsPlace, history & 7, 3))
      history = (history << 1) | (copied ? 1 : 0)
      if (copied) {
        const index = mapFunction(load<i32>(list + 4 * at))
        if (index < 0) fail()
        putUleb(index, 0)
        if (<u32>(from + at) < slotCount) store<i32>(slots + 4 * (from + at), offset + done)
        at++
        done++
        continue
      }
      if (flag(context(elementsPlace, history & 3, 4))) {
        at++
        continue
      }
    }
    setContext(0, context(elementsPlace, 0, 5))
    setContext(1, context(elementsPlace, history & 3, 6))
    putUleb(mixedTree(2, 66, bits), 0)
    done++
  }
}
