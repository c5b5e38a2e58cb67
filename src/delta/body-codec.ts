import { CodeReader } from './code-reader.ts'
import type { Coder } from './coder.ts'
import { context, Place } from './contexts.ts'
import type { ImmediateCoder } from './immediates.ts'
import { expectedPad, Instruction, writeInstruction } from './instruction.ts'
import { malformed, mappedLocals } from './limits.ts'
import { codeLocals } from './locals.ts'
import type { Maps } from './maps.ts'
import type { Span } from './module.ts'
import type { NumberCoder } from './numbers.ts'
import { endOpcode, isWide, Kind, opensBlock } from './opcodes.ts'
import type { Sink } from './sink.ts'

/** What is done with the next instruction of the old body [D 5.2]. */
export const Action = { copy: 0, field: 1, insert: 2, delete: 3 } as const

/** The new body, which only the encoder has, and how it is made of the old one. */
export interface BodyTarget {
  readonly bytes: Uint8Array
  readonly body: Span
  /** An action for each step; null for a body that follows none. */
  readonly script: Uint8Array | null
}

/** Bodies by edits of old ones, or anew [D 5]. */
export class BodyCodec {
  readonly #numbers: NumberCoder
  readonly #coder: Coder
  readonly #old: Uint8Array
  readonly #maps: Maps
  readonly #immediates: ImmediateCoder
  readonly #was = new Instruction()
  readonly #now = new Instruction()
  readonly #expected = new Int32Array(this.#was.low.length)
  readonly #localTo = new Int32Array(mappedLocals)
  /** 0 not known, 1 guessed from a lower local, 2 seen. */
  readonly #localKnown = new Uint8Array(mappedLocals)
  /** Height of each open block of the old body in the new one, or -1. */
  #blocks: number[] = []
  #height = 0
  /** Instructions of old bodies that may still be walked [D 5.6]. */
  #walkLeft: number

  constructor(numbers: NumberCoder, old: Uint8Array, maps: Maps, immediates: ImmediateCoder, walk: number) {
    this.#numbers = numbers
    this.#coder = numbers.coder
    this.#old = old
    this.#maps = maps
    this.#immediates = immediates
    this.#walkLeft = walk
  }

