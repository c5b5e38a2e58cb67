import type { PendingMessage } from './report/checkpoint-format.ts'
import type { Waiting } from './waiting-room.ts'

export interface OwnInputsPorts {
  /** Of this node's journal: the source of what its modules publish. */
  readonly incarnation: Uint8Array
  /** In order. */
  pendingMessages(): PendingMessage[]
}

/** What modules on this node have published for others on it that haven't handled it yet, in order. [P 9.4] */
export const ownInputs = ({ incarnation, pendingMessages }: OwnInputsPorts): Waiting[] =>
  pendingMessages().flatMap(({ number, from, targets, topic, payload }) => {
    const input = { id: { source: incarnation, number }, topic, payload, publisher: from.home }
    return targets.map((instance) => ({ instance, input }))
  })
