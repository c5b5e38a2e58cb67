import { list, message, record, type TypeOf, uint } from '../codec.ts'
import { digest } from '../ids.ts'

/** Bytes of each chunk but the last. */
export const chunkBytes = 32_768

const range = record({ first: [1, uint(2_048)], count: [2, uint(2_048, 1)] })

/**
 * On `n/<node>/up/want`: the chunks of a transfer that the node lacks. It has subscribed to them already; chunk `n` on `b/c/<digest>/<n>` is
 * the bytes from `n · 32,768` on, as they are. A node that resumes asks for the rest only. [P 7.3]
 */
export const want = message('want', record({ digest: [1, digest], ranges: [2, list(range, 64)] }), 4_096)

export type Want = TypeOf<typeof want>
