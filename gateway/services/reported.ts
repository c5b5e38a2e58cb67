import { type NodeState, state } from '@hypha/core/wire/messages/state.ts'
import type { NodeRecord } from '../store/nodes.ts'

/** What a node last reported; null before its first report. */
export const reportedBy = (node: NodeRecord): NodeState | null =>
  node.state === null ? null : state.decode(node.state.bytes)
