// Types of functions, exports, globals [D 4.5, 4.7]. Each reads the old section in its form, or says that it has another.

import { codeBytes } from './byte-codec'
import { countOf, highOf, kindOf, lowOf, makeInstruction, opOf, padOf, readInstruction } from './instruction'
import { blockType, f32Const, f64Const, func, global, heapType, i32Const, i64Const, type } from './kinds'
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
import { byte, fail, here, isBroken, limit, open, plainUleb, put, putByte, putUleb, skip, take } from './memory'
import { context, count, flag, sint, tree, uint } from './numbers'
import { oldBodies, oldFunctionType, oldImportedFunctions, oldImportedGlobals } from './old-module'
import { writeImmediate } from './write-instruction'

const functionsPlace = 10
const exportsPlace = 21
const globalsPlace = 22

let scratch: usize = 0

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
  beginExported()
  let next: u64 = 0
  for (let i = 0; i < many; i++) {
    next += uint(context(exportsPlace, 1))
    if (next < exportCount && flag(context(exportsPlace, 2))) {
      const old = exports + 16 * <u32>next
      next++
      const kind = load<i32>(old + 8)
      const was = load<i32>(old + 12)
      const expected: i64 = kind === 0 ? mapFunction(was) : kind === 3 ? mapGlobal(was) : <i64>(<u32>was)
      const index = codeExported(kind, expected)
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
      const kind = tree(context(exportsPlace, 6), 3)
      putByte(kind)
      putUleb(codeExported(kind, -1), 0)
    }
  }
}

/** Old exports that are passed over at once, looking for one of a function that is still there. */
const farthestSkip = 8

/** The old export of each old function, or -1; the new functions that follow none. */
let places: usize = 0
let added: usize = 0
let addedCount = 0
let nextExported: u32 = 0
let lastWay: u32 = 0

function beginExported(): void {
  const olds = oldImportedFunctions() + oldBodies()
  places = take(4 * olds)
  memory.fill(places, 0xff, 4 * olds)
  for (let i: u32 = 0; i < exportCount; i++) {
    const at = exports + 16 * i
    const index = load<u32>(at + 12)
    if (load<i32>(at + 8) === 0 && index < <u32>olds) store<i32>(places + 4 * index, i)
  }
  added = take(4 * newFunctions())
  for (let i = 0; i < newFunctions(); i++) if (functionReference(i) < 0) store<i32>(added + 4 * addedCount++, i)
}

function bitsFor(count: i32): i32 {
  return max(1, 32 - <i32>clz(count - 1))
}

/** What is exported [D 4.7]: what the old export of that name exported, or what came behind the last one, or another. */
function codeExported(kind: i32, expected: i64): u32 {
  if (expected >= 0 && flag(context(exportsPlace, 3, lastWay))) {
    lastWay = 0
    follow(kind, <u32>expected)
    return <u32>expected
  }
  if (kind !== 0) return uint(context(exportsPlace, 7))
  const behind = exportedBehind()
  if (behind >= 0 && behind !== expected && flag(context(exportsPlace, 8, lastWay))) {
    lastWay = 1
    follow(kind, <u32>behind)
    return <u32>behind
  }
  let index: u32 = 0
  if (addedCount > 0 && flag(context(exportsPlace, 9))) {
    const told = <i32>tree(context(exportsPlace, 10), bitsFor(addedCount))
    if (told >= addedCount) fail()
    index = load<u32>(added + 4 * told)
  } else index = tree(context(exportsPlace, 4), bitsFor(newFunctions()))
  follow(kind, index)
  return index
}

function exportedBehind(): i64 {
  const end = min(exportCount, nextExported + farthestSkip)
  for (; nextExported < end; nextExported++) {
    const at = exports + 16 * nextExported
    const to = load<i32>(at + 8) === 0 ? mapFunction(load<i32>(at + 12)) : -1
    if (to >= 0) return to
  }
  return -1
}

function follow(kind: i32, index: u32): void {
  if (kind !== 0 || index >= <u32>newFunctions()) return
  const reference = functionReference(index)
  if (reference < 0) return
  const place = load<i32>(places + 4 * reference)
  if (place >= 0) nextExported = place + 1
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
