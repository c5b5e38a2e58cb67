import { malformed } from '../limits.ts'
import { Form, TokenKind } from './kinds.ts'
import { forms } from './old-forms.ts'
import { type McuState, Slot } from './state.ts'
import { type ReadOld, TokenReader } from './token-reader.ts'

/**
 * The old bytes of a section or a body as the maps would have them, from a reader of a few bytes [D 10.5]. All it knows lies in the state. It takes
 * whatever the old bytes are.
 */
export class OldStream {
  readonly #state: McuState
  readonly #reader: TokenReader

  constructor(state: McuState, read: ReadOld, size: number) {
    this.#state = state
    this.#reader = new TokenReader(state, read, size)
  }

  byteAt(offset: number): number {
    return this.#reader.byteAt(offset)
  }

  /** An unsigned LEB128 of up to 32 bits at `Slot.at`, which goes behind it. */
  uleb(): number {
    return this.#reader.uleb()
  }

  open(form: number, start: number, end: number): void {
    const { slots } = this.#state
    slots[Slot.form] = form
    slots[Slot.start] = start
    slots[Slot.end] = end
    this.#restart()
  }

  #restart(): void {
    const { slots } = this.#state
    slots[Slot.at] = slots[Slot.start]!
    slots[Slot.phase] = 0
    slots[Slot.count] = slots[Slot.form] === Form.names ? 5 : 0
    slots[Slot.place] = 0
    slots[Slot.tokenAt] = 0
    slots[Slot.tokenLength] = 0
  }

  /** Whether there is a byte at this place. */
  get has(): boolean {
    const { slots } = this.#state
    return slots[Slot.tokenAt]! < slots[Slot.tokenLength]! || this.#token()
  }

  get byte(): number {
    return this.#state.token[this.#state.slots[Slot.tokenAt]!]!
  }

  advance(): void {
    const { slots } = this.#state
    slots[Slot.tokenAt]!++
    slots[Slot.place]!++
  }

  /** Goes to a place among the mapped bytes, or to their end. */
  seek(place: number): void {
    const { slots } = this.#state
    if (slots[Slot.form] === Form.raw) {
      slots[Slot.place] = Math.min(Math.max(0, place), slots[Slot.end]! - slots[Slot.start]!)
      slots[Slot.at] = slots[Slot.start]! + slots[Slot.place]!
      slots[Slot.tokenAt] = slots[Slot.tokenLength] = 0
      return
    }
    if (place < slots[Slot.place]!) this.#restart()
    while (slots[Slot.place]! < place && this.has) this.advance()
  }

  /** Bytes from here to the end; goes back to the start. */
  measure(): number {
    while (this.has) this.advance()
    const length = this.#state.slots[Slot.place]!
    this.#restart()
    return length
  }

  #token(): boolean {
    const { slots } = this.#state
    slots[Slot.tokenAt] = 0
    slots[Slot.tokenLength] = 0
    if (slots[Slot.at]! >= slots[Slot.end]!) return false
    // Reading a token takes time: as much as the lengths of both files allow [D 10.6].
    if (--slots[Slot.walkLeft]! < 0) throw malformed('it walks the old module too often')
    const read = forms[slots[Slot.form]!]
    if (read === undefined) this.#reader.raw(TokenKind.raw)
    else slots[Slot.phase] = read(this.#reader, slots, slots[Slot.phase]!)
    return true
  }
}
