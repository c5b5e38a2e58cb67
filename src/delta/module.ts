import { CodeReader } from './code-reader.ts'
import { Instruction } from './instruction.ts'
import { Unsupported } from './limits.ts'

export interface Span {
  readonly start: number
  readonly end: number
}

export interface Section extends Span {
  readonly id: number
  /** Padding of the section's size. */
  readonly pad: number
}

export interface Segment extends Span {
  /** Null where it isn't an active segment of memory 0 at a constant address. */
  readonly address: number | null
}

/** A core module as far as the delta has to know it. Offsets are into `bytes`. */
export interface Module {
  readonly bytes: Uint8Array
  readonly sections: readonly Section[]
  readonly types: readonly Span[]
  readonly importedFunctions: readonly string[]
  readonly importedGlobals: number
  /** Types of the functions that it defines. */
  readonly functionTypes: readonly number[]
  readonly globals: number
  readonly bodies: readonly Span[]
  readonly segments: readonly Segment[]
}

const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]
export const moduleHeader = Uint8Array.from(header)

export const isModule = (bytes: Uint8Array): boolean => header.every((byte, i) => bytes[i] === byte)

/** @throws Unsupported for what is no core module or has a form that the delta doesn't know [D 4.1] */
export function readModule(bytes: Uint8Array): Module {
  if (!isModule(bytes)) throw new Unsupported('not a core module')
  const reader = new CodeReader(bytes, header.length)
  const module = {
    bytes,
    sections: [] as Section[],
    types: [] as Span[],
    importedFunctions: [] as string[],
    importedGlobals: 0,
    functionTypes: [] as number[],
    globals: 0,
    bodies: [] as Span[],
    segments: [] as Segment[],
  }
  while (!reader.done) {
    const id = reader.byte()
    const size = reader.uleb()
    const section: Section = { id, start: reader.at, end: reader.at + size, pad: reader.pad }
    reader.skip(size)
    if (id > 15) throw new Unsupported(`section ${id}`)
    module.sections.push(section)
    const inside = new CodeReader(bytes, section.start, section.end)
    if (id === 1) module.types = readTypes(inside)
    else if (id === 2) readImports(inside, module)
    else if (id === 3) module.functionTypes = readVector(inside, () => inside.uleb())
    else if (id === 6) module.globals = inside.uleb()
    else if (id === 10) module.bodies = readVector(inside, () => readBody(inside))
    else if (id === 11) module.segments = readVector(inside, () => readSegment(inside))
  }
  if (module.bodies.length !== module.functionTypes.length) throw new Unsupported('as many bodies as functions')
  return module
}

/** Items with their count before them, without padding, up to the end of the section. */
function readVector<Item>(reader: CodeReader, read: () => Item): Item[] {
  const count = reader.uleb()
  if (reader.pad > 0) throw new Unsupported('a padded count')
  const items: Item[] = []
  for (let i = 0; i < count; i++) items.push(read())
  if (!reader.done) throw new Unsupported('a section goes on behind its last item')
  return items
}

/** Types are compared as bytes; where there are other ones than functions, none is known. */
function readTypes(reader: CodeReader): Span[] {
  const types: Span[] = []
  const count = reader.uleb()
  for (let i = 0; i < count; i++) {
    const start = reader.at
    if (reader.byte() !== 0x60) return []
    for (let side = 0; side < 2; side++) for (let left = reader.uleb(); left > 0; left--) reader.sleb64()
    types.push({ start, end: reader.at })
  }
  return types
}

function readImports(reader: CodeReader, module: { importedFunctions: string[]; importedGlobals: number }): void {
  for (let left = reader.uleb(); left > 0; left--) {
    const start = reader.at
    reader.skip(reader.uleb())
    reader.skip(reader.uleb())
    const name = String.fromCharCode(...reader.bytes.subarray(start, Math.min(reader.at, start + 1024)))
    const kind = reader.byte()
    if (kind === 0) {
      reader.uleb()
      module.importedFunctions.push(name)
    } else if (kind === 1) {
      reader.sleb64()
      skipLimits(reader)
    } else if (kind === 2) skipLimits(reader)
    else if (kind === 3) {
      reader.sleb64()
      reader.byte()
      module.importedGlobals++
    } else if (kind === 4) {
      reader.byte()
      reader.uleb()
    } else throw new Unsupported('an import')
  }
}

function skipLimits(reader: CodeReader): void {
  const flags = reader.byte()
  reader.sleb64()
  if (flags & 1) reader.sleb64()
}

function readBody(reader: CodeReader): Span {
  const size = reader.uleb()
  if (reader.pad > 0) throw new Unsupported("a padded function's size")
  const start = reader.at
  reader.skip(size)
  return { start, end: reader.at }
}

function readSegment(reader: CodeReader): Segment {
  const flags = reader.uleb()
  const plain = flags === 0 && reader.pad === 0
  if (flags === 2) reader.uleb()
  let address: number | null = null
  if (flags !== 1) {
    const at = readConstant(reader)
    if (plain) address = at
  }
  const size = reader.uleb()
  if (reader.pad > 0) address = null
  const start = reader.at
  reader.skip(size)
  return { start, end: reader.at, address }
}

const scratch = new Instruction()

/** The number of `i32.const N end` written without padding; null for any other constant expression of one instruction. */
export function readConstant(reader: CodeReader): number | null {
  reader.instruction(scratch)
  const plain = scratch.op === 0x41 && scratch.pad[0] === 0 && scratch.low[0]! >= 0
  const value = scratch.low[0]!
  reader.instruction(scratch)
  if (scratch.op !== 0x0b) throw new Unsupported('a constant expression')
  return plain ? value : null
}
