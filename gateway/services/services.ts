import { release } from '@hypha/core/trust/release.ts'
import type { Status } from '../admin/api/schemas/access.ts'
import type { PushAnswer } from '../admin/api/schemas/apps.ts'
import type { Caller, Services } from '../admin/api/services.ts'
import { explain } from '../place/explain.ts'
import { accessServices } from './access.ts'
import { AppViews } from './app-views.ts'
import { type Audit, auditOf } from './audit.ts'
import { configServices } from './config.ts'
import { dataServices } from './data.ts'
import type { GatewayDeps } from './deps.ts'
import { Feeds } from './feeds.ts'
import { nodeDetail, nodeSummary } from './node-views.ts'
import { notFound } from './not-found.ts'
import { Pipeline } from './pipeline.ts'
import type { Replanned } from './replan.ts'
import { NodeReports } from './reports.ts'

/** The gateway's inside, for the composition root to connect. */
export interface Gateway {
  /** For the HTTP API. */
  readonly services: Services
  /** Places and directs; `start` it once ingest and the broker run. */
  readonly pipeline: Pipeline
  /** To be told what nodes report, after it is stored. */
  readonly reports: NodeReports
  /** To be told of values, logs and events, after they are stored. */
  readonly feeds: Feeds
}

export function createGateway(deps: GatewayDeps): Gateway {
  const feeds = new Feeds()
  const pipeline = new Pipeline(deps, feeds)
  const reports = new NodeReports(deps, pipeline)
  const views = new AppViews(deps.store, pipeline.releases, reports)
  const audit = auditOf(deps)
  const startedAt = deps.clock.now()
  const services: Services = {
    status: async () => statusOf(deps, views, startedAt),
    nodes: nodeServices(deps, pipeline, audit),
    apps: appServices(pipeline, views, audit),
    config: configServices(deps, pipeline, audit),
    audit: async ({ before, limit }) =>
      deps.store.audit.list({ ...(before === undefined ? {} : { before }), ...(limit === undefined ? {} : { limit }) }),
    ...dataServices(deps, feeds),
    ...accessServices(deps, audit),
  }
  return { services, pipeline, reports, feeds }
}

function statusOf(deps: GatewayDeps, views: AppViews, startedAt: number): Status {
  const nodes = deps.store.nodes.list()
  const staying = nodes.filter(({ removedAt }) => removedAt === null)
  const apps = views.list()
  const { host, httpPort, mqttPort } = deps.address()
  const now = deps.clock.now()
  return {
    fleet: deps.store.fleet,
    version: deps.version,
    startedAt,
    now,
    nodes: { total: staying.length, online: staying.filter(({ presence }) => presence?.online).length },
    apps: apps.length,
    instances: {
      wanted: apps.reduce((sum, app) => sum + app.instances, 0),
      running: apps.reduce((sum, app) => sum + app.running, 0),
    },
    api: { host, port: httpPort },
    broker: { host, port: mqttPort },
    ca: deps.authority.certificate,
    notices: [
      ...apps
        .filter(({ complete }) => !complete)
        .map(({ name }) => `Not everything of ${name} has a place: see hypha plan --app ${name}.`),
      ...nodes.filter(({ removedAt }) => removedAt !== null).map(({ id }) => `${id} was removed and has not left yet.`),
      ...staying
        .filter(({ certificateExpiresAt }) => certificateExpiresAt < now + 14 * 86_400_000)
        .map(({ id }) => `The certificate of ${id} expires within two weeks or has expired.`),
    ],
  }
}

function nodeServices({ store }: GatewayDeps, pipeline: Pipeline, audit: Audit): Services['nodes'] {
  const known = (id: string) => {
    const node = store.nodes.get(id)
    if (node === null) throw notFound('node', id)
    return node
  }
  return {
    list: async () => store.nodes.list().map((node) => nodeSummary(store, node)),
    show: async (id) => nodeDetail(store, known(id)),
    remove: async (id, { force }, by) => {
      known(id)
      await pipeline.removeNode(id, force)
      audit(by, 'node.remove', id, { force })
    },
    change: async (id, { addLabels = [], removeLabels = [], zone }, by) => {
      const labels = new Set(known(id).labels)
      for (const label of removeLabels) labels.delete(label)
      for (const label of addLabels) labels.add(label)
      store.nodes.setLabels(id, [...labels].sort())
      if (zone !== undefined) store.nodes.setZone(id, zone)
      audit(by, 'node.change', id, { labels: [...labels].sort(), ...(zone === undefined ? {} : { zone }) })
      pipeline.replan()
      return nodeDetail(store, known(id))
    },
  }
}

function appServices(pipeline: Pipeline, views: AppViews, audit: Audit): Services['apps'] {
  const planOf = (app: string) => {
    const plan = views.planOf(app)
    if (plan === null) throw notFound('app', app)
    return plan
  }
  const activated = (made: Replanned, action: string, by: Caller): PushAnswer => {
    const { after: plan, epoch } = made
    audit(by, action, plan.app, { number: plan.release, digest: plan.digest, epoch })
    return { app: plan.app, number: plan.release, digest: plan.digest, epoch, plan }
  }
  return {
    list: async () => views.list(),
    show: async (app) => views.show(app),
    remove: async (app, by) => {
      await pipeline.removeApp(app)
      audit(by, 'app.remove', app)
    },
    releases: async (app) => views.releases(app),
    release: async (app, number) => views.release(app, number),
    removeRelease: async (app, number, by) => {
      await pipeline.removeRelease(app, number)
      audit(by, 'release.remove', `${app}@${number}`)
    },
    plan: async (app) => planOf(app),
    rollout: async (app) => views.rollout(app),
    why: async (app, module, home) => {
      const plan = planOf(app)
      const sentences = explain(plan, module, home)
      if (sentences.length === 0) throw notFound('module', `${module} in ${app}`)
      return { app, module, release: plan.release, sentences }
    },
    dryRun: async (payload) => pipeline.tryPlace(release.decode(payload), payload),
    push: async ({ envelope, components }, by) => activated(await pipeline.push(envelope, components), 'app.push', by),
    rollback: async (app, number, by) => activated(await pipeline.rollback(app, number), 'app.rollback', by),
  }
}
