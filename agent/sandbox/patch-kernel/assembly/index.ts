// Applies a patch of a core module [D 4] in one go. Whatever it can't do ends it; the decoder in TypeScript then does it, or says what is wrong.

import { beginBodies, codeBody } from './bodies'
import { codeBytes } from './byte-codec'
import { beginMemory } from './code-memory'
import { beginCoder, mix, setContext, usedUp } from './coder'
import { codeData, readImage } from './data-section'
import { codeElements, readElements } from './elements'
import { beginFrames } from './frame'
import { beginImmediates } from './immediates'
import { beginInstructions } from './kinds'
import { behindLocals } from './locals'
import { beginMapper, writeMapped } from './mapper'
import { codePlan, functionReference, newFunctions, newImportedFunctions } from './maps'
import { fail, put, putByte, putUleb, take, writeAt, written } from './memory'
import { codeNames, readNames } from './names'
import { context, count, flag, sint, tree } from './numbers'
import {
  bodyEnd,
  bodyStart,
  oldImportedFunctions,
  oldLength,
  oldSections,
  readOldModule,
  sectionEnd,
  sectionId,
  sectionStart,
} from './old-module'
import { codeExports, codeFunctions, codeGlobals, readExports, readGlobals } from './small-sections'

const countsPlace = 1
const sectionsPlace = 7
const sizesPlace = 8
const genericPlace = 9
const samePlace = 11
const padPlace = 20
const mostBytes = 64 * 1024 * 1024

let out: usize = 0
let outEnd: usize = 0
let length = 0
let body: usize = 0

/** Room for bytes that are handed in. */
export function room(bytes: i32): usize {
  return take(bytes)
}

/** Where the new module begins. */
export function result(): usize {
  return out
}

/** Answers the new module's length, which is at most `most`. `patch` is what follows the first byte, `bits` what that says of the table. */
export function apply(
  base: usize,
  baseLength: i32,
  patch: usize,
  patchLength: i32,
  prior: usize,
  priorLength: i32,
  bits: i32,
  most: i32,
): i32 {
  beginInstructions()
  readOldModule(base, base + baseLength)
  beginCoder(bits, prior, prior + priorLength, patch, patch + patchLength)
  const told = <i64>baseLength + <i64>sint(context(countsPlace, 1))
  if (told < 0 || told > mostBytes || told > most) fail()
  length = <i32>told
  out = take(length + 64)
  outEnd = out + length
  body = take(length + 64)
  writeAt(out, out, outEnd)
  codePlan(length)
  beginFrames()
  beginMapper()
  beginMemory(8 * (<i64>oldLength() + <i64>length))
  beginBodies()
  codeSections()
  if (written() !== outEnd || !usedUp()) fail()
  return length
}

function codeSections(): void {
  putByte(0)
  putByte(0x61)
  putByte(0x73)
  putByte(0x6d)
  putByte(1)
  for (let i = 0; i < 3; i++) putByte(0)
  const many = count(sectionsPlace, 0, oldSections(), length)
  let next = 0
  let seen = 0
  for (let i = 0; i < many; i++) {
    const follows = next < oldSections() && flag(context(sectionsPlace, 1))
    let id = 0
    let was = -1
    if (follows) {
      id = sectionId(next)
      was = next++
    } else {
      id = tree(context(sectionsPlace, 2), 4)
      if (id !== 0) for (let k = 0; k < oldSections() && was < 0; k++) if (sectionId(k) === id) was = k
      if (was >= 0) next = was + 1
    }
    if (id > 0 && seen & (1 << id)) fail()
    seen |= 1 << id
    const padding: i32 = flag(context(sectionsPlace, 3)) ? tree(context(sectionsPlace, 4), 3) : 0
    const size = codeSize(id, was)
    putByte(id)
    putUleb(size, padding)
    const start = written()
    codeSection(id, was, size)
    if (written() - start !== size) fail()
  }
}

function codeSize(id: i32, was: i32): i32 {
  const before = was < 0 ? 0 : <i32>(sectionEnd(was) - sectionStart(was))
  const expected = id === 10 && was >= 0 ? max(0, before + length - oldLength()) : before
  if (flag(context(sizesPlace, id))) return expected
  return count(sizesPlace, id === 10 ? 16 : 17, expected, length)
}

function codeSection(id: i32, was: i32, size: i32): void {
  if (id === 3) {
    codeFunctions()
    return
  }
  if (id === 10) {
    codeBodies()
    return
  }
  const from: usize = was < 0 ? 0 : sectionStart(was)
  const to: usize = was < 0 ? 0 : sectionEnd(was)
  if (was >= 0) {
    if (id === 0 && readNames(from, to)) {
      if (flag(context(genericPlace))) {
        codeNames(length, out, outEnd)
        return
      }
    } else if (id === 6 && readGlobals(from, to)) {
      if (flag(context(genericPlace))) {
        codeGlobals()
        return
      }
    } else if (id === 7 && readExports(from, to)) {
      if (flag(context(genericPlace))) {
        codeExports(length)
        return
      }
    } else if (id === 9 && readElements(from, to)) {
      if (flag(context(genericPlace))) {
        codeElements(length)
        return
      }
    } else if (id === 11 && readImage()) {
      if (flag(context(genericPlace))) {
        codeData(length)
        return
      }
    }
  }
  codeBytes(from, to, 0, size)
}

function codeBodies(): void {
  const imported = newImportedFunctions()
  const many = newFunctions() - imported
  const padded = flag(context(padPlace))
  beginImmediates(padded)
  let history: u32 = 0
  let last = -1
  putUleb(many, 0)
  for (let i = 0; i < many; i++) {
    const index = functionReference(imported + i) - oldImportedFunctions()
    const known = index >= 0
    const sink = written()
    writeAt(body, body, body + length + 32)
    let same = false
    if (known) {
      same = codeSame(history, <u32>(bodyEnd(index) - bodyStart(index)), index === last + 1 ? 1 : 0)
      last = index
      history = (history << 1) | (same ? 1 : 0)
    }
    const from: usize = known ? bodyStart(index) : 0
    const to: usize = known ? bodyEnd(index) : 0
    if (same) {
      const code = behindLocals(from, to)
      put(from, code)
      if (writeMapped(code, to, 0x7fffffff, false) !== to) fail()
    } else codeBody(from, to)
    const end = written()
    writeAt(out, sink, outEnd)
    putUleb(<u32>(end - body), 0)
    put(body, end)
  }
}

/** Whether a body is the old one as mapped: short ones are more often, and their neighbours tell. */
function codeSame(history: u32, length: u32, step: u32): bool {
  const size = 32 - <u32>clz(length)
  setContext(0, context(samePlace, history & 7))
  setContext(1, context(samePlace, size, history & 1, 1))
  setContext(2, context(samePlace, history & 255, step, 2))
  setContext(3, context(samePlace, size >> 1, ((history & 3) << 1) | step, 3))
  return mix(4, 0, 82) === 1
}
