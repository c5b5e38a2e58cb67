import { bytes, list, message, record, type TypeOf } from '../codec.ts'
import { id } from '../ids.ts'
import { maxChildren } from './state.ts'

/**
 * Retained on `n/<node>/down/children`: of each board of the node that belongs to the fleet, the signed directive. Boards whose cable is elsewhere aren't in it. Their contents are asked for as chunks,
 * by the node. [P 15.3]
 */
export const childrenMessage = message(
  'children',
  record({
    children: [
      1,
      list(
        record({
          node: [1, id],
          /** COSE_Sign1 over a `Directive` to the board. */
          envelope: [2, bytes({ max: 60_000 })],
        }),
        maxChildren,
      ),
    ],
  }),
  60_000,
)

export type ChildrenMessage = TypeOf<typeof childrenMessage>
