import { context, Place, quickContext } from './contexts.ts'
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
  /** Number of the body that is coded. */
  readonly body: number
  /** Whether the last immediate is expected to change, and how sure that is. */
  readonly sure: number
}

/** One action; `wanted` is the encoder's. */
export function codeAction(numbers: NumberCoder, wanted: number, was: Instruction, state: ActionState): number {
  const { history, last, wasOp, earlierOp, body, sure } = state
  const kind = was.count === 0 ? 0 : was.count > 7 ? 31 : was.kind[was.count - 1]!
  const { contexts } = numbers.coder
  const low = was.count === 0 ? 0 : was.low[was.count - 1]!
  contexts[0] = quickContext(0x1b873593, ((history & 0xff) << 5) | kind)
  contexts[1] = quickContext(0x19d699a5, (wasOp << 2) | (history & 3))
  contexts[2] = quickContext(0x7ed55d16, (last << 9) | (kind << 4) | (history & 15))
  contexts[3] = quickContext(0x4cf5ad43, (wasOp << 12) | (earlierOp << 1) | (history & 1))
  const seen = Math.imul(low, 0x165667b1) ^ ((wasOp << 5) | kind)
  contexts[4] = quickContext(0x27d4eb2f, seen)
  contexts[5] = quickContext(0x3c2d1e0f, (seen + Math.imul(body, 0x9e3779b1)) | 0)
  contexts[6] = quickContext(0x5a17c3e9, (sure << 13) | (wasOp << 2) | (history & 3))
  contexts[7] = quickContext(0x6f4b29d1, (sure << 13) | (kind << 8) | (history & 0xff))
  if (numbers.coder.mix(8, 0, history & 15, wanted === Action.copy ? 1 : 0) === 1) return Action.copy
  if (numbers.flag(context(Place.action, last, history & 3, 8), wanted === Action.insert)) return Action.insert
  if (was.count === 0) return Action.delete
  return numbers.flag(context(Place.action, last, kind, 9), wanted === Action.delete) ? Action.delete : Action.field
}
