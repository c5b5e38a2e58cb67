import { HyphaError } from '@hypha/core/errors.ts'
import type { Services } from '../admin/api/services.ts'
import type { Audit } from './audit.ts'
import { type Boards, keyName } from './boards.ts'
import type { GatewayDeps } from './deps.ts'
import { nodeDetail, nodeSummary } from './node-views.ts'
import { notFound } from './not-found.ts'
import type { Pipeline } from './pipeline.ts'

/** What an operator sees of nodes, and does with them. */
export function nodeServices(deps: GatewayDeps, pipeline: Pipeline, boards: Boards, audit: Audit): Services['nodes'] {
  const { store, clock, outlet } = deps
  const known = (id: string) => {
    const node = store.nodes.get(id)
    if (node === null) throw notFound('node', id, store.nodes.list())
    return node
  }
  const detail = (id: string) => nodeDetail(store, known(id), pipeline.escalation.vitalsOf(id))
  return {
    list: async () => store.nodes.list().map((node) => nodeSummary(store, node)),
    show: async (id) => detail(id),
    remove: async (id, { force }, by) => {
      // Who isn't let in can't be told to leave.
      const { revoked, clonedAt } = known(id)
      await pipeline.removeNode(id, force || revoked !== null || clonedAt !== null)
      audit(by, 'node.remove', id, { force })
    },
    accept: async (id, board, by) => {
      const { key } = boards.accept(id, board)
      audit(by, 'board.accept', board, { parent: id, key: keyName(key) })
      return detail(board)
    },
    revoke: async (id, { reason = null }, by) => {
      if (known(id).revoked !== null) {
        throw new HyphaError('node-revoked', `${id} has been revoked already`, {
          where: id,
          mend: `Give its name to another device (hypha invite ${id} --replace), or forget it (hypha node rm ${id}).`,
        })
      }
      store.transaction(() => {
        store.nodes.revoke(id, reason, clock.now())
        store.invites.withdrawOf(id)
        audit(by, 'node.revoke', id, { reason })
      })
      // What ingest remembers of whom it listens to.
      store.series.generation++
      outlet.nodeRevoked(id)
      pipeline.planner.replan()
      return { node: detail(id), secrets: store.given.secretsOf(id) }
    },
    change: async (id, { addLabels = [], removeLabels = [], zone }, by) => {
      const labels = new Set(known(id).labels)
      for (const label of removeLabels) labels.delete(label)
      for (const label of addLabels) labels.add(label)
      store.nodes.setLabels(id, [...labels].sort())
      if (zone !== undefined) store.nodes.setZone(id, zone)
      audit(by, 'node.change', id, { labels: [...labels].sort(), ...(zone === undefined ? {} : { zone }) })
      pipeline.planner.replan()
      return detail(id)
    },
  }
}

/** What should be done about nodes, for whoever looks at the fleet. */
export function nodeNotices({ store, clock }: Pick<GatewayDeps, 'store' | 'clock'>): string[] {
  const soon = clock.now() + 14 * 86_400_000
  return store.nodes.list().flatMap(({ id, revoked, clonedAt, removedAt, certificateExpiresAt }) => {
    if (clonedAt !== null) {
      return `Two machines have the keys of ${id}, and neither is let in: hypha invite ${id} --replace, then hypha-agent join URL --again on the genuine one.`
    }
    // What was revoked waits for nothing.
    if (revoked !== null) return []
    if (removedAt !== null) return `${id} was removed and has not left yet.`
    if (certificateExpiresAt < soon) return `The certificate of ${id} expires within two weeks or has expired.`
    return []
  })
}
