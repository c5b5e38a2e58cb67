import { toHex } from '@hypha/core/bytes/text.ts'
import type { ChildState, SectionState } from '@hypha/core/wire/messages/state.ts'
import type { NodeDetail, NodeSummary, SectionView } from '../admin/api/schemas/nodes.ts'
import type { NodeVitals } from '../escalate/vitals.ts'
import type { Plan } from '../plan.ts'
import type { NodeRecord } from '../store/nodes.ts'
import type { Store } from '../store/store.ts'
import { standingOf } from './board-standing.ts'
import { reportedBy } from './reported.ts'

export function nodeSummary(store: Store, node: NodeRecord, reported = reportedBy(node)): NodeSummary {
  return {
    id: node.id,
    tier: node.tier,
    online: node.presence?.online === true,
    seenAt: node.presence?.at ?? null,
    labels: [...node.labels],
    zone: node.zone,
    createdAt: node.createdAt,
    removedAt: node.removedAt,
    revoked: node.revoked && { ...node.revoked },
    clonedAt: node.clonedAt,
    agentVersion: node.inventory?.agentVersion ?? null,
    parent: node.parent,
    directive: { wanted: store.directives.version(node.id), held: reported?.directive ?? 0 },
    apps: (reported?.sections ?? []).map(({ app }) => app),
  }
}

/** `vitals`: what the node has said of itself; null where it has said nothing. */
export function nodeDetail(store: Store, node: NodeRecord, vitals: NodeVitals | null): NodeDetail {
  const reported = reportedBy(node)
  const { inventory } = node
  return {
    ...nodeSummary(store, node, reported),
    certificate: { fingerprint: node.fingerprint, expiresAt: node.certificateExpiresAt },
    inventory: inventory && {
      ...inventory,
      interfaces: [...inventory.interfaces],
      features: [...inventory.features],
      forms: [...inventory.forms],
      sensors: [...inventory.sensors],
      actuators: [...inventory.actuators],
      labels: [...inventory.labels],
      // Null also for what was stored before there was such a field.
      updates: inventory.updates ? [...inventory.updates] : null,
    },
    memoryUsedBytes: memoryUsedOn(store, node.id),
    bootedAt: reported?.bootedMs ?? null,
    sections: (reported?.sections ?? []).map((section) => sectionView(store, section)),
    refused: reported?.refused ? { code: reported.refused.code, message: reported.refused.message } : null,
    inputs: { waiting: store.inputs.count(node.id), failed: store.inputs.failedCount(node.id) },
    boards: (reported?.children ?? []).map((board) => boardView(store, board)),
    vitals: vitalNames.flatMap((name) => {
      const vital = vitals?.of[name]
      if (vital === undefined) return []
      const { value, bound, clear, badSince } = vital
      return [{ name, value, bound, clear, badSince }]
    }),
  }
}

const vitalNames = ['battery', 'free-memory', 'cpu'] as const

const boardView = (store: Store, board: ChildState): NodeDetail['boards'][number] => ({
  id: board.node,
  key: toHex(board.key),
  standing: standingOf(board, store.nodes.get(board.node)),
  connected: board.connected,
  hardware: board.inventory.arch,
  firmware: board.inventory.agentVersion,
  memoryBytes: board.inventory.memoryBytes,
  slotBytes: board.slotBytes,
  interfaces: [...board.inventory.interfaces],
  sensors: [...board.inventory.sensors],
  actuators: [...board.inventory.actuators],
  directive: board.directive,
  sections: board.sections.map((section) => sectionView(store, section)),
})

function memoryUsedOn(store: Store, node: string): number {
  const plans = store.apps.list().map(({ id }) => store.apps.latestPlan(id)?.json as Plan | undefined)
  const instances = plans.flatMap((plan) => plan?.instances ?? [])
  return instances.filter((instance) => instance.node === node).reduce((sum, { memoryBytes }) => sum + memoryBytes, 0)
}

function sectionView(store: Store, section: SectionState): SectionView {
  const named = (digest: Uint8Array) => {
    const hex = toHex(digest)
    return { digest: hex, number: store.apps.releaseByDigest(hex)?.number ?? null }
  }
  return {
    app: section.app,
    epoch: section.epoch,
    release: named(section.release),
    status: section.status,
    code: section.code,
    message: section.message,
    running: section.running && named(section.running),
    instances: section.instances.map((instance) => ({ ...instance })),
  }
}
