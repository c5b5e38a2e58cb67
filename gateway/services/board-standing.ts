import { bytesEqual } from '@hypha/core/bytes/text.ts'
import type { ChildState } from '@hypha/core/wire/messages/state.ts'
import type { NodeRecord } from '../store/nodes.ts'

/** How a board stands to the fleet. */
export type BoardStanding = 'pending' | 'accepted' | 'another-key' | 'name-taken'

/** By its id and key, whatever node it is at. A node that was removed, and has the key, is one that leaves. */
export function standingOf(child: Pick<ChildState, 'node' | 'key'>, known: NodeRecord | null): BoardStanding {
  if (known === null) return 'pending'
  if (known.tier !== 'mcu') return 'name-taken'
  return bytesEqual(known.publicKey, child.key) ? 'accepted' : 'another-key'
}
