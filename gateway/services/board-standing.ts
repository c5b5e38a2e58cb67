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
  return (envelopeBytes({ nodes }, id) ?? twoPhaseBytes) < twoPhaseBytes
}

/** The longest envelope that a board takes; null for a node that is none, or whose parent hasn't said. */
function envelopeBytes({ nodes }: Pick<Store, 'nodes'>, id: string): number | null {
  const parent = nodes.parentOf(id)
  const at = parent === null ? null : nodes.get(parent)
  return (at && reportedBy(at)?.children?.find(({ node }) => node === id)?.envelopeBytes) ?? null
}

/** Why a board will refuse its directive by its length alone, in a sentence; null where it won't. */
export function tooLongFor(store: Pick<Store, 'nodes'>, node: string, envelope: Uint8Array): string | null {
  const most = envelopeBytes(store, node)
  if (most === null || envelope.length <= most) return null
  return `What ${node} is told would take ${envelope.length} bytes, and it takes ${most}: settings, root keys and the module's contents are in it`
}

/** More directives than any gateway makes between two backups: whoever says that he holds a higher one would use up all versions. */
const maxJump = 1_000_000

/** The version of the directive that a board says that it holds, where this gateway can't have forgotten more of them; else 0. */
export function heldByBoard({ nodes, directives }: Pick<Store, 'nodes' | 'directives'>, id: string): number {
  const record = nodes.get(id)
  const held = (record && reportedBy(record)?.directive) ?? 0
  return held > directives.version(id) + maxJump ? 0 : held
}
