import { ByteAction } from '../byte-actions.ts'
import { malformed, maxContentBytes } from '../limits.ts'
import { moduleHeader } from '../module.ts'
import type { McuCoder } from './coder.ts'
import { Form, formOf, MapKind } from './kinds.ts'
import type { OldStream } from './old-stream.ts'
import { type McuState, Slot } from './state.ts'

/** What a step does; where it has come to [D 10.3]. */
export const Stage = { length: 0, mapCount: 1, mapRun: 2, section: 3, body: 4, bytes: 5, same: 6, done: 7 } as const

/** Where a number is coded. */
const Place = {
  length: 1,
  maps: 2,
  follows: 3,
  section: 4,
  size: 5,
  raw: 6,
  same: 7,
  body: 8,
  action: 16,
  byte: 24,
} as const

const context = (place: number, a = 0, b = 0): number => (place << 24) ^ (a << 9) ^ Math.imul(b, 0x9e35)

/** Tokens of the old file that may be read for each byte of both, and beyond [D 10.6]. */
const walkPerByte = 64
const leastWalk = 65_536
const mostWalk = 0x7fff_ffff

/** The next of the encoder's decisions; a decoder answers anything. */
export type Wanted = () => number

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
    const { slots, runs } = this.#state
    const count = this.#coder.uint(context(Place.maps), this.#wanted())
    if (slots[Slot.mapsUsed]! + count > runs.length / 2) throw malformed('it has more runs than its head says')
    slots[Slot.mapLeft] = count
    slots[Slot.mapAt] = 0
    slots[Slot.mapShift] = 0
    slots[Slot.stage] = Stage.mapRun
    if (count === 0) this.#mapEnds()
  }

  #mapRun(): void {
    const { slots, runs } = this.#state
    const kind = slots[Slot.mapKind]!
    const at = slots[Slot.mapAt]! + this.#coder.uint(context(Place.maps, 1, kind), this.#wanted())
    if (at > 0x7fff_ffff) throw malformed('it shifts what can not be')
    const shift = (slots[Slot.mapShift]! + this.#coder.sint(context(Place.maps, 2, kind), this.#wanted())) | 0
    const used = slots[Slot.mapsUsed]!++
    runs[used * 2] = slots[Slot.mapAt] = at
    runs[used * 2 + 1] = slots[Slot.mapShift] = shift
    if (--slots[Slot.mapLeft]! === 0) this.#mapEnds()
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

  /** The old section at an offset: its id, and where its content is; null behind the last. */
  #oldSection(offset: number): { id: number; start: number; end: number } | null {
    if (offset < 0 || offset >= this.#oldSize) return null
    const { slots } = this.#state
    const id = this.#old.byteAt(offset)
    slots[Slot.at] = offset + 1
    const size = this.#old.uleb()
    const start = slots[Slot.at]!
    return size > this.#oldSize - start ? null : { id, start, end: start + size }
  }

  #findSection(id: number): { id: number; start: number; end: number } | null {
    for (let each = this.#oldSection(moduleHeader.length); each !== null; each = this.#oldSection(each.end)) {
      if (each.id === id) return each
    }
    return null
  }

  #section(): void {
    const { slots } = this.#state
    const coder = this.#coder
    const expected = this.#oldSection(slots[Slot.nextSection]!)
    const follows = expected !== null && coder.bit(context(Place.follows), this.#wanted()) === 1
    const id = follows ? expected.id : coder.tree(context(Place.section), 4, this.#wanted())
    const old = follows ? expected : id === 0 ? null : this.#findSection(id)
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
      this.#seekBody(slots[Slot.nextBodyIndex]! + coder.sint(context(Place.body, 2), this.#wanted()))
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

  /** Bodies can only be walked forward: one before is looked for from the first on. */
  #seekBody(index: number): void {
    const { slots } = this.#state
    if (index < 0 || index >= slots[Slot.oldBodies]!) throw malformed('it refers to what the old module lacks')
    if (index < slots[Slot.nextBodyIndex]!) {
      slots[Slot.nextBodyIndex] = 0
      slots[Slot.nextBody] = slots[Slot.firstBody]!
    }
    for (; slots[Slot.nextBodyIndex]! < index; slots[Slot.nextBodyIndex]!++) {
      if (--slots[Slot.walkLeft]! < 0) throw malformed('it walks the old module too often')
      slots[Slot.at] = slots[Slot.nextBody]!
      const size = this.#old.uleb()
      slots[Slot.nextBody] = Math.min(slots[Slot.codeEnd]!, slots[Slot.at]! + size)
    }
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
    const wanted = this.#wanted()
    const action = this.#action(has, kind, expected, wanted)
    slots[Slot.history] = ((history << 1) | (action === ByteAction.copy ? 1 : 0)) & 0xff
    if (action === ByteAction.move) {
      slots[Slot.moved] = 1
      this.#old.seek(slots[Slot.place]! + coder.sint(context(Place.byte, 0, 1), this.#wanted()))
      return
    }
    slots[Slot.moved] = 0
    let byte = expected
    if (action !== ByteAction.copy) {
      const replaced = action === ByteAction.replace ? expected | (kind << 8) : 0x2000
      coder.contexts[0] = context(Place.byte + 1, 0, replaced)
      coder.contexts[1] = context(Place.byte + 2, slots[Slot.one]!)
      coder.contexts[2] = context(Place.byte + 3, slots[Slot.one]!, slots[Slot.two]!)
      byte = coder.mixedTree(action === ByteAction.replace ? 17 : 18, 8, this.#wanted())
    }
    this.#out(byte)
    if (action !== ByteAction.insert && has) this.#old.advance()
    if (--slots[Slot.left]! === 0) this.#ends()
  }

  #action(has: boolean, kind: number, expected: number, wanted: number): number {
    const { slots } = this.#state
    const coder = this.#coder
    const history = slots[Slot.history]!
    const mayMove = slots[Slot.moved] === 0
    if (!has) {
      return mayMove && coder.bit(context(Place.action + 4, history & 1), wanted === ByteAction.move ? 1 : 0) === 1
        ? ByteAction.move
        : ByteAction.insert
    }
    coder.contexts[0] = context(Place.action, kind, history & 63)
    coder.contexts[1] = context(Place.action + 1, kind, (expected << 1) | (history & 1))
    coder.contexts[2] = context(Place.action + 2, slots[Slot.op]! & 1023, (kind << 2) | (history & 3))
    if (coder.mix(0, history & 15, wanted === ByteAction.copy ? 1 : 0) === 1) return ByteAction.copy
    if (coder.bit(context(Place.action + 3, kind, history & 3), wanted === ByteAction.replace ? 1 : 0) === 1)
      return ByteAction.replace
    if (!mayMove) return ByteAction.insert
    return coder.bit(context(Place.action + 5, kind, history & 3), wanted === ByteAction.move ? 1 : 0) === 1
      ? ByteAction.move
      : ByteAction.insert
  }
}
