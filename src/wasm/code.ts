import type { ByteReader } from '../bytes/reader.ts'
import { type Features, readHeapType, readValueType } from './core-types.ts'
import type { WasmFeature } from './types.ts'

/** Nesting of blocks beyond this is refused; compilers emit a few hundred at most. */
const maxBlockDepth = 10_000

type Immediates = (reader: ByteReader, features: Features) => void

const none: Immediates = () => undefined
const index: Immediates = (reader) => void reader.uleb()
const twoIndices: Immediates = (reader) => {
  reader.uleb()
  reader.uleb()
}
const bytes = (count: number): Immediates => {
  return (reader) => reader.skip(count)
}

/** Skips a LEB128 number of any sign of at most `most` bytes. */
function skipLeb(reader: ByteReader, most: number): void {
  for (let count = 0; count < most; count++) if (reader.u8() < 0x80) return
  throw reader.fail('a LEB128 number is too long')
}

const memoryArgument: Immediates = (reader, features) => {
  const at = reader.at
  const align = reader.uleb()
  if (align >= 0x80) throw reader.fail(`the alignment 2^${align} is impossible`, 'wasm-malformed', at)
  if ((align & 0x40) !== 0 && reader.uleb() !== 0) features.add('multi-memory')
  skipLeb(reader, 10)
}

const memoryIndex: Immediates = (reader, features) => {
  if (reader.uleb() !== 0) features.add('multi-memory')
}

const twoMemoryIndices: Immediates = (reader, features) => {
  memoryIndex(reader, features)
  memoryIndex(reader, features)
}

const memoryArgumentAndLane: Immediates = (reader, features) => {
  memoryArgument(reader, features)
  reader.skip(1)
}

/** A block's type (WebAssembly 5.4.1): empty, one value, or a function type by its index. */
const blockType: Immediates = (reader, features) => {
  const first = reader.peek()
  if (first === 0x40) reader.u8()
  else if (first > 0x40 && first < 0x80) readValueType(reader, features)
  else {
    skipLeb(reader, 5)
    features.add('multi-value')
  }
}

const branchTable: Immediates = (reader) => {
  const count = reader.uleb()
  if (count > reader.left) throw reader.fail(`${count} branch targets are announced`, 'bytes-truncated')
  for (let left = count; left >= 0; left--) reader.uleb()
}

const valueTypes: Immediates = (reader, features) => {
  const count = reader.uleb()
  if (count > reader.left) throw reader.fail(`${count} types are announced`, 'bytes-truncated')
  for (let left = count; left > 0; left--) readValueType(reader, features)
}

const heapTypes = (count: number): Immediates => {
  return (reader, features) => {
    for (let left = count; left > 0; left--) readHeapType(reader, features)
  }
}

const castBranch: Immediates = (reader, features) => {
  reader.skip(1)
  reader.uleb()
  readHeapType(reader, features)
  readHeapType(reader, features)
}

const tryTable: Immediates = (reader, features) => {
  blockType(reader, features)
  const count = reader.uleb()
  if (count > reader.left) throw reader.fail(`${count} handlers are announced`, 'bytes-truncated')
  for (let left = count; left > 0; left--) {
    const kind = reader.u8()
    if (kind > 3) throw reader.fail(`0x${kind.toString(16)} is no kind of handler`, 'wasm-malformed', reader.at - 1)
    if (kind < 2) reader.uleb()
    reader.uleb()
  }
}

interface Opcode {
  readonly immediates: Immediates
  readonly feature: WasmFeature | null
}

/** Opcodes by number; an absent one is unknown. */
type OpcodeTable = readonly (Opcode | undefined)[]

type Row = readonly [first: number, last: number, immediates: Immediates, feature?: WasmFeature]

function opcodeTable(rows: readonly Row[]): OpcodeTable {
  const table: (Opcode | undefined)[] = []
  for (const [first, last, immediates, feature = null] of rows) {
    for (let code = first; code <= last; code++) table[code] = { immediates, feature }
  }
  return table
}