  /** Yields where more bytes of the patch are needed. */
  *code(reference: Span | null, target: BodyTarget | null, sink: Sink): Generator<void, void, void> {
    const reader = reference === null ? null : new CodeReader(this.#old, reference.start, reference.end)
    const source = target === null ? null : new CodeReader(target.bytes, target.body.start, target.body.end)
    yield* codeLocals(this.#numbers, reader, source, sink)
    this.#localKnown.fill(0)
    this.#blocks = [0]
    this.#height = 0
    const was = this.#was
    const now = this.#now
    let history = 0xff
    let last: number = Action.copy
    let wasOp = 0
    let earlierOp = 0
    let step = 0
    let have = false
    const fetch = () => {
      have = reader !== null && !reader.done
      if (!have) return
      if (--this.#walkLeft < 0) throw malformed('it walks the old module too often')
      reader!.instruction(was)
      earlierOp = wasOp
      wasOp = was.op
    }
    fetch()
    while (this.#height >= 0) {
      while (this.#coder.starved) yield
      let action: number = Action.insert
      if (have) {
        this.#predict()
        const wanted = this.#wanted(source, target?.script?.[step] ?? Action.insert)
        action = this.#codeAction(wanted, { history, last, wasOp, earlierOp })
      }
      step++
      history = ((history << 1) | (action === Action.copy ? 1 : 0)) & 0xffff
      last = action
      if (action === Action.delete) {
        if (opensBlock(was.op)) this.#blocks.push(-1)
        else if (was.op === endOpcode) this.#blocks.pop()
        fetch()
        continue
      }
      source?.instruction(now)
      if (action === Action.copy) this.#copy()
      else if (action === Action.field) this.#codeFields()
      else yield* this.#immediates.insert(now, have ? wasOp : -1)
      writeInstruction(sink, now)
      this.#immediates.remember(now)
      this.#enter(now.op, action)
      if (action !== Action.insert) fetch()
    }
  }

  #enter(op: number, action: number): void {
    if (opensBlock(op)) {
      this.#height++
      if (action !== Action.insert) this.#blocks.push(this.#height)
    } else if (op === endOpcode) {
      this.#height--
      if (action !== Action.insert) this.#blocks.pop()
    }
  }

  /** What the old instruction's immediates are expected to be [D 5.3]. */
  #predict(): void {
    const was = this.#was
    for (let i = 0; i < was.count; i++) {
      const kind = was.kind[i]!
      const value = was.low[i]!
      let expected = value
      if (kind === Kind.local)
        expected = value >= 0 && value < mappedLocals && this.#localKnown[value]! > 0 ? this.#localTo[value]! : value
      else if (kind === Kind.label) {
        const height = this.#blocks[this.#blocks.length - 1 - value] ?? -1
        if (height >= 0) expected = Math.max(0, this.#height - height)
      } else expected = this.#maps.predict(kind, value)
      this.#expected[i] = expected
    }
  }

  /** What the encoder wants: the script says which instructions belong together; whether all is as predicted shows here. */
  #wanted(source: CodeReader | null, action: number): number {
    if (source === null || action > Action.field) return action
    const { at } = source
    source.instruction(this.#now)
    source.at = at
    for (let i = 0; i < this.#was.count; i++) if (this.#differs(i)) return Action.field
    return Action.copy
  }

  #differs(i: number): boolean {
    const was = this.#was
    const now = this.#now
    const expected = this.#expected[i]!
    return (
      now.low[i] !== expected ||
      (isWide(was.kind[i]!) && now.high[i] !== was.high[i]) ||
      now.pad[i] !== expectedPad(was, i, expected)
    )
  }

  #codeAction(wanted: number, state: { history: number; last: number; wasOp: number; earlierOp: number }): number {
    const { history, last, wasOp, earlierOp } = state
    const was = this.#was
    const kind = was.count === 0 ? 0 : was.count > 7 ? 31 : was.kind[was.count - 1]!
    const { contexts } = this.#coder
    contexts[0] = context(Place.action, history & 0xff, kind)
    contexts[1] = context(Place.action, wasOp, history & 3, 1)
    contexts[2] = context(Place.action, (last << 5) | kind, history & 15, 2)
    contexts[3] = context(Place.action, wasOp, earlierOp, 4 | (history & 1))
    if (this.#coder.mix(4, 0, history & 15, wanted === Action.copy ? 1 : 0) === 1) return Action.copy
    if (this.#numbers.flag(context(Place.action, last, history & 3, 8), wanted === Action.insert)) return Action.insert
    if (was.count === 0) return Action.delete
    return this.#numbers.flag(context(Place.action, last, kind, 9), wanted === Action.delete)
      ? Action.delete
      : Action.field
  }

  #copy(): void {
    const was = this.#was
    const now = this.#now
    now.op = was.op
    now.count = was.count
    for (let i = 0; i < was.count; i++) this.#take(i)
  }

  /** One immediate as it is expected. */
  #take(i: number): void {
    const was = this.#was
    const now = this.#now
    const expected = this.#expected[i]!
    now.kind[i] = was.kind[i]!
    now.low[i] = expected
    now.high[i] = was.high[i]!
    now.pad[i] = was.pad[i] === 0 ? 0 : expectedPad(was, i, expected)
  }

  /** The same opcode with other immediates; at least one isn't as expected [D 5.4]. */
  #codeFields(): void {
    const was = this.#was
    const now = this.#now
    const { count } = was
    let changed = 0
    now.op = was.op
    now.count = count
    for (let i = 0; i < count; i++) {
      const kind = was.kind[i]!
      const forced = i === count - 1 && changed === 0
      if (
        !forced &&
        !this.#numbers.flag(context(Place.field, kind, Math.min(i, 8)), this.#numbers.encoding && this.#differs(i))
      ) {
        this.#take(i)
        continue
      }
      changed++
      now.kind[i] = kind
      this.#immediates.change(now, i, this.#expected[i]!, was.low[i]!)
      this.#learn(kind, was.low[i]!, now.low[i]!)
    }
  }

  #learn(kind: number, from: number, to: number): void {
    if (kind === Kind.local) this.#learnLocal(from, to)
    else if (kind === Kind.func || kind === Kind.global || kind === Kind.i32 || kind === Kind.offset)
      this.#maps.learn(kind, from, to)
  }

  /** Locals behind one that moved are expected to have moved as far. */
  #learnLocal(from: number, to: number): void {
    if (from < 0 || from >= mappedLocals) return
    for (let local = from; local < mappedLocals; local++) {
      if (local > from && this.#localKnown[local] === 2) break
      this.#localTo[local] = local + to - from
      this.#localKnown[local] = local === from ? 2 : 1
    }
  }
}
