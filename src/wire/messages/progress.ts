import { message, record, type TypeOf, uint } from '../codec.ts'
import { digest, id } from '../ids.ts'

/** On `n/<node>/up/progress`: how much of a release the node holds, durably. */
export const progress = message(
  'progress',
  record({
    app: [1, id],
    epoch: [2, uint(0xffff_ffff)],
    release: [3, digest],
    bytes: [4, uint()],
    ofBytes: [5, uint()],
  }),
  256,
)

export type Progress = TypeOf<typeof progress>
