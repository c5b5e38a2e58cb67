// Maps from old indices and addresses to new ones [D 4.3, 4.4, 5.5], and the plan that tells them [D 4.2].

import { blockType, func, global, i32Const, offset, type } from './kinds'
import { fail, take } from './memory'
import { context, flag, sint, uint } from './numbers'
import {
  oldBodies,
  oldGlobals,
  oldImportedFunctions,
  oldImportedGlobals,
  oldSegments,
  oldTypes,
  segmentAddress,
  segmentEnd,
  segmentStart,
} from './old-module'

const countsPlace = 1
const runsPlace = 6
const mostThings = 1000000
const mostRuns: u32 = 4096
/** A gap that is older than so many things gives way to a new one. */
const oldGap: u32 = 6

// For each new thing the old one that it follows, or -1.
let functions: usize = 0
let functionCount = 0
let imported = 0
let globalsTo: usize = 0
let globalCount = 0
let importedGlobals = 0
let segments: usize = 0
let segmentCount = 0
let typeCount = 0
let runAt: usize = 0
let runShift: usize = 0
let runCount = 0
// And the other way round.
let typeMap: usize = 0
let functionMap: usize = 0
let globalMap: usize = 0
let lowest = 1
let highest = 0
let lastRun = 0
let learntKind: usize = 0
let learntFrom: usize = 0
let learntTo: usize = 0

export function newFunctions(): i32 {
  return functionCount
}
export function newImportedFunctions(): i32 {
  return imported
}
export function functionReference(i: i32): i32 {
  return load<i32>(functions + 4 * i)
}
export function newGlobals(): i32 {
  return globalCount
}
export function newImportedGlobals(): i32 {
  return importedGlobals
}
export function globalReference(i: i32): i32 {
  return load<i32>(globalsTo + 4 * i)
}
export function newSegments(): i32 {
  return segmentCount
}
export function segmentReference(i: i32): i32 {
  return load<i32>(segments + 4 * i)
}
export function newTypes(): i32 {
  return typeCount
}
export function lowestAddress(): i32 {
  return lowest
}
export function highestAddress(): i32 {
  return highest
}
/** Runs, of which the first begins at 0 with no shift. */
export function runs(): i32 {
  return runCount
}
export function runStart(i: i32): i32 {
  return load<i32>(runAt + 4 * i)
}
export function runBy(i: i32): i32 {
  return load<i32>(runShift + 4 * i)
}

function plannedCount(expected: i32, most: i32): i32 {
  const told = <i64>expected + <i64>sint(context(countsPlace))
  if (told < 0 || told > <i64>most || told > mostThings) fail()
  return <i32>told
}

export function codePlan(most: i32): void {
  typeCount = plannedCount(oldTypes(), most)
  const types = references(2, oldTypes(), typeCount)
  imported = plannedCount(oldImportedFunctions(), most)
  functionCount = plannedCount(oldBodies() + imported, most)
  const oldFunctions = oldImportedFunctions() + oldBodies()
  functions = references(3, oldFunctions, functionCount)
  importedGlobals = plannedCount(oldImportedGlobals(), most)
  globalCount = plannedCount(oldGlobals() + importedGlobals, most)
  const oldAllGlobals = oldImportedGlobals() + oldGlobals()
  globalsTo = references(4, oldAllGlobals, globalCount)
  segmentCount = plannedCount(oldSegments(), most)
  segments = references(5, oldSegments(), segmentCount)
  if (imported > functionCount || importedGlobals > globalCount) fail()
  codeRuns()
  typeMap = inverted(types, typeCount, oldTypes())
  functionMap = inverted(functions, functionCount, oldFunctions)
  globalMap = inverted(globalsTo, globalCount, oldAllGlobals)
  findRange()
  learntKind = take(4096)
  learntFrom = take(4 * 4096)
  learntTo = take(4 * 4096)
}

/** Where the next thing is that none follows yet, by way of others. */
let free: usize = 0

function freeFrom(at: i32): i32 {
  let found = at
  for (let next = load<i32>(free + 4 * found); next !== found; next = load<i32>(free + 4 * found)) {
    const after = load<i32>(free + 4 * next)
    store<i32>(free + 4 * found, after)
    found = after
  }
  return found
}

