import { context, Place } from './contexts.ts'
import { ExportIndices } from './export-indices.ts'
import { writeImmediate } from './instruction.ts'
import { malformed } from './limits.ts'
import { Kind, signatures } from './opcodes.ts'
import { codeBytes, codeCount, type Parts } from './parts.ts'
import { bytesOf, type ElementSegment, type Export, type Global } from './section-tables.ts'
import type { Sink } from './sink.ts'

/** Types of functions: as mapped from the old function, else told [D 4.5]. */
export function* codeFunctions({ numbers, old, now, plan, maps, sink }: Parts): Generator<void, void, void> {
  const count = plan.functions.length - plan.importedFunctions
  sink.uleb(count)
  const imported = old.importedFunctions.length
  for (let i = 0; i < count; i++) {
    while (numbers.coder.starved) yield
    const reference = plan.functions[plan.importedFunctions + i]! - imported
    const given = now?.functionTypes[i] ?? 0
    const expected = reference >= 0 ? maps.type(old.functionTypes[reference]!) : -1
    const hit = expected >= 0 && numbers.flag(context(Place.functions), given === expected)
    sink.uleb(hit ? expected : numbers.uint(context(Place.functions, 1), given))
  }
}

export function* codeExports(
  parts: Parts,
  was: readonly Export[],
  now: readonly Export[] | null,
): Generator<void, void, void> {
  const { numbers, maps, sink } = parts
  const count = codeCount(parts, Place.exports, 0, was.length, now?.length ?? 0, sink.limit)
  sink.uleb(count)
  const indices = new ExportIndices(parts, was)
  let next = 0
  for (let i = 0; i < count; i++) {
    while (numbers.coder.starved) yield
    const given = now?.[i] ?? null
    // Old ones that are gone are passed over.
    const ahead = given === null ? 0 : was.slice(next).findIndex(({ name }) => name === given.name)
    next += numbers.uint(context(Place.exports, 1), Math.max(0, ahead))
    const old = was[next]
    if (
      old !== undefined &&
      numbers.flag(context(Place.exports, 2), given?.name === old.name && given.kind === old.kind)
    ) {
      next++
      const expected = old.kind === 0 ? maps.func(old.index) : old.kind === 3 ? maps.global(old.index) : old.index
      const index = indices.code(old.kind, expected, given?.index ?? 0)
      writeExport(sink, { name: old.name, kind: old.kind, index })
    } else {
      const name = given === null ? null : bytesOf(given.name)
      const length = codeCount(parts, Place.exports, 5, 0, name?.length ?? 0, sink.limit)
      sink.uleb(length)
      yield* codeBytes(parts, new Uint8Array(), name, length)
      const kind = numbers.tree(context(Place.exports, 6), 3, given?.kind ?? 0)
      sink.byte(kind)
      sink.uleb(indices.code(kind, -1, given?.index ?? 0))
    }
  }
}

function writeExport(sink: Sink, { name, kind, index }: Export): void {
  const bytes = bytesOf(name)
  sink.uleb(bytes.length)
  sink.put(bytes)
  sink.byte(kind)
  sink.uleb(index)
}

export function* codeGlobals(
  parts: Parts,
  was: readonly Global[],
  now: readonly Global[] | null,
): Generator<void, void, void> {
  const { numbers, maps, plan, old, sink } = parts
  const count = plan.globals.length - plan.importedGlobals
  sink.uleb(count)
  for (let i = 0; i < count; i++) {
    while (numbers.coder.starved) yield
    const before = was[plan.globals[plan.importedGlobals + i]! - old.importedGlobals]
    const given = now?.[i]
    const alike = given?.type === before?.type && given?.mutable === before?.mutable && given?.op === before?.op
    let shape = { type: before?.type ?? 0, mutable: before?.mutable ?? 0, op: before?.op ?? 0, kind: before?.kind ?? 0 }
    const kept = before !== undefined && numbers.flag(context(Place.globals), alike)
    if (!kept) {
      const type = numbers.tree(context(Place.globals, 1), 7, given?.type ?? 0)
      const mutable = numbers.tree(context(Place.globals, 2), 1, given?.mutable ?? 0)
      const op = numbers.tree(context(Place.globals, 3), 8, given?.op ?? 0)
      shape = { type, mutable, op, kind: given?.kind ?? initialKind(op) }
    }
    const expected = kept ? maps.predict(shape.kind, before.low) : 0
    let low = expected
    let high = before?.high ?? 0
    if (!kept || !numbers.flag(context(Place.globals, 4), given?.low === expected && given.high === before.high)) {
      low = (expected + numbers.sint(context(Place.globals, 5), ((given?.low ?? 0) - expected) | 0)) | 0
      high = numbers.sint(context(Place.globals, 6), given?.high ?? 0)
    }
    sink.byte(shape.type)
    sink.byte(shape.mutable)
    sink.byte(shape.op)
    writeImmediate(sink, shape.kind, low, high, 0)
    sink.byte(0x0b)
  }
}

