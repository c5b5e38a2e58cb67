import { childrenMessage } from '@hypha/core/wire/messages/children.ts'
import { maxChildren } from '@hypha/core/wire/messages/state.ts'
import type { FleetTopics } from '@hypha/core/wire/topics.ts'
import type { Store } from '../store/store.ts'
import { transferSizes } from './chunks.ts'
import type { Publish } from './directive-packet.ts'

/** All of the message, with the few bytes around each envelope, stays below a packet. A board's directive has a kilobyte or two. */
const maxPacketBytes = 56_000
const perChildBytes = 64

type ChildrenStore = Pick<Store, 'directives' | 'nodes'>

export interface ChildrenPorts {
  readonly store: ChildrenStore
  readonly topics: FleetTopics
  readonly publish: Publish
}

/** Sends a node the directives of its boards, retained. Sixteen of the usual size have room in one packet; a board whose directive has none gets it once others have gone. */
export async function sendChildren(parent: string, { store, topics, publish }: ChildrenPorts): Promise<void> {
  const children: { node: string; envelope: Uint8Array }[] = []
  let left = maxPacketBytes
  for (const { id, revoked } of store.nodes.childrenOf(parent)) {
    const made = revoked === null ? store.directives.get(id) : null
    if (made === null || children.length === maxChildren) continue
    left -= made.envelope.length + perChildBytes
    if (left < 0) break
    children.push({ node: id, envelope: made.envelope })
  }
  await publish(topics.down(parent, 'children'), childrenMessage.encode({ children }), { retain: true, qos: 1 })
}

/** Bytes of a transfer that a node may ask for in the name of one of its boards; undefined where none of their directives lists it. */
export function sizeForChildren(parent: string, digest: string, store: ChildrenStore): number | undefined {
  for (const { id, revoked } of store.nodes.childrenOf(parent)) {
    const size = revoked === null ? transferSizes(store.directives.get(id)?.directive).get(digest) : undefined
    if (size !== undefined) return size
  }
  return undefined
}
