import { bytesEqual } from '../bytes/text.ts'
import { BodyCodec, type BodyTarget } from './body-codec.ts'
import { InstructionMapper } from './body-map.ts'
import { ByteCodec } from './byte-codec.ts'
import { CodeMemory } from './code-memory.ts'
import { CodeReader } from './code-reader.ts'
import { context, Place } from './contexts.ts'
import { codeData, imageOf } from './data-section.ts'
import { ImmediateCoder } from './immediates.ts'
import { Instruction } from './instruction.ts'
import { malformed, walkPerByte } from './limits.ts'
import { Maps, type Plan } from './maps.ts'
import { type Module, moduleHeader, type Section } from './module.ts'
import { codeNames } from './name-section.ts'
import type { NumberCoder } from './numbers.ts'
import { codeBytes, codeCount, contentOf, type Parts } from './parts.ts'
import { codePlan } from './plan-codec.ts'
import { readElements, readExports, readGlobals, readNames } from './section-tables.ts'
import { Sink } from './sink.ts'
import { codeElements, codeExports, codeFunctions, codeGlobals } from './small-sections.ts'

/** What only the encoder has. */
export interface ModuleTarget {
  readonly module: Module
  readonly plan: Plan
  /** How each body is made of the one that it follows. */
  readonly scripts: readonly (Uint8Array | null)[]
}

/** What became of a body, for people. */
export interface BodyReport {
  readonly index: number
  readonly reference: number
  readonly change: 'same' | 'edited' | 'added'
}

export interface Watcher {
  body?(report: BodyReport, bits: number): void
  section?(id: number, bits: number): void
}

/**
 * Codes a core module by an old one, section by section [D 4]. The same steps in both directions; yields where more bytes of the patch are needed.
 * `length` is the new module's.
 */
export function* codeModule(
  numbers: NumberCoder,
  old: Module,
  target: ModuleTarget | null,
  sink: Sink,
  length: number,
  watcher: Watcher = {},
): Generator<void, void, void> {
  while (numbers.coder.starved) yield
  const plan = yield* codePlan(numbers, old, target?.plan ?? null, length)
  const parts: Parts = {
    numbers,
    bytes: new ByteCodec(numbers),
    old,
    now: target?.module ?? null,
    plan,
    maps: new Maps(old, plan),
    sink,
    slots: new Int32Array(),
  }
  const begun = sink.total
  sink.put(moduleHeader)
  const now = target?.module.sections
  const count = codeCount(parts, Place.sections, 0, old.sections.length, now?.length ?? 0, length)
  let next = 0
  const seen = new Set<number>()
  for (let i = 0; i < count; i++) {
    while (numbers.coder.starved) yield
    const section = now?.[i]
    const spent = numbers.coder.spent
    const expected = old.sections[next]
    const follows = expected !== undefined && numbers.flag(context(Place.sections, 1), section?.id === expected.id)
    const id = follows ? expected.id : numbers.tree(context(Place.sections, 2), 4, section?.id ?? 0)
    let was: Section | undefined = expected
    if (follows) next++
    else {
      const at = id === 0 ? -1 : old.sections.findIndex((each) => each.id === id)
      was = old.sections[at]
      if (at >= 0) next = at + 1
    }
    // Whoever told one again and again would have its old one read as often.
    if (id > 0 && seen.has(id)) throw malformed(`section ${id} comes twice`)
    seen.add(id)
    const pad = numbers.flag(context(Place.sections, 3), (section?.pad ?? 0) > 0)
      ? numbers.tree(context(Place.sections, 4), 3, section?.pad ?? 0)
      : 0
    const size = codeSize(parts, id, was, section, length)
    sink.byte(id)
    sink.uleb(size, pad)
    const start = sink.total
    yield* codeSection(parts, id, was, section, size, target, watcher)
    if (sink.total - start !== size) throw malformed(`section ${id} has ${sink.total - start} bytes, not ${size}`)
    watcher.section?.(id, numbers.coder.spent - spent)
  }
  if (sink.total - begun !== length) throw malformed(`the module has ${sink.total - begun} bytes, not ${length}`)
}

/** A section's size goes before it, so that the decoder never has to go back: code takes up what the others leave [D 4.5]. */
function codeSize(
  parts: Parts,
  id: number,
  was: Section | undefined,
  section: Section | undefined,
  length: number,
): number {
  const before = was === undefined ? 0 : was.end - was.start
  const expected = id === 10 && was !== undefined ? Math.max(0, before + length - parts.old.bytes.length) : before
  const given = section === undefined ? 0 : section.end - section.start
  if (parts.numbers.flag(context(Place.sizes, id), given === expected)) return expected
  return codeCount(parts, Place.sizes, id === 10 ? 16 : 17, expected, given, length)
}

