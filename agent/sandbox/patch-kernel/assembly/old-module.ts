// The old module, as far as the delta has to know it [D 4.1].

import { kindOf, lowOf, makeInstruction, opOf, padOf, readInstruction } from './instruction'
import { i32Const } from './kinds'
import { byte, fail, here, isBroken, jump, limit, open, pad, skip, sleb64, take, uleb, until } from './memory'

let base: usize = 0
let baseEnd: usize = 0
let sectionCount = 0
/** Of each section: id, padding, start, end. */
let sections: usize = 0
const types: usize = 0
let typeCount = 0
let importedFunctions = 0
let importedGlobals = 0
let functionTypes: usize = 0
let bodyCount = 0
let bodies: usize = 0
let globals = 0
let segmentCount = 0
/** Of each segment: start, end, address or -1. */
let segments: usize = 0
let scratch: usize = 0

export function oldStart(): usize {
  return base
}
export function oldLength(): i32 {
  return <i32>(baseEnd - base)
}
export function oldEnd(): usize {
  return baseEnd
}
export function oldSections(): i32 {
  return sectionCount
}
export function sectionId(i: i32): i32 {
  return load<i32>(sections + 16 * i)
}
export function sectionStart(i: i32): usize {
  return load<u32>(sections + 16 * i + 8)
}
export function sectionEnd(i: i32): usize {
  return load<u32>(sections + 16 * i + 12)
}
export function oldTypes(): i32 {
  return typeCount
}
export function oldImportedFunctions(): i32 {
  return importedFunctions
}
export function oldImportedGlobals(): i32 {
  return importedGlobals
}
export function oldFunctionType(i: i32): i32 {
  return load<i32>(functionTypes + 4 * i)
}
export function oldBodies(): i32 {
  return bodyCount
}
export function bodyStart(i: i32): usize {
  return load<u32>(bodies + 8 * i)
}
export function bodyEnd(i: i32): usize {
  return load<u32>(bodies + 8 * i + 4)
}
export function oldGlobals(): i32 {
  return globals
}
export function oldSegments(): i32 {
  return segmentCount
}
export function segmentStart(i: i32): usize {
  return load<u32>(segments + 12 * i)
}
export function segmentEnd(i: i32): usize {
  return load<u32>(segments + 12 * i + 4)
}
export function segmentAddress(i: i32): i32 {
  return load<i32>(segments + 12 * i + 8)
}

/** Reads it all; what it can't read fails. */
export function readOldModule(from: usize, to: usize): void {
  base = from
  baseEnd = to
  scratch = makeInstruction()
  if (to - from < 8 || load<u64>(from) !== 0x0000_0001_6d73_6100) fail()
  open(from + 8, to)
  while (here() < to) {
    byte()
    const size = uleb()
    skip(size)
    if (isBroken()) fail()
    sectionCount++
  }
  sections = take(16 * sectionCount)
  let seen: u32 = 0
  let typesOfFunctions = 0
  open(from + 8, to)
  for (let i = 0; i < sectionCount; i++) {
    const id = byte()
    const size = uleb()
    const padding = pad()
    const start = here()
    if (id > 15 || (id > 0 && seen & (1 << id))) fail()
    seen |= 1 << id
    store<i32>(sections + 16 * i, id)
    store<i32>(sections + 16 * i + 4, padding)
    store<u32>(sections + 16 * i + 8, start)
    store<u32>(sections + 16 * i + 12, start + size)
    until(start + size)
    if (id === 1) readTypes()
    else if (id === 2) readImports()
    else if (id === 3) typesOfFunctions = readFunctionTypes()
    else if (id === 6) globals = uleb()
    else if (id === 10) readBodies()
    else if (id === 11) readSegments()
    if (isBroken()) fail()
    until(to)
    jump(start + size)
  }
  if (bodyCount !== typesOfFunctions) fail()
}

function vectorCount(): i32 {
  const count = uleb()
  // Each item takes a byte at least.
  if (pad() > 0 || <u32>count > <u32>(limit() - here())) fail()
  return count
}

function wholly(): void {
  if (isBroken() || here() !== limit()) fail()
}

/** Types are known by their number; where there are other ones than functions, none is. */
function readTypes(): void {
  const count = uleb()
  for (let i: u32 = 0; i < count; i++) {
    if (byte() !== 0x60) {
      if (isBroken()) fail()
      typeCount = 0
      return
    }
    for (let side = 0; side < 2; side++)
      for (let left = uleb(); left > 0; left--) {
        sleb64()
        if (isBroken()) fail()
      }
    typeCount++
  }
}

function readImports(): void {
  for (let left = uleb(); left > 0; left--) {
    skip(uleb())
    skip(uleb())
    const kind = byte()
    if (kind === 0) {
      uleb()
      importedFunctions++
    } else if (kind === 1) {
      sleb64()
      skipLimits()
    } else if (kind === 2) skipLimits()
    else if (kind === 3) {
      sleb64()
      byte()
      importedGlobals++
    } else if (kind === 4) {
      byte()
      uleb()
    } else fail()
    if (isBroken()) fail()
  }
}

function skipLimits(): void {
  const flags = byte()
  sleb64()
  if (flags & 1) sleb64()
}

function readFunctionTypes(): i32 {
  const count = vectorCount()
  functionTypes = take(4 * count)
  for (let i = 0; i < count; i++) store<i32>(functionTypes + 4 * i, uleb())
  wholly()
  return count
}

function readBodies(): void {
  bodyCount = vectorCount()
  bodies = take(8 * bodyCount)
  for (let i = 0; i < bodyCount; i++) {
    const size = uleb()
    if (pad() > 0) fail()
    const start = here()
    skip(size)
    if (isBroken()) fail()
    store<u32>(bodies + 8 * i, start)
    store<u32>(bodies + 8 * i + 4, start + size)
  }
  wholly()
}

function readSegments(): void {
  segmentCount = vectorCount()
  segments = take(12 * segmentCount)
  for (let i = 0; i < segmentCount; i++) {
    const flags = uleb()
    const simple = flags === 0 && pad() === 0
    if (flags === 2) uleb()
    let address = -1
    if (flags !== 1) {
      const told = readConstant()
      if (isBroken()) fail()
      if (simple) address = told
    }
    const size = uleb()
    if (pad() > 0) address = -1
    const start = here()
    skip(size)
    if (isBroken()) fail()
    store<u32>(segments + 12 * i, start)
    store<u32>(segments + 12 * i + 4, start + size)
    store<i32>(segments + 12 * i + 8, address)
  }
  wholly()
}

/** The number of `i32.const N end` written without padding; -1 for another expression of one instruction. */
export function readConstant(): i32 {
  readInstruction(scratch)
  if (isBroken()) return -1
  const simple = opOf(scratch) === 0x41 && kindOf(scratch, 0) === i32Const && padOf(scratch, 0) === 0
  const value = simple ? lowOf(scratch, 0) : -1
  readInstruction(scratch)
  if (isBroken() || opOf(scratch) !== 0x0b) {
    jump(limit() + 1)
    return -2
  }
  return value < 0 ? -1 : value
}