function references(place: u32, oldCount: i32, count: i32): usize {
  const all = take(4 * count)
  free = take(4 * oldCount + 4)
  for (let i = 0; i <= oldCount; i++) store<i32>(free + 4 * i, i)
  let next = 0
  let history: u32 = 0
  let gap = oldCount
  let age: u32 = 0
  for (let i = 0; i < count; i++) {
    next = freeFrom(next)
    gap = freeFrom(gap)
    age = min(oldGap + 1, age + 1)
    const open: u32 = gap < oldCount && gap !== next ? min(4, age) : 0
    const hit = next < oldCount && flag(context(place, history & 7, 0, open))
    history = (history << 1) | (hit ? 1 : 0)
    if (!hit) {
      if (open > 0 && flag(context(place, age, 3, history & 3))) {
        next = gap
        gap = oldCount
      } else if (flag(context(place, history & 3, 1))) {
        store<i32>(all + 4 * i, -1)
        continue
      } else {
        const from = next
        const told = <i64>next + <i64>sint(context(place, open > 0 ? 1 : 0, 2))
        if (told < 0 || told >= <i64>oldCount) fail()
        next = <i32>told
        if (next > from && (open === 0 || age > oldGap)) {
          gap = from
          age = 0
        }
      }
    }
    store<i32>(all + 4 * i, next)
    store<i32>(free + 4 * next, next + 1)
  }
  return all
}

function codeRuns(): void {
  const count = uint(context(runsPlace))
  if (count > mostRuns) fail()
  runCount = count + 1
  runAt = take(4 * runCount)
  runShift = take(4 * runCount)
  let at: i64 = 0
  let shift = 0
  for (let i = 1; i < runCount; i++) {
    at += <i64>uint(context(runsPlace, 1))
    shift += sint(context(runsPlace, 2))
    if (at > 0x7fffffff) fail()
    store<i32>(runAt + 4 * i, <i32>at)
    store<i32>(runShift + 4 * i, shift)
  }
}

function inverted(from: usize, count: i32, oldCount: i32): usize {
  const map = take(4 * oldCount)
  memory.fill(map, 0xff, 4 * oldCount)
  for (let i = count - 1; i >= 0; i--) {
    const reference = load<i32>(from + 4 * i)
    if (reference >= 0) store<i32>(map + 4 * reference, i)
  }
  return map
}

function findRange(): void {
  let low: i64 = 0x7fffffffffffffff
  let high: i64 = 0
  for (let i = 0; i < oldSegments(); i++) {
    const address = segmentAddress(i)
    if (address < 0) continue
    low = min(low, <i64>address)
    high = max(high, <i64>address + <i64>(segmentEnd(i) - segmentStart(i)))
  }
  if (high === 0) return
  lowest = <i32>low
  highest = <i32>min<i64>(0x7fffffff, high + 65536)
}

export function mapAddress(value: i32): i32 {
  if (value < lowest || value >= highest) return value
  let run = lastRun
  if (runStart(run) > value || (run + 1 < runCount && runStart(run + 1) <= value)) {
    let low = 0
    let high = runCount - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (runStart(middle) <= value) low = middle
      else high = middle - 1
    }
    run = low
    lastRun = run
  }
  return value + runBy(run)
}

export function predict(kind: i32, value: i32): i32 {
  switch (kind) {
    case func:
      return mapFunction(value)
    case global:
      return mapGlobal(value)
    case type:
      return mapType(value)
    case blockType:
      return value < 0 ? value : mapType(value)
    case i32Const:
    case offset:
      return value < lowest || value >= highest ? value : learnt(kind, value, mapAddress(value))
    default:
      return value
  }
}

export function mapFunction(value: i32): i32 {
  const to = value >= 0 && value < oldImportedFunctions() + oldBodies() ? load<i32>(functionMap + 4 * value) : -1
  return to >= 0 ? to : learnt(func, value, -1)
}

export function mapGlobal(value: i32): i32 {
  const to = value >= 0 && value < oldImportedGlobals() + oldGlobals() ? load<i32>(globalMap + 4 * value) : -1
  return to >= 0 ? to : learnt(global, value, -1)
}

export function mapType(value: i32): i32 {
  if (oldTypes() === 0) return value
  return value >= 0 && value < oldTypes() ? load<i32>(typeMap + 4 * value) : -1
}

function slot(kind: i32, value: i32): u32 {
  return ((<u32>value ^ ((<u32>kind) << 24)) * 0x9e3779b1) >>> 20
}

export function learnMap(kind: i32, from: i32, to: i32): void {
  const at = slot(kind, from)
  store<u8>(learntKind + at, kind)
  store<i32>(learntFrom + 4 * at, from)
  store<i32>(learntTo + 4 * at, to)
}

function learnt(kind: i32, value: i32, otherwise: i32): i32 {
  const at = slot(kind, value)
  return load<u8>(learntKind + at) === kind && load<i32>(learntFrom + 4 * at) === value
    ? load<i32>(learntTo + 4 * at)
    : otherwise
}