/** A section in the form of its kind, where both modules have it in that form; else as bytes [D 4.6]. */
function* codeSection(
  parts: Parts,
  id: number,
  was: Section | undefined,
  section: Section | undefined,
  size: number,
  target: ModuleTarget | null,
  watcher: Watcher,
): Generator<void, void, void> {
  const { numbers, old, now } = parts
  if (id === 3) return yield* codeFunctions(parts)
  if (id === 10) return yield* codeBodies(parts, target, watcher)
  if (was !== undefined) {
    const both = <Table>(
      read: (module: Module, section: Section) => Table | null,
    ): { was: Table; now: Table | null } | null => {
      const before = read(old, was)
      if (before === null) return null
      const given = now === null ? null : read(now, section!)
      return numbers.flag(context(Place.generic), given !== null) ? { was: before, now: given } : null
    }
    if (id === 0) {
      const tables = both(readNames)
      if (tables !== null) return yield* codeNames(parts, tables.was, tables.now)
    } else if (id === 6) {
      const tables = both(readGlobals)
      if (tables !== null) return yield* codeGlobals(parts, tables.was, tables.now)
    } else if (id === 7) {
      const tables = both(readExports)
      if (tables !== null) return yield* codeExports(parts, tables.was, tables.now)
    } else if (id === 9) {
      const tables = both(readElements)
      if (tables !== null) return yield* codeElements(parts, tables.was, tables.now)
    } else if (id === 11) {
      const images = both(imageOf)
      if (images !== null) return yield* codeData(parts, images.was)
    }
  }
  const before = was === undefined ? new Uint8Array() : contentOf(old, was)
  yield* codeBytes(parts, before, section === undefined ? null : contentOf(now!, section), size)
}

/** Function bodies [D 5]: the same after mapping, or edited, or anew. */
function* codeBodies(parts: Parts, target: ModuleTarget | null, watcher: Watcher): Generator<void, void, void> {
  const { numbers, old, now, plan, maps, sink } = parts
  const { coder } = numbers
  const count = plan.functions.length - plan.importedFunctions
  const imported = old.importedFunctions.length
  const padded = numbers.flag(context(Place.pad), now !== null && hasPadding(now))
  const spaces = { functions: plan.functions.length, globals: plan.globals.length, types: plan.types.length }
  // Instructions of old bodies that may still be walked [D 5.6].
  let walkLeft = walkPerByte * (old.bytes.length + sink.limit)
  const walk = (instructions: number) => {
    walkLeft -= instructions
    if (walkLeft < 0) throw malformed('it walks the old module too often')
  }
  const memory = new CodeMemory(old.bytes, maps, coder, walk)
  const immediates = new ImmediateCoder(numbers, maps, memory, spaces, padded)
  const mapper = new InstructionMapper(old.bytes, maps)
  const editor = new BodyCodec(numbers, old, maps, immediates, mapper, memory, walk, sink.limit)
  const body = new Sink(sink.limit, 65_536)
  let history = 0
  let last = -1
  sink.uleb(count)
  for (let i = 0; i < count; i++) {
    while (coder.starved) yield
    const { spent } = coder
    const index = plan.functions[plan.importedFunctions + i]! - imported
    const reference = old.bodies[index] ?? null
    const span = now?.bodies[i]
    body.length = 0
    let same = false
    if (reference !== null) {
      const equal =
        span !== undefined &&
        mapper.writeBody(reference, body) &&
        bytesEqual(body.view(), now!.bytes.subarray(span.start, span.end))
      same = codeSame(numbers, history, reference.end - reference.start, last, index, equal)
      last = index
      history = (history << 1) | (same ? 1 : 0)
    }
    if (same) {
      if (span === undefined && !mapper.writeBody(reference!, body))
        throw malformed('it takes over a function that refers to what is gone')
    } else {
      body.length = 0
      const given: BodyTarget | null =
        span === undefined ? null : { bytes: now!.bytes, body: span, script: target!.scripts[i]! }
      yield* editor.code(reference, given, body)
    }
    sink.uleb(body.length)
    sink.put(body.view())
    const change = same ? 'same' : reference === null ? 'added' : 'edited'
    watcher.body?.({ index: plan.importedFunctions + i, reference: index + imported, change }, coder.spent - spent)
  }
}

/** Whether a body is the old one as mapped: short ones are more often, and their neighbours tell. */
function codeSame(
  numbers: NumberCoder,
  history: number,
  length: number,
  last: number,
  index: number,
  given: boolean,
): boolean {
  const { contexts } = numbers.coder
  const size = 32 - Math.clz32(length)
  const step = index === last + 1 ? 1 : 0
  contexts[0] = context(Place.same, history & 7)
  contexts[1] = context(Place.same, size, history & 1, 1)
  contexts[2] = context(Place.same, history & 255, step, 2)
  contexts[3] = context(Place.same, size >> 1, ((history & 3) << 1) | step, 3)
  return numbers.coder.mix(4, 0, 82, given ? 1 : 0) === 1
}

function hasPadding(module: Module): boolean {
  const instruction = new Instruction()
  for (const { start, end } of module.bodies) {
    const reader = new CodeReader(module.bytes, start, end)
    for (let left = reader.uleb(); left > 0; left--) {
      reader.uleb()
      reader.sleb64()
    }
    while (!reader.done) {
      reader.instruction(instruction)
      for (let i = 0; i < instruction.count; i++) if (instruction.pad[i]! > 0) return true
    }
  }
  return false
}
