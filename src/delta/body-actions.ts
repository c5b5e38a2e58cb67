import { context, Place } from './contexts.ts'
import type { Instruction } from './instruction.ts'
import type { NumberCoder } from './numbers.ts'

/** What is done with the next instruction of the old body [D 5.2]. */
export const Action = { copy: 0, field: 1, insert: 2, delete: 3 } as const

/** What has been done so far within one body. */
export interface ActionState {
  /** A bit for each action, ones for copies; the last one is the lowest. */
  readonly history: number
  readonly last: number
  /** Opcodes of the old instruction, and of the one before it. */
  readonly wasOp: number
  readonly earlierOp: number
}

/** One action; `wanted` is the encoder's. */
export function codeAction(numbers: NumberCoder, wanted: number, was: Instruction, state: ActionState): number {
  const { history, last, wasOp, earlierOp } = state
  const kind = was.count === 0 ? 0 : was.count > 7 ? 31 : was.kind[was.count - 1]!
  const { contexts } = numbers.coder
  contexts[0] = context(Place.action, history & 0xff, kind)
  contexts[1] = context(Place.action, wasOp, history & 3, 1)
  contexts[2] = context(Place.action, (last << 5) | kind, history & 15, 2)
  contexts[3] = context(Place.action, wasOp, earlierOp, 4 | (history & 1))
  contexts[4] = context(Place.action, was.count === 0 ? 0 : was.low[was.count - 1]!, kind, 16 | (wasOp << 8))
  if (numbers.coder.mix(5, 0, history & 15, wanted === Action.copy ? 1 : 0) === 1) return Action.copy
  if (numbers.flag(context(Place.action, last, history & 3, 8), wanted === Action.insert)) return Action.insert
  if (was.count === 0) return Action.delete
  return numbers.flag(context(Place.action, last, kind, 9), wanted === Action.delete) ? Action.delete : Action.field
}
