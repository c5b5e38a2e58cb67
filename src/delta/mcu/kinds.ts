import { Kind, signatures } from '../opcodes.ts'

/** How the old bytes are read, and so which of them are mapped [D 10.5]. */
export const Form = { raw: 0, body: 1, types: 2, exports: 3, elements: 4, names: 5, data: 6, globals: 7 } as const

/** The form of a section of an id, where it isn't told to be raw. */
export const formOf = (id: number): number => forms[id] ?? Form.raw

const forms: Readonly<Record<number, number>> = {
  0: Form.names,
  3: Form.types,
  6: Form.globals,
  7: Form.exports,
  9: Form.elements,
  11: Form.data,
}

/** Kinds of tokens beside those of immediates. */
export const TokenKind = { raw: 0, op: 24, count: 25 } as const

/** Maps, in the order in which a patch tells them. */
export const MapKind = { types: 0, functions: 1, globals: 2, addresses: 3, end: 4 } as const

const f64Bytes = new Array<number>(8).fill(Kind.f64)
const letters: Readonly<Record<string, readonly number[]>> = {
  B: [Kind.blockType],
  L: [Kind.label],
  F: [Kind.func],
  T: [Kind.type],
  X: [Kind.table],
  l: [Kind.local],
  G: [Kind.global],
  M: [Kind.align, Kind.offset],
  m: [Kind.memory],
  i: [Kind.i32],
  I: [Kind.i64],
  f: f64Bytes.slice(4),
  d: f64Bytes,
  R: [Kind.heapType],
  D: [Kind.data],
  E: [Kind.element],
  b: [Kind.lane],
  v: [...f64Bytes, ...f64Bytes],
  g: [Kind.tag],
  V: [Kind.count, Kind.label],
  S: [Kind.count, Kind.valueType],
}

/** Kinds of the immediates of each opcode; undefined where this profile doesn't know it. The last one repeats where a count leads. */
export const immediatesOf = signatures.map((signature) =>
  signature === undefined || signature.includes('C') ? undefined : [...signature].flatMap((each) => letters[each]!),
)
