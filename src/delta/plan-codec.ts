import { context, Place } from './contexts.ts'
import { malformed, maxAddressRuns, maxThings } from './limits.ts'
import type { AddressRun, Plan } from './maps.ts'
import type { Module } from './module.ts'
import type { NumberCoder } from './numbers.ts'

/** The plan of a module [D 4.2]: how many things of each kind there are, and which old ones they follow. */
export function* codePlan(
  numbers: NumberCoder,
  old: Module,
  given: Plan | null,
  most: number,
): Generator<void, Plan, void> {
  const count = (expected: number, is: number): number => {
    const told = expected + numbers.sint(context(Place.counts), is - expected)
    // Each thing takes at least a byte of the new module.
    if (told < 0 || told > most || told > maxThings) throw malformed(`it counts ${told} things`)
    return told
  }
  const oldFunctions = old.importedFunctions.length + old.bodies.length
  const oldGlobals = old.importedGlobals + old.globals
  const typeCount = count(old.types.length, given?.types.length ?? 0)
  const types = yield* codeReferences(numbers, Place.typeRefs, old.types.length, typeCount, given?.types)
  const importedFunctions = count(old.importedFunctions.length, given?.importedFunctions ?? 0)
  const functionCount = count(old.bodies.length + importedFunctions, given?.functions.length ?? 0)
  const functions = yield* codeReferences(numbers, Place.funcRefs, oldFunctions, functionCount, given?.functions)
  const importedGlobals = count(old.importedGlobals, given?.importedGlobals ?? 0)
  const globalCount = count(old.globals + importedGlobals, given?.globals.length ?? 0)
  const globals = yield* codeReferences(numbers, Place.globalRefs, oldGlobals, globalCount, given?.globals)
  const segmentCount = count(old.segments.length, given?.segments.length ?? 0)
  const segments = yield* codeReferences(numbers, Place.segmentRefs, old.segments.length, segmentCount, given?.segments)
  if (importedFunctions > functionCount || importedGlobals > globalCount)
    throw malformed('it counts more imports than things')
  const runs = yield* codeRuns(numbers, given?.runs)
  return { types, functions, importedFunctions, globals, importedGlobals, segments, runs }
}

/** A gap that is older than so many things gives way to a new one. */
const oldGap = 6

/** For each new index the old one that it follows, or -1: mostly the first behind the last that none follows; where some were passed over, those come soon [D 4.3]. */
function* codeReferences(
  numbers: NumberCoder,
  place: number,
  oldCount: number,
  count: number,
  given: Int32Array | undefined,
): Generator<void, Int32Array, void> {
  const references = new Int32Array(count)
  const free = new Free(oldCount)
  let next = 0
  let history = 0
  let gap = oldCount
  let age = 0
  for (let i = 0; i < count; i++) {
    while (numbers.coder.starved) yield
    const wanted = given?.[i] ?? 0
    next = free.from(next)
    gap = free.from(gap)
    age = Math.min(oldGap + 1, age + 1)
    const open = gap < oldCount && gap !== next ? Math.min(4, age) : 0
    const hit = next < oldCount && numbers.flag(context(place, history & 7, 0, open), wanted === next)
    history = (history << 1) | (hit ? 1 : 0)
    if (!hit) {
      if (open > 0 && numbers.flag(context(place, age, 3, history & 3), wanted === gap)) {
        next = gap
        gap = oldCount
      } else if (numbers.flag(context(place, history & 3, 1), wanted < 0)) {
        references[i] = -1
        continue
      } else {
        const from = next
        next += numbers.sint(context(place, open > 0 ? 1 : 0, 2), wanted - next)
        if (next < 0 || next >= oldCount) throw malformed('it refers to what the old module lacks')
        if (next > from && (open === 0 || age > oldGap)) {
          gap = from
          age = 0
        }
      }
    }
    references[i] = next
    free.take(next)
  }
  return references
}

/** Old things that none follows yet. */
class Free {
  readonly #next: Int32Array

  constructor(count: number) {
    this.#next = Int32Array.from({ length: count + 1 }, (_, i) => i)
  }

  /** The first at or behind `at`; their count where there is none. */
  from(at: number): number {
    const next = this.#next
    let found = at
    while (next[found] !== found) {
      next[found] = next[next[found]!]!
      found = next[found]!
    }
    return found
  }

  take(at: number): void {
    this.#next[at] = at + 1
  }
}

function* codeRuns(
  numbers: NumberCoder,
  given: readonly AddressRun[] | undefined,
): Generator<void, AddressRun[], void> {
  const count = numbers.uint(context(Place.runs), given?.length ?? 0)
  if (count > maxAddressRuns) throw malformed(`it tells ${count} shifts of addresses`)
  const runs: AddressRun[] = []
  let at = 0
  let shift = 0
  for (let i = 0; i < count; i++) {
    while (numbers.coder.starved) yield
    at += numbers.uint(context(Place.runs, 1), (given?.[i]?.at ?? 0) - at)
    shift = (shift + numbers.sint(context(Place.runs, 2), ((given?.[i]?.shift ?? 0) - shift) | 0)) | 0
    if (at > 0x7fff_ffff) throw malformed('it shifts addresses beyond memory')
    runs.push({ at, shift })
  }
  return runs
}
