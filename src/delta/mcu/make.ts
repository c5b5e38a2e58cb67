import { bytesEqual } from '../../bytes/text.ts'
import { ByteAction } from '../byte-actions.ts'
import { type ByteEdits, ByteIndex, byteEdits } from '../byte-edits.ts'
import { Unsupported } from '../limits.ts'
import type { Module, Section } from '../module.ts'
import type { ModuleTarget } from '../module-codec.ts'
import { window } from '../parts.ts'
import { readElements, readExports, readGlobals, readNames } from '../section-tables.ts'
import { McuCodec } from './codec.ts'
import { McuCoder } from './coder.ts'
import { editsOf, flattened } from './edits.ts'
import { fittingMaps, type Run } from './fit-maps.ts'
import { Form, formOf, TokenKind } from './kinds.ts'
import { OldStream } from './old-stream.ts'
import { type McuSizes, McuState, mcuTableBits, mostRuns, Slot, tableBitsIn } from './state.ts'

export interface McuBody {
  readonly sizes: McuSizes
  readonly body: Uint8Array<ArrayBuffer>
}

/**
 * The bytes behind the head of a patch of the small profile [D 10], and the memory that they ask for: at most so much where that is enough for the profile.
 *
 * @throws Unsupported where one of the modules has a form that this profile doesn't know
 */
export function makeMcuBody(old: Module, target: ModuleTarget, stateBytes: number): McuBody {
  const tableBits = bitsIn(stateBytes)
  const maps = fittingMaps(old, target.plan, mostRuns(tableBits, stateBytes))
  const sizes = { tableBits, runs: maps.reduce((sum, runs) => sum + runs.length, 0) }
  return { sizes, body: coded(sizes, old.bytes, target.module.bytes, new Decisions(old, target, sizes, maps).all()) }
}

/** The same of any files, byte by byte. */
export function makeMcuRawBody(old: Uint8Array, now: Uint8Array, stateBytes: number): McuBody {
  const sizes = { tableBits: bitsIn(stateBytes), runs: 0 }
  const edits = byteEdits(old, 0, now, new ByteIndex(old, window))
  return { sizes, body: coded(sizes, old, now, [now.length - old.length, 1, ...flattened(edits, now)]) }
}

const bitsIn = (stateBytes: number): number => tableBitsIn(stateBytes) ?? mcuTableBits.least

/** Codes what was decided; what comes out is held against what shall. */
function coded(sizes: McuSizes, old: Uint8Array, now: Uint8Array, wanted: readonly number[]): Uint8Array<ArrayBuffer> {
  const out: number[] = []
  const state = new McuState(sizes)
  const coder = new McuCoder(state, out)
  coder.begin()
  let next = 0
  let written = 0
  const check = (byte: number) => {
    if (now[written++] !== byte) throw new Unsupported('the small profile tells another file')
  }
  const stream = new OldStream(state, readOf(old), old.length)
  const codec = new McuCodec(state, coder, stream, old.length, () => wanted[next++] ?? 0, check)
  while (!codec.done) codec.step()
  coder.finish()
  return Uint8Array.from(out)
}

const readOf = (bytes: Uint8Array) => (offset: number, length: number) => bytes.subarray(offset, offset + length)

/** Everything that the codec asks, in its order [D 10.3]. */
class Decisions {
  readonly #old: Module
  readonly #now: Module
  readonly #target: ModuleTarget
  readonly #maps: readonly (readonly Run[])[]
  readonly #state: McuState
  readonly #stream: OldStream
  readonly #all: number[] = []

  constructor(old: Module, target: ModuleTarget, sizes: McuSizes, maps: readonly (readonly Run[])[]) {
    this.#old = old
    this.#now = target.module
    this.#target = target
    this.#maps = maps
    this.#state = new McuState(sizes)
    this.#stream = new OldStream(this.#state, readOf(old.bytes), old.bytes.length)
    const { slots, runs } = this.#state
    slots[Slot.walkLeft] = 0x7fff_ffff
    let used = 0
    for (const [kind, each] of maps.entries()) {
      for (const { at, shift } of each) {
        runs[used * 2] = at
        runs[used * 2 + 1] = shift
        used++
      }
      if (kind < 3) slots[Slot.typesEnd + kind] = used
    }
    slots[Slot.mapsUsed] = used
  }

