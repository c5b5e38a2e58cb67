import type { ByteReader } from '../bytes/reader.ts'
import type { WasmFeature } from './types.ts'

/** A core value type. Vectors and references are told apart only as far as features are concerned. */
export type CoreValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128' | 'ref'

export interface CoreFuncType {
  readonly params: readonly CoreValueType[]
  readonly results: readonly CoreValueType[]
}

/** Limits of a memory (in pages of 64 KiB) or of a table (in elements). */
export interface Limits {
  readonly initial: number
  readonly maximum: number | null
  readonly shared: boolean
  readonly is64: boolean
}

/** Everything that is read adds the features that it needs here. */
export type Features = Set<WasmFeature>

/** Reads a value type (WebAssembly 5.3.5). */
export function readValueType(reader: ByteReader, features: Features): CoreValueType {
  const at = reader.at
  const code = reader.u8()
  switch (code) {
    case 0x7f:
      return 'i32'
    case 0x7e:
      return 'i64'
    case 0x7d:
      return 'f32'
    case 0x7c:
      return 'f64'
    case 0x7b:
      features.add('simd')
      return 'v128'
    default:
      return readReference(reader, code, at, features)
  }
}

/** Reads a reference type (WebAssembly 5.3.4); a plain `funcref` needs no feature. */
export function readReferenceType(reader: ByteReader, features: Features): void {
  const at = reader.at
  const code = reader.u8()
  if (code !== 0x70) readReference(reader, code, at, features)
}

function readReference(reader: ByteReader, code: number, at: number, features: Features): 'ref' {
  if (code === 0x70 || code === 0x6f) features.add('reference-types')
  else if (code === 0x69 || code === 0x74) features.add('exceptions')
  else if (code === 0x63 || code === 0x64) {
    features.add('gc')
    readHeapType(reader, features)
  } else if (code >= 0x68 && code <= 0x73) features.add('gc')
  else throw reader.fail(`0x${code.toString(16)} is no value type`, 'wasm-malformed', at)
  return 'ref'
}

/** Reads a heap type (WebAssembly 5.3.3): one of the abstract types, or the index of a defined one. */
export function readHeapType(reader: ByteReader, features: Features): void {
  const at = reader.at
  const first = reader.peek()
  if (first >= 0x40 && first < 0x80) {
    reader.u8()
    if (first === 0x70 || first === 0x6f) features.add('reference-types')
    else if (first === 0x69 || first === 0x74) features.add('exceptions')
    else if (first >= 0x68 && first <= 0x73) features.add('gc')
    else throw reader.fail(`0x${first.toString(16)} is no heap type`, 'wasm-malformed', at)
    return
  }
  features.add('gc')
  if (reader.sleb(33) < 0n) throw reader.fail('a heap type has a negative index', 'wasm-malformed', at)
}

/** Reads limits (WebAssembly 5.3.9) with the flags of threads and memory64. */
export function readLimits(reader: ByteReader, features: Features): Limits {
  const at = reader.at
  const flags = reader.u8()
  if (flags > 7) throw reader.fail(`limits have the unknown flags 0x${flags.toString(16)}`, 'wasm-unsupported', at)
  const shared = (flags & 2) !== 0
  const is64 = (flags & 4) !== 0
  if (shared) features.add('threads')
  if (is64) features.add('memory64')
  const initial = is64 ? readUleb64(reader) : reader.uleb()
  const maximum = (flags & 1) !== 0 ? (is64 ? readUleb64(reader) : reader.uleb()) : null
  if (maximum !== null && maximum < initial) {
    throw reader.fail(`the maximum ${maximum} is less than the initial ${initial}`, 'wasm-malformed', at)
  }
  return { initial, maximum, shared, is64 }
}

/** An unsigned LEB128 number of 64 bits, exact up to 2^53 (what is beyond is no size that anything here can have). */
function readUleb64(reader: ByteReader): number {
  let result = 0
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = reader.u8()
    result += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return result
  }
  throw reader.fail('a LEB128 number is too long')
}

/** Reads a count and checks it against a cap and against what is left: each item takes at least one byte. */
export function readCount(reader: ByteReader, cap: number, what: string): number {
  const at = reader.at
  const count = reader.uleb()
  if (count > cap) throw reader.fail(`${count} ${what} are over the cap of ${cap}`, 'bytes-too-long', at)
  if (count > reader.left) {
    throw reader.fail(`${count} ${what} are announced, ${reader.left} bytes are left`, 'bytes-truncated', at)
  }
  return count
}

/** Reads a name (WebAssembly 5.2.4); longer ones than `maxNameBytes` are refused. */
export function readName(reader: ByteReader): string {
  const at = reader.at
  const length = reader.uleb()
  if (length > maxNameBytes) {
    throw reader.fail(`a name of ${length} bytes is over the cap of ${maxNameBytes}`, 'bytes-too-long', at)
  }
  return reader.text(length)
}

const maxNameBytes = 4096
