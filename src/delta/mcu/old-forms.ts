import { malformed } from '../limits.ts'
import { endOpcode, Kind, mostSubOpcodes, prefixed } from '../opcodes.ts'
import { Form, immediatesOf, MapKind, TokenKind } from './kinds.ts'
import { Slot } from './state.ts'
import type { TokenReader } from './token-reader.ts'

/** Reads one token of a form in a phase; answers the phase of the next. */
type FormReader = (reader: TokenReader, slots: Int32Array, phase: number) => number

const body: FormReader = (reader, slots, phase) => {
  if (phase === 0) {
    reader.count()
    return 1
  }
  // Groups of locals: how many, and their type.
  if (phase === 1 && slots[Slot.count] !== 0) {
    reader.leb(TokenKind.count)
    return 2
  }
  if (phase === 2) {
    reader.leb(Kind.valueType)
    slots[Slot.count]!--
    return 1
  }
  if (phase === 1) slots[Slot.op] = -1
  instruction(reader, slots)
  return 3
}

/** An opcode or an immediate; answers whether it is the opcode of an end. */
function instruction(reader: TokenReader, slots: Int32Array): boolean {
  const kinds = slots[Slot.op]! < 0 ? undefined : immediatesOf[slots[Slot.op]!]
  const at = slots[Slot.immediate]!
  if (kinds === undefined || at >= kinds.length) return opcode(reader, slots) === endOpcode
  const kind = kinds[at]!
  const value = reader.leb(kind)
  // Bit 6 of the alignment: a memory's index follows.
  if (kind === Kind.align && (value & 0x40) !== 0) throw malformed('this profile knows one memory')
  const counted = kinds[0] === Kind.count
  if (counted && at === 1) slots[Slot.count]!--
  else slots[Slot.immediate] = at + 1
  // A br_table has one label more than it counts.
  if (kind === Kind.count) slots[Slot.count] = value + (kinds[1] === Kind.label ? 1 : 0)
  if (counted && slots[Slot.count]! <= 0) slots[Slot.op] = -1
  return false
}

function opcode(reader: TokenReader, slots: Int32Array): number {
  const op = reader.opcode((prefix, sub) => {
    if (sub >= mostSubOpcodes) return -1
    return (prefix === 0xfc ? prefixed.fc : prefix === 0xfd ? prefixed.fd : prefixed.fe) + sub
  })
  if (immediatesOf[op] === undefined) throw malformed('the old module has an opcode that this profile does not know')
  slots[Slot.op] = op
  slots[Slot.immediate] = 0
  return op
}

const types: FormReader = (reader, _, phase) => {
  if (phase === 0) reader.count()
  else reader.leb(Kind.type)
  return 1
}

const exported: FormReader = (reader, slots, phase) => {
  if (phase < 2) {
    // How many exports, then the length of a name.
    reader.count()
    return phase + 1
  }
  if (phase === 2) {
    if (reader.stretch(TokenKind.raw)) return 2
    slots[Slot.op] = reader.raw(Kind.catchKind)
    return 3
  }
  reader.leb(slots[Slot.op] === 0 ? Kind.func : slots[Slot.op] === 3 ? Kind.global : TokenKind.count)
  return 1
}

/** Flags 0, i32.const, the offset, end, a count, functions. */
const elements: FormReader = (reader, slots, phase) => {
  if (phase === 0 || phase === 5) {
    reader.count()
    return phase + 1
  }
  if (phase === 6 && slots[Slot.count]! > 0) {
    slots[Slot.count]!--
    reader.leb(Kind.func)
    return 6
  }
  if (phase === 3) reader.leb(TokenKind.count)
  else reader.raw(TokenKind.raw)
  return phase === 6 ? 2 : phase + 1
}

/** The word "name", then parts: an id, a size, and for functions a count of indices with their names. */
const names: FormReader = (reader, slots, phase) => {
  switch (phase) {
    case 0:
    case 3:
      return reader.stretch(TokenKind.raw) ? phase : names(reader, slots, 1)
    case 1:
      slots[Slot.op] = reader.raw(Kind.catchKind)
      return 2
    case 2:
      reader.count()
      slots[Slot.address] = slots[Slot.at]! + slots[Slot.count]!
      return slots[Slot.op] === 1 ? 4 : 3
    case 4:
    case 6:
      reader.count()
      return phase + 1
    case 5:
      if (slots[Slot.at]! >= slots[Slot.address]!) return names(reader, slots, 1)
      reader.leb(Kind.func)
      return 6
    default:
      return reader.stretch(TokenKind.raw) ? 7 : names(reader, slots, 5)
  }
}

/** Flags 0, i32.const, an address, end, a length, bytes whose aligned words may be addresses; behind another segment all is raw. */
const data: FormReader = (reader, slots, phase) => {
  switch (phase) {
    case 0:
    case 5:
      reader.count()
      return phase + 1
    case 1:
      return reader.raw(TokenKind.raw) === 0 ? 2 : 7
    case 2:
      return reader.raw(TokenKind.raw) === 0x41 ? 3 : 7
    case 3:
      slots[Slot.address] = reader.leb(Kind.i32)
      return 4
    case 4:
      return reader.raw(TokenKind.raw) === 0x0b ? 5 : 7
    case 6:
      if (slots[Slot.count]! <= 0) return data(reader, slots, 1)
      if ((slots[Slot.address]! & 3) !== 0 || slots[Slot.count]! < 4) {
        slots[Slot.address]!++
        reader.stretch(TokenKind.raw)
      } else {
        slots[Slot.address]! += 4
        slots[Slot.count]! -= 4
        reader.word(MapKind.addresses)
      }
      return 6
    default:
      reader.raw(TokenKind.raw)
      return 7
  }
}

const globals: FormReader = (reader, slots, phase) => {
  if (phase === 0) reader.count()
  else if (phase < 3) reader.raw(TokenKind.raw)
  else return instruction(reader, slots) ? 1 : 3
  slots[Slot.op] = -1
  return phase + 1
}

/** By form; raw bytes have none. */
export const forms: Readonly<Record<number, FormReader>> = {
  [Form.body]: body,
  [Form.types]: types,
  [Form.exports]: exported,
  [Form.elements]: elements,
  [Form.names]: names,
  [Form.data]: data,
  [Form.globals]: globals,
}