  all(): number[] {
    const say = (...values: number[]) => this.#all.push(...values)
    say(this.#now.bytes.length - this.#old.bytes.length, 0)
    for (const runs of this.#maps) {
      say(runs.length)
      let [at, shift] = [0, 0]
      for (const run of runs) {
        say(run.at - at, run.shift - shift)
        ;({ at, shift } = run)
      }
    }
    let next = 0
    for (const section of this.#now.sections) {
      const expected = this.#old.sections[next]
      const follows = expected?.id === section.id
      if (expected !== undefined) say(follows ? 1 : 0)
      if (!follows) say(section.id)
      const at = follows ? next : section.id === 0 ? -1 : this.#old.sections.findIndex(({ id }) => id === section.id)
      if (at >= 0) next = at + 1
      this.#section(section, this.#old.sections[at])
    }
    return this.#all
  }

  #section(section: Section, was: Section | undefined): void {
    const content = this.#now.bytes.subarray(section.start, section.end)
    let form: number = Form.raw
    if (was !== undefined && section.id !== 10 && formOf(section.id) !== Form.raw) {
      form = this.#suits(was) ? formOf(section.id) : Form.raw
      this.#all.push(form === Form.raw ? 1 : 0)
    }
    let mapped: Uint8Array = new Uint8Array()
    if (was !== undefined && section.id !== 10) {
      mapped = this.#mapped(form, was.start, was.end).bytes
      const same = section.pad === 0 && bytesEqual(mapped, content)
      this.#all.push(same ? 1 : 0)
      if (same) return
    }
    this.#all.push(section.pad > 0 ? 1 : 0)
    if (section.pad > 0) this.#all.push(section.pad)
    this.#all.push(content.length - (was === undefined ? 0 : was.end - was.start))
    if (section.id === 10) this.#bodies(was !== undefined)
    else this.#bytes(byteEdits(mapped, 0, content, mapped.length > 64 ? new ByteIndex(mapped, window) : null), content)
  }

  /** Whether an old section can be read in its form. */
  #suits(section: Section): boolean {
    const old = this.#old
    if (section.id === 0) return readNames(old, section) !== null
    if (section.id === 6) return readGlobals(old, section) !== null
    if (section.id === 7) return readExports(old, section) !== null
    if (section.id === 9) return readElements(old, section) !== null
    return true
  }

  /** Old bytes as the maps have them, and where instructions begin among them. */
  #mapped(form: number, start: number, end: number): { bytes: Uint8Array; starts: number[] } {
    const { slots } = this.#state
    const bytes: number[] = []
    const starts: number[] = []
    slots[Slot.walkLeft] = 0x7fff_ffff
    this.#stream.open(form, start, end)
    while (this.#stream.has) {
      if (slots[Slot.tokenAt] === 0 && slots[Slot.tokenKind] === TokenKind.op) starts.push(bytes.length)
      bytes.push(this.#stream.byte)
      this.#stream.advance()
    }
    return { bytes: Uint8Array.from(bytes), starts }
  }

  #bytes(edits: ByteEdits, content: Uint8Array): void {
    for (const each of flattened(edits, content)) this.#all.push(each)
  }

  #bodies(hasOld: boolean): void {
    const old = this.#old
    const { plan, scripts } = this.#target
    const imported = old.importedFunctions.length
    const bodies = hasOld ? old.bodies.length : 0
    this.#all.push(this.#now.bodies.length - bodies)
    let next = 0
    for (const [i, { start, end }] of this.#now.bodies.entries()) {
      const content = this.#now.bytes.subarray(start, end)
      const reference = plan.functions[plan.importedFunctions + i]! - imported
      const body = old.bodies[reference]
      if (next < bodies) this.#all.push(reference === next ? 1 : 0)
      if (body !== undefined && reference !== next) this.#all.push(1, reference - next)
      if (body === undefined) {
        if (bodies > 0) this.#all.push(0)
        this.#all.push(content.length)
        this.#bytes({ actions: new Uint8Array(content.length).fill(ByteAction.insert), moves: [] }, content)
        continue
      }
      next = reference + 1
      const mapped = this.#mapped(Form.body, body.start, body.end)
      const same = bytesEqual(mapped.bytes, content)
      this.#all.push(same ? 1 : 0)
      if (same) continue
      this.#all.push(content.length - (body.end - body.start))
      this.#bytes(editsOf(mapped, content, scripts[i]!), content)
    }
  }
}
