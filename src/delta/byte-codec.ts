import { ByteAction } from './byte-actions.ts'
import { type ByteIndex, byteEdits } from './byte-edits.ts'
import type { Coder } from './coder.ts'
import { context, Place, quickContext } from './contexts.ts'
import { malformed } from './limits.ts'
import type { NumberCoder } from './numbers.ts'
import type { Sink } from './sink.ts'

/** After a streak of bytes as expected whole blocks are asked for, each twice as long as the one before; not again soon after a no [D 6.2]. */
const streakForBlocks = 16
const streakAfterNo = -48
const firstBlock = 32
const longestBlock = 4096

/** What the encoder knows: the bytes that shall come out, and where to find parts of them in the old ones. */
export interface ByteTarget {
  readonly bytes: Uint8Array
  readonly index: ByteIndex | null
}

/** Bytes by edits of old ones [D 6]. */
export class ByteCodec {
  readonly #numbers: NumberCoder
  readonly #coder: Coder
  #one = 0
  #two = 0

  constructor(numbers: NumberCoder) {
    this.#numbers = numbers
    this.#coder = numbers.coder
  }

  /** Codes `count` bytes that follow those of `old` from `from` on. Yields where more bytes of the patch are needed. */
  *code(
    old: Uint8Array,
    from: number,
    count: number,
    target: ByteTarget | null,
    sink: Sink,
  ): Generator<void, void, void> {
    const { actions, moves } =
      target === null ? { actions: null, moves: [] } : byteEdits(old, from, target.bytes, target.index)
    let at = from
    let history = 0xff
    let step = 0
    let moved = 0
    let block = firstBlock
    let streak = streakForBlocks
    let last: number = ByteAction.copy
    for (let done = 0; done < count; ) {
      while (this.#coder.starved) yield
      if (streak >= streakForBlocks && count - done >= block && old.length - at >= block) {
        const whole = actions !== null && copies(actions, step, block)
        if (this.#numbers.flag(context(Place.bytes, 8, block), whole)) {
          sink.put(old, at, at + block)
          at += block
          done += block
          step += block
          this.#two = old[at - 2]!
          this.#one = old[at - 1]!
          block = Math.min(longestBlock, block * 2)
          continue
        }
        block = firstBlock
        streak = streakAfterNo
      }
      const action = this.#action(old, at, history, last, actions === null ? ByteAction.insert : actions[step]!)
      step++
      last = action
      history = ((history << 1) | (action === ByteAction.copy ? 1 : 0)) & 0xffff
      streak = action === ByteAction.copy ? streak + 1 : Math.min(streak, 0)
      if (action === ByteAction.move) {
        at += this.#numbers.sint(context(Place.bytes, 9), moves[moved++] ?? 0)
        if (at < 0 || at > old.length) throw malformed('it moves out of the old bytes')
        continue
      }
      let byte = old[at]!
      if (action !== ByteAction.copy) {
        byte = this.#byte(action === ByteAction.replace ? byte : -1, target === null ? 0 : target.bytes[done]!)
      }
      sink.byte(byte)
      this.#two = this.#one
      this.#one = byte
      if (action !== ByteAction.insert) at++
      done++
    }
  }

  #action(old: Uint8Array, at: number, history: number, last: number, wanted: number): number {
    const numbers = this.#numbers
    // A move is followed by a byte: so no patch can move for ever [D 6.3].
    const mayMove = last !== ByteAction.move
    if (at >= old.length) {
      return mayMove && numbers.flag(context(Place.bytes, 10, history & 1), wanted === ByteAction.move)
        ? ByteAction.move
        : ByteAction.insert
    }
    const { contexts } = this.#coder
    const expected = old[at]!
    contexts[0] = quickContext(0x5bd1e995, history)
    contexts[1] = quickContext(0x6c8e9cf5, (expected << 2) | (history & 3))
    contexts[2] = quickContext(0x3c6ef372, (((this.#one << 8) | expected) << 1) | (history & 1))
    if (this.#coder.mix(3, 0, 48 + (history & 15), wanted === ByteAction.copy ? 1 : 0) === 1) return ByteAction.copy
    if (numbers.flag(context(Place.bytes, 11, history & 3), wanted === ByteAction.replace)) return ByteAction.replace
    if (!mayMove) return ByteAction.insert
    return numbers.flag(context(Place.bytes, 12, history & 3), wanted === ByteAction.move)
      ? ByteAction.move
      : ByteAction.insert
  }

  #byte(replaced: number, given: number): number {
    const { contexts } = this.#coder
    contexts[0] = context(Place.bytes, 3, isHex(replaced) ? 0x30 : replaced)
    contexts[3] = context(Place.bytes, 6, replaced < 0 ? 0 : 1)
    contexts[1] = context(Place.bytes, 4, this.#one)
    contexts[2] = context(Place.bytes, 5, this.#one, this.#two)
    return this.#numbers.mixedTree(4, replaced < 0 ? 64 : isHex(replaced) ? 65 : 67, 8, given)
  }
}

/** A digit of a hexadecimal number, as hashes in names are: what replaces one is any other. */
const isHex = (byte: number): boolean => (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66)

function copies(actions: Uint8Array, from: number, count: number): boolean {
  if (from + count > actions.length) return false
  for (let i = from; i < from + count; i++) if (actions[i] !== ByteAction.copy) return false
  return true
}
