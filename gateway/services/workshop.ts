import type { Transfers } from '../distribute/transfers.ts'
import type { NodeRecord } from '../store/nodes.ts'
import type { GatewayDeps } from './deps.ts'
import type { PatchRefusals } from './holdings.ts'
import type { Releases } from './releases.ts'
import type { Secrets } from './secrets.ts'

/** What placing and directing an app reads and writes. */
export interface Workshop extends Pick<GatewayDeps, 'store' | 'crypto' | 'clock' | 'signer' | 'root'> {
  readonly releases: Releases
  readonly transfers: Transfers
  readonly refusals: PatchRefusals
  readonly secrets: Secrets
  /** Whether a node is away and its leases have run out. */
  readonly lost: (node: string) => boolean
  /** Whether it was that, and is back only now: what comes and goes gets nothing that could be elsewhere. */
  readonly settles: (node: string) => boolean
}

/** Key of the highest epoch of any app that was removed: one that comes back under its name goes on above it. */
export const epochFloorKey = 'epoch floor'

/** All nodes, and which of them are away for longer than their leases. */
export const nodesOf = ({ store, lost, settles }: Workshop): NodeRecord[] =>
  store.nodes.list().map((node) => {
    if (lost(node.id)) return { ...node, lost: true }
    return settles(node.id) ? { ...node, settles: true } : node
  })
