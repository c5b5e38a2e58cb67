import { bytes, list, message, record, type TypeOf } from '../codec.ts'
import { digest, id } from '../ids.ts'

/**
 * Retained on `b/release/<app>`: transfers of a release that many nodes need, published once for all. They need no signature of their own: a node takes of them only what the
 * directive that it holds lists by digest. [P 7.8]
 */
export const releaseMessage = message(
  'release message',
  record({ app: [1, id], release: [2, digest], attachments: [3, list(bytes({ max: 60_000 }), 64)] }),
)

export type ReleaseMessage = TypeOf<typeof releaseMessage>
