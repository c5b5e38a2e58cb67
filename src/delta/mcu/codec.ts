import { ByteAction } from '../byte-actions.ts'
import { malformed, maxContentBytes } from '../limits.ts'
import { moduleHeader } from '../module.ts'
import { codeAction, codeByte } from './byte-step.ts'
import type { McuCoder } from './coder.ts'
import { Form, formOf, MapKind } from './kinds.ts'
import { codeMapCount, codeMapRun } from './map-steps.ts'
import { findOldSection, oldSectionAt, seekOldBody } from './old-sections.ts'
import type { OldStream } from './old-stream.ts'
import { context, Place, Stage, type Wanted } from './places.ts'
import { type McuState, Slot } from './state.ts'

/** Tokens of the old file that may be read for each byte of both, and beyond [D 10.6]. */
const walkPerByte = 64
const leastWalk = 65_536
const mostWalk = 0x7fff_ffff

/** Steps of the small profile, the same in both directions [D 10.3]: each takes a bounded number of bits, and all that it leaves lies in the state. */
export class McuCodec {
  readonly #state: McuState
  readonly #coder: McuCoder
  readonly #old: OldStream
  readonly #oldSize: number
  readonly #wanted: Wanted
  readonly #emit: (byte: number) => void

  constructor(
    state: McuState,
    coder: McuCoder,
    old: OldStream,
    oldSize: number,
    wanted: Wanted,
    emit: (byte: number) => void,
  ) {
    this.#state = state
    this.#coder = coder
    this.#old = old
    this.#oldSize = oldSize
    this.#wanted = wanted
    this.#emit = emit
  }

  get done(): boolean {
    return this.#state.slots[Slot.stage] === Stage.done
  }

  step(): void {
    const stage = this.#state.slots[Slot.stage]
    if (stage === Stage.bytes) this.#byte()
    else if (stage === Stage.same) this.#same()
    else if (stage === Stage.body) this.#body()
    else if (stage === Stage.section) this.#section()
    else if (stage === Stage.mapRun) this.#mapRun()
    else if (stage === Stage.mapCount) this.#mapCount()
    else if (stage === Stage.length) this.#length()
  }

