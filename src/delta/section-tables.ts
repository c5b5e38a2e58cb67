import { CodeReader } from './code-reader.ts'
import { Instruction } from './instruction.ts'
import { Unsupported } from './limits.ts'
import { type Module, readConstant, type Section } from './module.ts'

/** Bytes of a name, one character each: names are compared and copied, never shown. */
export const latin1 = (bytes: Uint8Array): string => {
  let text = ''
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096))
  return text
}

export const bytesOf = (name: string): Uint8Array => Uint8Array.from(name, (character) => character.charCodeAt(0))

/** What `read` makes of a section; null where the section has a form that isn't known, or doesn't end where it should [D 4.6]. */
function whole<Table>(module: Module, section: Section, read: (reader: CodeReader) => Table | null): Table | null {
  const reader = new CodeReader(module.bytes, section.start, section.end)
  try {
    const table = read(reader)
    return reader.done ? table : null
  } catch (error) {
    if (error instanceof Unsupported) return null
    throw error
  }
}

/** A number without padding. */
function plain(reader: CodeReader): number {
  const value = reader.uleb()
  if (reader.pad > 0) throw new Unsupported('a padded number')
  return value
}

function readName(reader: CodeReader): string {
  const length = plain(reader)
  const from = reader.at
  reader.skip(length)
  return latin1(reader.bytes.subarray(from, reader.at))
}

export interface Export {
  readonly name: string
  readonly kind: number
  readonly index: number
}

export function readExports(module: Module, section: Section): Export[] | null {
  return whole(module, section, (reader) => {
    const exports: Export[] = []
    for (let left = plain(reader); left > 0; left--)
      exports.push({ name: readName(reader), kind: reader.byte(), index: plain(reader) })
    return exports
  })
}

export interface Global {
  readonly type: number
  readonly mutable: number
  readonly op: number
  readonly kind: number
  readonly low: number
  readonly high: number
}

export function readGlobals(module: Module, section: Section): Global[] | null {
  const instruction = new Instruction()
  return whole(module, section, (reader) => {
    const globals: Global[] = []
    for (let left = plain(reader); left > 0; left--) {
      const type = reader.byte()
      const mutable = reader.byte()
      reader.instruction(instruction)
      const { op, count } = instruction
      const [kind, low, high, pad] = [
        instruction.kind[0]!,
        instruction.low[0]!,
        instruction.high[0]!,
        instruction.pad[0]!,
      ]
      if (count !== 1 || pad > 0 || op > 0xff || type < 0x7b || mutable > 1) return null
      reader.instruction(instruction)
      if (instruction.op !== 0x0b) return null
      globals.push({ type, mutable, op, kind, low, high })
    }
    return globals
  })
}

/** Functions from a slot of table 0 on. */
export interface ElementSegment {
  readonly offset: number
  readonly functions: Int32Array
}

export function readElements(module: Module, section: Section): ElementSegment[] | null {
  return whole(module, section, (reader) => {
    const segments: ElementSegment[] = []
    for (let left = plain(reader); left > 0; left--) {
      if (plain(reader) !== 0) return null
      const offset = readConstant(reader)
      if (offset === null) return null
      const count = plain(reader)
      if (count > reader.end - reader.at) return null
      segments.push({ offset, functions: Int32Array.from({ length: count }, () => plain(reader)) })
    }
    return segments
  })
}

/** A part of the name section: names by index, or bytes where it has another form. */
export interface NamePart {
  readonly id: number
  readonly names: readonly { readonly index: number; readonly name: string }[] | null
  readonly bytes: Uint8Array
}

/** Parts that map indices to names: functions, types, tables, memories, globals, elements, data. */
const plainNameParts = new Set([1, 4, 5, 6, 7, 8, 9])

const nameHeader = '\x04name'

export function readNames(module: Module, section: Section): NamePart[] | null {
  if (latin1(module.bytes.subarray(section.start, Math.min(section.start + 5, section.end))) !== nameHeader) return null
  return whole(module, section, (reader) => {
    reader.skip(nameHeader.length)
    const parts: NamePart[] = []
    while (!reader.done) {
      const id = reader.byte()
      const size = plain(reader)
      const from = reader.at
      reader.skip(size)
      const part = new CodeReader(module.bytes, from, reader.at)
      parts.push({
        id,
        names: plainNameParts.has(id) ? readNameMap(part) : null,
        bytes: module.bytes.subarray(from, reader.at),
      })
    }
    // What can't be written again from its names goes as bytes, and so does the whole section then.
    return parts.every(({ id, names }) => names !== null || !plainNameParts.has(id)) ? parts : null
  })
}

function readNameMap(reader: CodeReader): { index: number; name: string }[] | null {
  const names: { index: number; name: string }[] = []
  let last = -1
  for (let left = plain(reader); left > 0; left--) {
    const index = plain(reader)
    if (index <= last) return null
    last = index
    names.push({ index, name: readName(reader) })
  }
  return reader.done ? names : null
}
