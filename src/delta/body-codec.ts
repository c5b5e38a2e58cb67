import { bytesEqual } from '../bytes/text.ts'
import { BlockStack } from './block-stack.ts'
import { Action, codeAction } from './body-actions.ts'
import type { InstructionMapper } from './body-map.ts'
import type { CodeMemory } from './code-memory.ts'
import { CodeReader } from './code-reader.ts'
import type { Coder } from './coder.ts'
import { context, Place } from './contexts.ts'
import type { ImmediateCoder } from './immediates.ts'
import { expectedPad, Instruction, writeInstruction } from './instruction.ts'
import { malformed } from './limits.ts'
import { codeLocals } from './locals.ts'
import { LocalsMap } from './locals-map.ts'
import type { Maps } from './maps.ts'
import type { Module, Span } from './module.ts'
import type { NumberCoder } from './numbers.ts'
import { NumbersMap } from './numbers-map.ts'
import { endOpcode, isWide, Kind, opensBlock } from './opcodes.ts'
import { Sink } from './sink.ts'

/** After a streak of instructions as expected whole blocks are asked for, each twice as long as the one before; not again soon after a no [D 5.5]. */
const streakForBlocks = 12
const streakAfterNo = -24
const firstBlock = 16
const longestBlock = 1024

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
  readonly #mapper: InstructionMapper
  readonly #frame = { locals: new LocalsMap(), blocks: new BlockStack() }
  /** What the encoder needs to see whether a block could be taken over. */
  readonly #savedBlocks = new BlockStack()
  readonly #known = new NumbersMap()
  readonly #trial: Sink
  readonly #memory: CodeMemory
  readonly #walk: (instructions: number) => void

  constructor(
    numbers: NumberCoder,
    old: Module,
    maps: Maps,
    immediates: ImmediateCoder,
    mapper: InstructionMapper,
    memory: CodeMemory,
    walk: (instructions: number) => void,
    most: number,
  ) {
    this.#numbers = numbers
    this.#coder = numbers.coder
    this.#old = old.bytes
    this.#maps = maps
    this.#immediates = immediates
    this.#mapper = mapper
    this.#memory = memory
    this.#walk = walk
    this.#trial = new Sink(2 * (old.bytes.length + most))
  }

  /** Yields where more bytes of the patch are needed. */
  *code(reference: Span | null, target: BodyTarget | null, sink: Sink): Generator<void, void, void> {
    const reader = reference === null ? null : new CodeReader(this.#old, reference.start, reference.end)
    const source = target === null ? null : new CodeReader(target.bytes, target.body.start, target.body.end)
    yield* codeLocals(this.#numbers, reader, source, sink)
    const { locals, blocks } = this.#frame
    locals.clear()
    blocks.clear()
    this.#known.begin()
    this.#memory.begin(reader?.at ?? 0, reference?.end ?? 0)
    const was = this.#was
    const now = this.#now
    let history = 0xff
    let last: number = Action.copy
    let wasOp = 0
    let earlierOp = 0
    let step = 0
    let have = false
    let fetchedAt = 0
    const fetch = () => {
      have = reader !== null && !reader.done
      if (!have) return
      this.#walk(1)
      fetchedAt = reader!.at
      reader!.instruction(was)
      earlierOp = wasOp
      wasOp = was.op
    }
    fetch()
    let streak = 0
    let size = firstBlock
    while (blocks.height >= 0) {
      while (this.#coder.starved) yield
      if (have && streak >= streakForBlocks) {
        const from = fetchedAt
        const whole = source !== null && this.#canTake(from, reference!.end, size, source, target!.script, step)
        if (this.#numbers.flag(context(Place.action, Math.min(size, longestBlock), 0, 10), whole)) {
          const length = sink.length
          reader!.at = this.#take(from, reference!.end, size, sink)
          if (source !== null) source.at += sink.length - length
          step += this.#mapper.walked
          size = Math.min(longestBlock, size * 2)
          if (blocks.height < 0) break
          fetch()
          continue
        }
        size = firstBlock
        streak = streakAfterNo
      }
      let action: number = Action.insert
      if (have) {
        this.#predict()
        const wanted = this.#wanted(source, target?.script?.[step] ?? Action.insert)
        action = codeAction(this.#numbers, wanted, was, {
          history,
          last,
          wasOp,
          earlierOp,
          body: this.#memory.body,
          sure: this.#sure(),
        })
      }
      step++
      streak = action === Action.copy ? streak + 1 : Math.min(streak, 0)
      history = ((history << 1) | (action === Action.copy ? 1 : 0)) & 0xffff
      last = action
      if (action === Action.delete) {
        if (opensBlock(was.op)) blocks.openOld()
        else if (was.op === endOpcode) blocks.closeOld()
        fetch()
        continue
      }
      source?.instruction(now)
      if (action === Action.copy && this.#copy(fetchedAt, reader!.at, sink)) {
        this.#immediates.remember(was)
        this.#confirm()
        this.#enter(was.op, action)
        fetch()
        continue
      }
      if (action === Action.field) this.#codeFields()
      else if (action === Action.copy) this.#confirm()
      else if (action === Action.insert) yield* this.#immediates.insert(now, have ? wasOp : -1)
      writeInstruction(sink, now)
      this.#immediates.remember(now)
      this.#enter(now.op, action)
      if (action !== Action.insert) fetch()
    }
  }

  /** Whether the encoder may have the next `most` old instructions taken over as they are expected. */
  #canTake(
    from: number,
    end: number,
    most: number,
    source: CodeReader,
    script: Uint8Array | null,
    step: number,
  ): boolean {
    const { blocks } = this.#frame
    const trial = this.#trial
    trial.length = 0
    this.#savedBlocks.copyFrom(blocks)
    const next = this.#mapper.write(from, end, most, trial, this.#frame)
    blocks.copyFrom(this.#savedBlocks)
    if (next < 0 || script === null) return false
    if (!script.subarray(step, step + this.#mapper.walked).every((action) => action <= Action.field)) return false
    return bytesEqual(trial.view(), source.bytes.subarray(source.at, source.at + trial.length))
  }

  /** Takes over up to `most` old instructions; answers where the next begins [D 5.5]. */
  #take(from: number, end: number, most: number, sink: Sink): number {
    const next = this.#mapper.write(from, end, most, sink, this.#frame)
    if (next < 0) throw malformed('it takes over code that refers to what is gone')
    this.#walk(this.#mapper.walked)
    return next
  }

  /** What is known of the last immediate that is expected. */
  #sure(): number {
    const was = this.#was
    if (was.count === 0) return 0
    const last = was.count - 1
    const moved = was.low[last] === this.#expected[last] ? 0 : 4
    if (was.kind[last] === Kind.local) return moved + this.#frame.locals.trust(was.low[last]!)
    if (!this.#isNumber(last)) return moved
    const known = this.#known
    known.suggest(was.kind[last]!, was.low[last]!)
    return 8 + known.firstSure * 3 + known.secondSure
  }

  /** Whether an immediate is a number that is no address. */
  #isNumber(i: number): boolean {
    const { kind, low } = this.#was
    const value = low[i]!
    return (
      (kind[i] === Kind.i32 || kind[i] === Kind.offset) && (value < this.#maps.lowest || value >= this.#maps.highest)
    )
  }

  #enter(op: number, action: number): void {
    const { blocks } = this.#frame
    const both = action !== Action.insert
    if (opensBlock(op)) {
      if (both) blocks.open()
      else blocks.height++
    } else if (op === endOpcode) {
      if (both) blocks.close()
      else blocks.height--
    }
  }

  /** What the old instruction's immediates are expected to be [D 5.3]. */
  #predict(): void {
    const was = this.#was
    const { locals, blocks } = this.#frame
    for (let i = 0; i < was.count; i++) {
      const kind = was.kind[i]!
      const value = was.low[i]!
      const expected =
        kind === Kind.local
          ? locals.get(value)
          : kind === Kind.label
            ? blocks.label(value)
            : this.#maps.predict(kind, value)
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

  /** The old instruction as it is expected; true where that is how it was, which is written then. */
  #copy(from: number, to: number, sink: Sink): boolean {
    const was = this.#was
    const now = this.#now
    let moved = false
    for (let i = 0; i < was.count; i++) if (was.low[i] !== this.#expected[i]) moved = true
    if (!moved) {
      sink.put(this.#old, from, to)
      return true
    }
    now.op = was.op
    now.count = was.count
    for (let i = 0; i < was.count; i++) this.#expect(i)
    return false
  }

  #confirm(): void {
    const was = this.#was
    for (let i = 0; i < was.count; i++) {
      if (was.kind[i] === Kind.local) this.#frame.locals.confirm(was.low[i]!)
      else if (this.#isNumber(i)) this.#known.learn(was.kind[i]!, was.low[i]!, was.low[i]!)
    }
  }

  /** One immediate as it is expected. */
  #expect(i: number): void {
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
        this.#expect(i)
        continue
      }
      changed++
      now.kind[i] = kind
      if (this.#isNumber(i)) {
        this.#known.suggest(kind, was.low[i]!)
        this.#immediates.changeNumber(now, i, was.low[i]!, this.#known)
        this.#known.learn(kind, was.low[i]!, now.low[i]!)
        continue
      }
      this.#immediates.change(now, i, this.#expected[i]!, was.low[i]!)
      this.#learn(kind, was.low[i]!, now.low[i]!)
    }
  }

  #learn(kind: number, from: number, to: number): void {
    if (kind === Kind.local) this.#frame.locals.learn(from, to)
    else if (kind === Kind.func || kind === Kind.global || kind === Kind.i32 || kind === Kind.offset)
      this.#maps.learn(kind, from, to)
  }
}
