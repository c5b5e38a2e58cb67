import { bytesEqual } from '@hypha/core/bytes/text.ts'
import type { ChildState } from '@hypha/core/wire/messages/state.ts'
import type { NodeRecord } from '../store/nodes.ts'
import type { Store } from '../store/store.ts'
import { reportedBy } from './reported.ts'

/** How a board stands to the fleet. */
export type BoardStanding = 'pending' | 'accepted' | 'another-key' | 'name-taken'

/** By its id and key, whatever node it is at. A node that was removed, and has the key, is one that leaves. */
export function standingOf(child: Pick<ChildState, 'node' | 'key'>, known: NodeRecord | null): BoardStanding {
  if (known === null) return 'pending'
  if (known.tier !== 'mcu') return 'name-taken'
  return bytesEqual(known.publicKey, child.key) ? 'accepted' : 'another-key'
}

/** Below, a board has no room for a directive that says both what it runs and what it prepares. */
const twoPhaseBytes = 4_096

/** Whether a node is a board that is told a release after its commit: it has no vote in a rollout, and catches up. [P 15.7] */
export function isLateBoard({ nodes }: Pick<Store, 'nodes'>, id: string): boolean {
  const parent = nodes.parentOf(id)
  const at = parent === null ? null : nodes.get(parent)
  const child = at && reportedBy(at)?.children?.find(({ node }) => node === id)
  return (child?.envelopeBytes ?? twoPhaseBytes) < twoPhaseBytes
}
