import { ByteAction } from '../byte-actions.ts'
import type { McuCoder } from './coder.ts'
import { context, Place } from './places.ts'
import { Slot } from './state.ts'

/** What is done for the next byte [D 10.3], where an old byte of a kind of token stands there, or none. */
export function codeAction(
  coder: McuCoder,
  slots: Int32Array,
  old: { readonly kind: number; readonly expected: number } | null,
  wanted: number,
): number {
  const history = slots[Slot.history]!
  const mayMove = slots[Slot.moved] === 0
  if (old === null) {
    return mayMove && coder.bit(context(Place.action + 4, history & 1), wanted === ByteAction.move ? 1 : 0) === 1
      ? ByteAction.move
      : ByteAction.insert
  }
  const { kind, expected } = old
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

/** A byte that stands for an old one, given with its kind of token, or for none (-1). */
export function codeByte(coder: McuCoder, slots: Int32Array, replaced: number, wanted: number): number {
  const [one, two] = [slots[Slot.one]!, slots[Slot.two]!]
  coder.contexts[0] = context(Place.byte + 1, 0, replaced < 0 ? 0x2000 : replaced)
  coder.contexts[1] = context(Place.byte + 2, one)
  coder.contexts[2] = context(Place.byte + 3, one, two)
  return coder.mixedTree(replaced < 0 ? 18 : 17, 8, wanted)
}