  #out(byte: number): void {
    const { slots } = this.#state
    if (slots[Slot.written]! >= slots[Slot.length]!)
      throw malformed(`more comes out than its ${slots[Slot.length]} bytes`)
    slots[Slot.written]!++
    slots[Slot.two] = slots[Slot.one]!
    slots[Slot.one] = byte
    this.#emit(byte)
  }

  #uleb(value: number, pad = 0): void {
    let rest = value >>> 0
    for (; rest >= 0x80; rest >>>= 7) this.#out((rest & 0x7f) | 0x80)
    this.#out(pad > 0 ? rest | 0x80 : rest)
    for (let i = 1; i <= pad; i++) this.#out(i < pad ? 0x80 : 0)
  }

  #length(): void {
    const { slots } = this.#state
    const length = this.#oldSize + this.#coder.sint(context(Place.length), this.#wanted())
    if (length < 0 || length > maxContentBytes) throw malformed(`it makes a file of ${length} bytes`)
    slots[Slot.length] = length
    slots[Slot.walkLeft] = Math.min(mostWalk, walkPerByte * (this.#oldSize + length) + leastWalk)
    // What isn't a module that is known goes as bytes.
    if (this.#coder.bit(context(Place.raw), this.#wanted()) === 1) {
      this.#old.open(Form.raw, 0, this.#oldSize)
      this.#begin(Stage.bytes, length)
      return
    }
    slots[Slot.nextSection] = moduleHeader.length
    for (const byte of moduleHeader) this.#out(byte)
    slots[Slot.stage] = Stage.mapCount
  }

  #mapCount(): void {
    codeMapCount(this.#state, this.#coder, this.#wanted())
    this.#state.slots[Slot.stage] = Stage.mapRun
    if (this.#state.slots[Slot.mapLeft] === 0) this.#mapEnds()
  }

  #mapRun(): void {
    codeMapRun(this.#state, this.#coder, this.#wanted)
    if (this.#state.slots[Slot.mapLeft] === 0) this.#mapEnds()
  }

  #mapEnds(): void {
    const { slots } = this.#state
    const kind = slots[Slot.mapKind]!++
    if (kind < MapKind.addresses) slots[Slot.typesEnd + kind] = slots[Slot.mapsUsed]!
    slots[Slot.stage] = kind + 1 === MapKind.end ? this.#next() : Stage.mapCount
  }

  /** What follows a section. */
  #next(): number {
    const { slots } = this.#state
    return slots[Slot.written] === slots[Slot.length] ? Stage.done : Stage.section
  }

  #section(): void {
    const { slots } = this.#state
    const coder = this.#coder
    const expected = oldSectionAt(this.#state, this.#old, this.#oldSize, slots[Slot.nextSection]!)
    const follows = expected !== null && coder.bit(context(Place.follows), this.#wanted()) === 1
    const id = follows ? expected.id : coder.tree(context(Place.section), 4, this.#wanted())
    const old = follows ? expected : id === 0 ? null : findOldSection(this.#state, this.#old, this.#oldSize, id)
    if (old !== null) slots[Slot.nextSection] = old.end
    const before = old === null ? 0 : old.end - old.start
    let form: number = Form.raw
    if (old !== null && id !== 10 && formOf(id) !== Form.raw)
      form = coder.bit(context(Place.raw, id), this.#wanted()) === 1 ? Form.raw : formOf(id)
    this.#out(id)
    if (old !== null && id !== 10) {
      this.#old.open(form, old.start, old.end)
      if (coder.bit(context(Place.same, id), this.#wanted()) === 1) {
        const size = form === Form.raw ? before : this.#old.measure()
        this.#uleb(size)
        this.#begin(Stage.same, size)
        return
      }
    } else this.#old.open(Form.raw, 0, 0)
    const pad =
      coder.bit(context(Place.size), this.#wanted()) === 1 ? coder.tree(context(Place.size, 1), 3, this.#wanted()) : 0
    const size = this.#size(before, id === 10 ? 2 : 3)
    this.#uleb(size, pad)
    slots[Slot.sectionEnd] = slots[Slot.written]! + size
    if (id === 10) this.#code(old)
    else this.#begin(Stage.bytes, size)
  }

  /** A length from an old one; never more than may still come. */
  #size(before: number, sub: number): number {
    const { slots } = this.#state
    const size = before + this.#coder.sint(context(Place.size, sub), this.#wanted())
    if (size < 0 || size > slots[Slot.length]! - slots[Slot.written]!) throw malformed(`a part has ${size} bytes`)
    return size
  }

  #code(old: { start: number; end: number } | null): void {
    const { slots } = this.#state
    slots[Slot.oldBodies] = 0
    slots[Slot.nextBodyIndex] = 0
    if (old !== null) {
      slots[Slot.at] = old.start
      slots[Slot.oldBodies] = this.#old.uleb()
      slots[Slot.firstBody] = slots[Slot.nextBody] = slots[Slot.at]!
      slots[Slot.codeEnd] = old.end
    }
    slots[Slot.bodies] = this.#size(slots[Slot.oldBodies]!, 4)
    this.#uleb(slots[Slot.bodies]!)
    slots[Slot.stage] = Stage.body
    if (slots[Slot.bodies] === 0) this.#codeEnds()
  }

  #codeEnds(): void {
    const { slots } = this.#state
    if (slots[Slot.written] !== slots[Slot.sectionEnd]) throw malformed('the code section has another length')
    slots[Slot.stage] = this.#next()
  }

  #begin(stage: number, left: number): void {
    const { slots } = this.#state
    slots[Slot.left] = left
    slots[Slot.history] = 0xff
    slots[Slot.moved] = 0
    slots[Slot.stage] = stage
    if (left === 0) this.#ends()
  }

  /** A body or section is there as a whole. */
  #ends(): void {
    const { slots } = this.#state
    if (slots[Slot.bodies] === 0) {
      slots[Slot.stage] = this.#next()
      return
    }
    slots[Slot.stage] = Stage.body
    if (--slots[Slot.bodies]! === 0) this.#codeEnds()
  }

  #body(): void {
    const { slots } = this.#state
    const coder = this.#coder
    const there = slots[Slot.nextBodyIndex]! < slots[Slot.oldBodies]!
    let has = there && coder.bit(context(Place.body), this.#wanted()) === 1
    if (!has && slots[Slot.oldBodies]! > 0 && coder.bit(context(Place.body, 1), this.#wanted()) === 1) {
      seekOldBody(
        this.#state,
        this.#old,
        slots[Slot.nextBodyIndex]! + coder.sint(context(Place.body, 2), this.#wanted()),
      )
      has = true
    }
    let before = 0
    if (has) {
      slots[Slot.at] = slots[Slot.nextBody]!
      before = this.#old.uleb()
      const start = slots[Slot.at]!
      if (before > slots[Slot.codeEnd]! - start) throw malformed('it does not fit the old module')
      slots[Slot.nextBody] = start + before
      slots[Slot.nextBodyIndex]!++
      this.#old.open(Form.body, start, start + before)
      if (coder.bit(context(Place.same, 16), this.#wanted()) === 1) {
        const size = this.#old.measure()
        this.#uleb(size)
        this.#begin(Stage.same, size)
        return
      }
    } else this.#old.open(Form.raw, 0, 0)
    const size = this.#size(before, has ? 5 : 6)
    this.#uleb(size)
    this.#begin(Stage.bytes, size)
  }

  #same(): void {
    const { slots } = this.#state
    if (!this.#old.has) throw malformed('it does not fit the old module')
    this.#out(this.#old.byte)
    this.#old.advance()
    if (--slots[Slot.left]! === 0) this.#ends()
  }

  /** One action [D 10.3]. */
  #byte(): void {
    const { slots } = this.#state
    const coder = this.#coder
    const history = slots[Slot.history]!
    const has = this.#old.has
    const kind = has ? slots[Slot.tokenKind]! : 31
    const expected = has ? this.#old.byte : 0
    const action = codeAction(coder, slots, has ? { kind, expected } : null, this.#wanted())
    slots[Slot.history] = ((history << 1) | (action === ByteAction.copy ? 1 : 0)) & 0xff
    if (action === ByteAction.move) {
      slots[Slot.moved] = 1
      this.#old.seek(slots[Slot.place]! + coder.sint(context(Place.byte, 0, 1), this.#wanted()))
      return
    }
    slots[Slot.moved] = 0
    let byte = expected
    if (action !== ByteAction.copy) {
      const replaced = action === ByteAction.replace ? expected | (kind << 8) : -1
      byte = codeByte(coder, slots, replaced, this.#wanted())
    }
    this.#out(byte)
    if (action !== ByteAction.insert && has) this.#old.advance()
    if (--slots[Slot.left]! === 0) this.#ends()
  }
}
