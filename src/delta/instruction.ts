import { maxImmediates, Unsupported } from './limits.ts'
import { isFixed, Kind, prefixed, signatures } from './opcodes.ts'
import { type Sink, slebLength, ulebLength } from './sink.ts'

/** One instruction, in fields that are used again for the next. */
export class Instruction {
  op = 0
  count = 0
  readonly kind = new Uint8Array(maxImmediates)
  readonly low = new Int32Array(maxImmediates)
  /** The upper half of wide immediates. */
  readonly high = new Int32Array(maxImmediates)
  /** Bytes of a LEB128 over its shortest form. */
  readonly pad = new Uint8Array(maxImmediates)

  add(kind: number, low: number, high = 0, pad = 0): void {
    const at = this.count
    if (at >= maxImmediates) throw new Unsupported('an instruction has too many immediates')
    this.kind[at] = kind
    this.low[at] = low
    this.high[at] = high
    this.pad[at] = pad
    this.count = at + 1
  }
}

/**
 * Calls `put` for the kind of each immediate of an opcode, in order; it returns the immediate, on which the rest may depend [D 5.1].
 *
 * @throws Unsupported for an opcode that isn't known, or counts that are too high
 */
export function shape(op: number, put: (kind: number) => number): void {
  const signature = signatures[op]
  if (signature === undefined) throw new Unsupported(`opcode 0x${op.toString(16)}`)
  for (let i = 0; i < signature.length; i++) shapeOf(signature[i]!, put)
}

const simple: Readonly<Record<string, readonly number[]>> = {
  B: [Kind.blockType],
  L: [Kind.label],
  F: [Kind.func],
  T: [Kind.type],
  X: [Kind.table],
  l: [Kind.local],
  G: [Kind.global],
  m: [Kind.memory],
  i: [Kind.i32],
  I: [Kind.i64],
  f: [Kind.f32],
  d: [Kind.f64],
  R: [Kind.heapType],
  D: [Kind.data],
  E: [Kind.element],
  b: [Kind.lane],
  v: [Kind.v128, Kind.v128, Kind.v128, Kind.v128],
  g: [Kind.tag],
}

/** Kinds of the immediates of opcodes that always have the same; undefined for others. */
export const plainKinds: readonly (Uint8Array | undefined)[] = signatures.map((signature) =>
  signature === undefined || /[MCSV]/.test(signature)
    ? undefined
    : Uint8Array.from([...signature].flatMap((letter) => simple[letter]!)),
)

function shapeOf(letter: string, put: (kind: number) => number): void {
  const kinds = simple[letter]
  if (kinds !== undefined) {
    for (const kind of kinds) put(kind)
    return
  }
  // Bit 6 of the alignment says that the memory's index follows (WebAssembly 3.0, 5.4.6).
  if (letter === 'M') {
    if (put(Kind.align) & 0x40) put(Kind.memory)
    put(Kind.offset)
    return
  }
  if (letter === 'C') put(Kind.blockType)
  const count = put(Kind.count)
  if (count < 0 || count * 3 + 4 > maxImmediates) throw new Unsupported('an instruction has too many immediates')
  if (letter === 'S') for (let i = 0; i < count; i++) put(Kind.valueType)
  if (letter === 'V') for (let i = 0; i <= count; i++) put(Kind.label)
  if (letter === 'C') {
    for (let i = 0; i < count; i++) {
      if (put(Kind.catchKind) < 2) put(Kind.tag)
      put(Kind.label)
    }
  }
}

/** Length of an immediate in its shortest form. */
export function shortest(kind: number, low: number, high: number): number {
  switch (kind) {
    case Kind.blockType:
    case Kind.heapType:
    case Kind.valueType:
    case Kind.i32:
      return slebLength(low)
    case Kind.i64:
      return slebLength(low, high)
    default:
      return isFixed(kind) ? 0 : ulebLength(low)
  }
}

/** Padding that is expected where a value takes the place of another: the width stays as far as it can [D 5.3]. */
export function expectedPad(old: Instruction, i: number, low: number): number {
  const pad = old.pad[i]!
  if (pad === 0) return 0
  const kind = old.kind[i]!
  return Math.max(0, pad + shortest(kind, old.low[i]!, old.high[i]!) - shortest(kind, low, old.high[i]!))
}

export function writeInstruction(sink: Sink, instruction: Instruction): void {
  const { op, count } = instruction
  if (op < prefixed.fc) sink.byte(op)
  else {
    const [prefix, first] =
      op < prefixed.fd ? [0xfc, prefixed.fc] : op < prefixed.fe ? [0xfd, prefixed.fd] : [0xfe, prefixed.fe]
    sink.byte(prefix)
    sink.uleb(op - first)
  }
  for (let i = 0; i < count; i++)
    writeImmediate(sink, instruction.kind[i]!, instruction.low[i]!, instruction.high[i]!, instruction.pad[i]!)
}

export function writeImmediate(sink: Sink, kind: number, low: number, high: number, pad: number): void {
  switch (kind) {
    case Kind.blockType:
    case Kind.heapType:
    case Kind.valueType:
    case Kind.i32:
      sink.sleb(low, low >> 31, pad)
      break
    case Kind.i64:
      sink.sleb(low, high, pad)
      break
    case Kind.f32:
    case Kind.v128:
      sink.word(low)
      break
    case Kind.f64:
      sink.word(low)
      sink.word(high)
      break
    case Kind.lane:
    case Kind.catchKind:
      sink.byte(low)
      break
    default:
      sink.uleb(low, pad)
      break
  }
}

/** The kinds of immediates of br_table, select and try_table, one at a time; each is answered with what was read. */
export function* shapeSteps(op: number): Generator<number, void, number> {
  if (op === 0x1f) yield Kind.blockType
  const count = yield Kind.count
  const each = op === 0x0e ? Kind.label : op === 0x1c ? Kind.valueType : Kind.catchKind
  for (let left = Math.min(count >>> 0, maxImmediates) + (op === 0x0e ? 1 : 0); left > 0; left--) {
    const read = yield each
    if (each !== Kind.catchKind) continue
    if (read < 2) yield Kind.tag
    yield Kind.label
  }
}

export function sameImmediates(a: Instruction, b: Instruction): boolean {
  if (a.count !== b.count) return false
  for (let i = 0; i < a.count; i++)
    if (a.low[i] !== b.low[i] || a.high[i] !== b.high[i] || a.pad[i] !== b.pad[i]) return false
  return true
}

export function copyImmediates(from: Instruction, to: Instruction): void {
  to.count = 0
  for (let i = 0; i < from.count; i++) to.add(from.kind[i]!, from.low[i]!, from.high[i]!, from.pad[i]!)
}