/** The kind of the one immediate of a global's initial value. */
function initialKind(op: number): number {
  const kinds: Readonly<Record<string, number>> = {
    i: Kind.i32,
    I: Kind.i64,
    f: Kind.f32,
    d: Kind.f64,
    G: Kind.global,
    R: Kind.heapType,
    F: Kind.func,
  }
  const kind = kinds[signatures[op] ?? '']
  if (kind === undefined) throw malformed(`a global begins with opcode ${op}`)
  return kind
}

/** Active segments of table 0 [D 4.7]; tells the data section where functions' slots went. */
export function* codeElements(
  parts: Parts,
  was: readonly ElementSegment[],
  now: readonly ElementSegment[] | null,
): Generator<void, void, void> {
  const { maps, sink } = parts
  const count = codeCount(parts, Place.elements, 0, was.length, now?.length ?? 0, sink.limit)
  sink.uleb(count)
  const end = was.reduce((most, { offset, functions }) => Math.max(most, offset + functions.length), 0)
  // A table with large holes isn't worth its map.
  const slots = new Int32Array(end > 4 * parts.old.bytes.length ? 0 : end).fill(-1)
  for (let i = 0; i < count; i++) {
    const before = was[i]
    const given = now?.[i] ?? null
    const offset = codeCount(parts, Place.elements, 1, before?.offset ?? 0, given?.offset ?? 0, 0x7fff_ffff)
    const length = codeCount(
      parts,
      Place.elements,
      2,
      before?.functions.length ?? 0,
      given?.functions.length ?? 0,
      sink.limit,
    )
    sink.uleb(0)
    sink.byte(0x41)
    sink.sleb(offset)
    sink.byte(0x0b)
    sink.uleb(length)
    const expected = before?.functions.map((index) => maps.func(index)) ?? new Int32Array()
    const place = yield* codeIndices(parts, expected, given?.functions ?? null, length)
    place.forEach((to, from) => {
      if (to >= 0 && before!.offset + from < slots.length) slots[before!.offset + from] = offset + to
    })
  }
  parts.slots = slots
}

/** Deletions at a stretch that may still pay. */
const farthestSkip = 8

/** A list of functions by edits of an expected one; answers where each expected one went, or -1. */
function* codeIndices(
  parts: Parts,
  expected: Int32Array,
  given: Int32Array | null,
  count: number,
): Generator<void, Int32Array, void> {
  const { numbers, sink } = parts
  const { coder } = numbers
  const place = new Int32Array(expected.length).fill(-1)
  const bits = Math.max(1, 32 - Math.clz32(parts.plan.functions.length - 1))
  let at = 0
  let history = 7
  for (let done = 0; done < count; ) {
    while (coder.starved) yield
    const wanted = given?.[done] ?? 0
    if (at < expected.length) {
      const copied = numbers.flag(context(Place.elements, history & 7, 3), expected[at] === wanted)
      history = (history << 1) | (copied ? 1 : 0)
      if (copied) {
        if (expected[at]! < 0) throw malformed('it takes over a function that is gone')
        sink.uleb(expected[at]!)
        place[at++] = done++
        continue
      }
      const ahead = given === null ? -1 : expected.subarray(at, at + farthestSkip).indexOf(wanted)
      if (numbers.flag(context(Place.elements, history & 3, 4), ahead > 0)) {
        at++
        continue
      }
    }
    coder.contexts[0] = context(Place.elements, 0, 5)
    coder.contexts[1] = context(Place.elements, history & 3, 6)
    const index = numbers.mixedTree(2, 66, bits, wanted)
    sink.uleb(index)
    done++
  }
  return place
}