// WebAssembly 5.4, with the legacy exceptions, threads, and tail calls.
const plainOpcodes = opcodeTable([
  [0x00, 0x01, none],
  [0x02, 0x04, blockType],
  [0x05, 0x05, none],
  [0x06, 0x06, blockType, 'exceptions'],
  [0x07, 0x09, index, 'exceptions'],
  [0x0a, 0x0a, none, 'exceptions'],
  [0x0b, 0x0b, none],
  [0x0c, 0x0d, index],
  [0x0e, 0x0e, branchTable],
  [0x0f, 0x0f, none],
  [0x10, 0x10, index],
  [0x11, 0x11, twoIndices],
  [0x12, 0x12, index, 'tail-call'],
  [0x13, 0x13, twoIndices, 'tail-call'],
  [0x14, 0x15, index, 'gc'],
  [0x18, 0x18, index, 'exceptions'],
  [0x19, 0x19, none, 'exceptions'],
  [0x1a, 0x1b, none],
  [0x1c, 0x1c, valueTypes, 'reference-types'],
  [0x1f, 0x1f, tryTable, 'exceptions'],
  [0x20, 0x24, index],
  [0x25, 0x26, index, 'reference-types'],
  [0x28, 0x3e, memoryArgument],
  [0x3f, 0x40, memoryIndex],
  [0x41, 0x41, (reader) => skipLeb(reader, 5)],
  [0x42, 0x42, (reader) => skipLeb(reader, 10)],
  [0x43, 0x43, bytes(4)],
  [0x44, 0x44, bytes(8)],
  [0x45, 0xbf, none],
  [0xc0, 0xc4, none, 'sign-extension'],
  [0xd0, 0xd0, heapTypes(1), 'reference-types'],
  [0xd1, 0xd1, none, 'reference-types'],
  [0xd2, 0xd2, index, 'reference-types'],
  [0xd3, 0xd4, none, 'gc'],
  [0xd5, 0xd6, index, 'gc'],
])

const prefixedOpcodes: Readonly<Record<number, OpcodeTable>> = {
  251: opcodeTable([
    [0, 1, index, 'gc'],
    [2, 5, twoIndices, 'gc'],
    [6, 7, index, 'gc'],
    [8, 10, twoIndices, 'gc'],
    [11, 14, index, 'gc'],
    [15, 15, none, 'gc'],
    [16, 16, index, 'gc'],
    [17, 19, twoIndices, 'gc'],
    [20, 23, heapTypes(1), 'gc'],
    [24, 25, castBranch, 'gc'],
    [26, 30, none, 'gc'],
  ]),
  252: opcodeTable([
    [0, 7, none, 'saturating-conversions'],
    [
      8,
      8,
      (reader, features) => {
        reader.uleb()
        memoryIndex(reader, features)
      },
      'bulk-memory',
    ],
    [9, 9, index, 'bulk-memory'],
    [10, 10, twoMemoryIndices, 'bulk-memory'],
    [11, 11, memoryIndex, 'bulk-memory'],
    [12, 12, twoIndices, 'bulk-memory'],
    [13, 13, index, 'bulk-memory'],
    [14, 14, twoIndices, 'bulk-memory'],
    [15, 17, index, 'reference-types'],
  ]),
  253: opcodeTable([
    [0, 11, memoryArgument, 'simd'],
    [12, 13, bytes(16), 'simd'],
    [14, 20, none, 'simd'],
    [21, 34, bytes(1), 'simd'],
    [35, 83, none, 'simd'],
    [84, 91, memoryArgumentAndLane, 'simd'],
    [92, 93, memoryArgument, 'simd'],
    [94, 275, none, 'simd'],
  ]),
  254: opcodeTable([
    [0, 2, memoryArgument, 'threads'],
    [3, 3, bytes(1), 'threads'],
    [16, 78, memoryArgument, 'threads'],
  ]),
}

/**
 * Walks the instructions of one function body or constant expression up to the `end` that closes it, and adds the features that they use.
 * Nothing is validated beyond the form: the engine does that when it compiles. Unknown opcodes are refused with their offset.
 */
export function walkExpression(reader: ByteReader, features: Features): void {
  let depth = 0
  for (;;) {
    const at = reader.at
    const code = reader.u8()
    const prefixed = prefixedOpcodes[code]
    const opcode = prefixed === undefined ? plainOpcodes[code] : prefixed[reader.uleb()]
    if (opcode === undefined) throw unknownOpcode(reader, at)
    if (opcode.feature !== null) features.add(opcode.feature)
    opcode.immediates(reader, features)
    if (code === 0x0b || code === 0x18) {
      if (depth === 0) return
      depth--
    } else if ((code >= 0x02 && code <= 0x04) || code === 0x06 || code === 0x1f) {
      depth++
      if (depth > maxBlockDepth)
        throw reader.fail(`blocks are nested deeper than ${maxBlockDepth}`, 'wasm-unsupported', at)
    }
  }
}

function unknownOpcode(reader: ByteReader, at: number): Error {
  const hex = [...reader.bytes.subarray(at, reader.at)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
  return reader.fail(`the opcode ${hex} is unknown`, 'wasm-unsupported', at)
}
