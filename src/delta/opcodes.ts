/** What an immediate is: that decides how it is written, and which map predicts it [D 5.1]. */
export const Kind = {
  blockType: 1,
  label: 2,
  func: 3,
  type: 4,
  table: 5,
  local: 6,
  global: 7,
  align: 8,
  offset: 9,
  i32: 10,
  i64: 11,
  f32: 12,
  f64: 13,
  memory: 14,
  heapType: 15,
  data: 16,
  element: 17,
  lane: 18,
  v128: 19,
  count: 20,
  tag: 21,
  valueType: 22,
  catchKind: 23,
} as const

/** First numbers of the opcodes behind the prefixes 0xfc, 0xfd and 0xfe: an opcode is one number [D 5.1]. */
export const prefixed = { fc: 0x100, fd: 0x300, fe: 0x500, end: 0x640 } as const

/** The first byte of an opcode. */
export const prefixOf = (op: number): number =>
  op < prefixed.fc ? op : op < prefixed.fd ? 0xfc : op < prefixed.fe ? 0xfd : 0xfe

/** Opcodes behind one prefix that are known. */
export const mostSubOpcodes = 0x140

/**
 * The immediates of each opcode, a letter each; undefined for opcodes that aren't known. B block type, L label, F function, T type, X table, l local,
 * G global, M memory argument, m memory, i i32, I i64, f f32, d f64, R heap type, D data segment, E element segment, b lane, v v128, g tag, V labels
 * with their count, S value types with their count, C block type and catch clauses.
 */
export const signatures: readonly (string | undefined)[] = buildSignatures()

function buildSignatures(): (string | undefined)[] {
  const all: (string | undefined)[] = new Array(prefixed.end).fill(undefined)
  const set = (signature: string, ...spans: readonly (readonly [from: number, to: number])[]) => {
    for (const [from, to] of spans) all.fill(signature, from, to + 1)
  }
  set('', [0x00, 0x01], [0x05, 0x05], [0x0a, 0x0b], [0x0f, 0x0f], [0x19, 0x1b], [0x45, 0xc4], [0xd1, 0xd1])
  set('B', [0x02, 0x04], [0x06, 0x06])
  set('g', [0x07, 0x08])
  set('L', [0x09, 0x09], [0x0c, 0x0d], [0x18, 0x18])
  set('V', [0x0e, 0x0e])
  set('F', [0x10, 0x10], [0x12, 0x12], [0xd2, 0xd2])
  set('TX', [0x11, 0x11], [0x13, 0x13])
  set('S', [0x1c, 0x1c])
  set('C', [0x1f, 0x1f])
  set('l', [0x20, 0x22])
  set('G', [0x23, 0x24])
  set('X', [0x25, 0x26])
  set('M', [0x28, 0x3e])
  set('m', [0x3f, 0x40])
  set('i', [0x41, 0x41])
  set('I', [0x42, 0x42])
  set('f', [0x43, 0x43])
  set('d', [0x44, 0x44])
  set('R', [0xd0, 0xd0])
  const { fc, fd, fe } = prefixed
  set('', [fc, fc + 7])
  for (const [index, signature] of ['Dm', 'D', 'mm', 'm', 'EX', 'E', 'XX', 'X', 'X', 'X'].entries())
    all[fc + 8 + index] = signature
  set('', [fd, fd + mostSubOpcodes - 1])
  set('M', [fd, fd + 11], [fd + 92, fd + 93])
  set('v', [fd + 12, fd + 13])
  set('b', [fd + 21, fd + 34])
  set('Mb', [fd + 84, fd + 91])
  set('M', [fe, fe + 0x4e])
  set('m', [fe + 3, fe + 3])
  return all
}

/** Opcodes that open a block: block, loop, if, try, try_table. */
export const opensBlock = (op: number): boolean => (op >= 2 && op <= 4) || op === 6 || op === 0x1f

export const endOpcode = 0x0b

/** Immediates of 64 bits that are held as two halves. */
export const isWide = (kind: number): boolean => kind === Kind.i64 || kind === Kind.f64

/** Immediates of a fixed length: they have no padding. */
export const isFixed = (kind: number): boolean =>
  kind === Kind.f32 || kind === Kind.f64 || kind === Kind.v128 || kind === Kind.lane || kind === Kind.catchKind
