import type { Store } from '../../../gateway/store/store.ts'
import { addNode, addRelease, addSamples, seriesKey, t0 } from './support.ts'

/** A node and an app with something of everything. */
export function fill(store: Store, node: string, app: string): void {
  const instance = { node, app, module: 'sampler', home: node }
  store.invites.addInvite({
    tokenDigest: `token of ${node}`,
    node,
    tier: 'device',
    labels: [],
    replaces: false,
    createdAt: t0,
    expiresAt: t0 + 1,
    used: null,
  })
  addNode(store, node)
  store.nodes.setPresence(node, { connection: 1, online: true, run: null, journal: null }, t0)
  store.runs.add(node, new Uint8Array(8))
  store.given.assign(node, instance)
  store.given.sealedTo(node, app, 'token')
  addRelease(store, app)
  const core = store.contents.put(new TextEncoder().encode(`${app} core 1`))
  store.contents.putTransfer(
    core,
    { encoding: 'brotli', base: null, digest: `transfer of ${app}`, size: 3 },
    new Uint8Array(3),
  )
  const plan = { app, release: `digest of ${app} 1`, createdAt: t0 }
  store.apps.addPlan({ ...plan, epoch: store.meta.next('epoch'), json: { places: [node] } })
  store.apps.addPlan({ ...plan, epoch: store.meta.next('epoch'), json: { places: [] } })
  store.directives.put(
    { fleet: store.fleet, node, version: 1, issuedMs: t0, expiresMs: t0 + 1, sections: [], leave: false },
    new Uint8Array(9),
  )
  store.settings.set({ app, module: 'sampler', node, key: 'unit', setting: { kind: 'plain', value: 'C' } }, t0)
  store.settings.set({ app, module: null, node: null, key: 'unit', setting: { kind: 'plain', value: 'K' } }, t0)
  store.tokens.add({ name: 'ci', digest: 'digest of ci', role: 'operator', apps: [], createdAt: t0, expiresAt: null })
  store.clients.put({
    name: 'grafana',
    fingerprint: 'cd',
    grants: { read: [], write: [] },
    createdAt: t0,
    expiresAt: t0,
  })
  store.audit.add({ at: t0, actor: 'local', action: 'node.invite', subject: node, details: { app } })
  addSamples(store, seriesKey(instance), [
    [t0, 1, 21],
    [t0 + 100_000, 2, 22],
  ])
  store.events.add({ at: t0, ...instance, code: 'trapped', text: 'unreachable' })
  const bar = { cause: 'memory', text: 'trapped', release: null, since: t0, until: t0 + 1, times: 1, liftedAt: null }
  store.escalations.put({ ...instance, ...bar })
  store.logs.add({ at: t0, ...instance, level: 'info', text: 'hello' })
  store.inputs.add({ ...instance, topic: 'limit', payload: new Uint8Array(2), queuedAt: t0 })
  const gone = store.inputs.add({ ...instance, topic: 'limit', payload: new Uint8Array(2), queuedAt: t0 })
  store.inputs.handled(instance, gone!.number, 'failed', t0)
  store.marks.put(node, seriesKey().incarnation, 2, t0)
}
