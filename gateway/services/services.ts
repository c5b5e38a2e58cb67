import { openEnvelope } from '@hypha/core/trust/cose.ts'
import { release } from '@hypha/core/trust/release.ts'
import { maxReleaseBytes } from '@hypha/core/trust/snapshot.ts'
import { authoriseApp } from '../admin/api/permissions.ts'
import type { Status } from '../admin/api/schemas/access.ts'
import type { PushAnswer } from '../admin/api/schemas/apps.ts'
import type { Caller, Services } from '../admin/api/services.ts'
import { explain } from '../place/explain.ts'
import { accessServices } from './access.ts'
import { AppViews } from './app-views.ts'
import { type Audit, auditOf } from './audit.ts'
import { Boards } from './boards.ts'
import { configServices } from './config.ts'
import { dataServices } from './data.ts'
import { createDenials } from './denials.ts'
import type { GatewayDeps } from './deps.ts'
import { escalationViews, stuckNotices } from './escalation-views.ts'
import { Feeds } from './feeds.ts'
import { idleNotices } from './idle-notices.ts'
import { nodeNotices, nodeServices } from './nodes.ts'
import { notFound } from './not-found.ts'
import { Pipeline } from './pipeline.ts'
import { unknownText } from './proof.ts'
import type { Pushed, RolledBack } from './pushes.ts'
import { askWhatIf, askWhyNot } from './questions.ts'
import { NodeReports } from './reports.ts'
import { rootNotices, rootServices } from './root.ts'

/** The gateway's inside, for the composition root to connect. */
export interface Gateway {
  /** For the HTTP API. */
  readonly services: Services
  /** Places and directs; `start` it once ingest and the broker run. */
  readonly pipeline: Pipeline
  /** To be told what nodes report, after it is stored. */
  readonly reports: NodeReports
  /** To be told what nodes say of their boards, and boards by way of them. */
  readonly boards: Boards
  /** To be told of values, logs and events, after they are stored. */
  readonly feeds: Feeds
}

export function createGateway(deps: GatewayDeps): Gateway {
  const feeds = new Feeds()
  const pipeline = new Pipeline(deps, feeds)
  const reports = new NodeReports(deps, pipeline, feeds)
  const boards = new Boards(deps, pipeline, feeds)
  const views = new AppViews(deps, pipeline, reports)
  const audit = auditOf(deps)
  const startedAt = deps.clock.now()
  const services: Services = {
    status: async () => statusOf(deps, pipeline, views, startedAt),
    nodes: nodeServices(deps, pipeline, boards, audit),
    apps: appServices(pipeline, views, reports.links, audit),
    rollouts: rolloutServices(pipeline, reports, audit),
    root: rootServices(deps, pipeline, audit),
    config: configServices(deps, pipeline, audit),
    audit: async ({ before, limit }) =>
      deps.store.audit.list({ ...(before === undefined ? {} : { before }), ...(limit === undefined ? {} : { limit }) }),
    auditChain: async ({ after = 0, limit = 1_000 }) => deps.store.audit.chain({ after, limit }),
    denied: createDenials(deps),
    links: { list: async (app) => reports.links.list(app) },
    ...dataServices(deps, feeds),
    ...accessServices(deps, audit),
  }
  return { services, pipeline, reports, boards, feeds }
}

function statusOf(deps: GatewayDeps, pipeline: Pipeline, views: AppViews, startedAt: number): Status {
  const nodes = deps.store.nodes.list()
  const staying = nodes.filter(({ removedAt, revoked }) => removedAt === null && revoked === null)
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
      ...rootNotices(deps, now),
      ...apps
        .filter(({ complete }) => !complete)
        .map(({ name }) => `Not everything of ${name} has a place: see hypha plan --app ${name}.`),
      ...apps.flatMap(({ name }) => stuckNotices(name, views.planOf(name))),
      ...idleNotices(deps.store, pipeline.releases),
      ...signatureNotices(deps, pipeline),
      ...nodeNotices(deps),
    ],
  }
}

/** What waits for signatures, what has too few of them by now, and what nodes run that isn't known here. */
function signatureNotices({ store }: GatewayDeps, pipeline: Pipeline): string[] {
  const waiting = store.apps.list().flatMap(({ id }) => {
    const found = store.apps.allReleases(id).find(({ pending }) => pending)
    if (found === undefined) return []
    const { signed: count, threshold } = pipeline.pushes.signed(pipeline.releases.byDigest(found.digest)!)
    return [`${id} ${found.number} is signed ${count} of ${threshold}, and waits: hypha sign ${id}@${found.number}.`]
  })
  const weak = store.apps.list().flatMap(({ id }) => {
    const current = store.apps.latestPlan(id)
    const found = current && pipeline.releases.byDigest(current.release)
    if (!found) return []
    const { signed: count, threshold } = pipeline.pushes.signed(found, 'inForce')
    if (count >= threshold) return []
    return [
      `${id} ${found.number} has ${count} of ${threshold} signatures of the release role: hypha sign ${id}@${found.number}.`,
    ]
  })
  const unknown = Map.groupBy(store.epochs.carried(), ({ app }) => app)
  return [
    ...waiting,
    ...weak,
    ...[...unknown].map(
      ([app, rows]) =>
        `${unknownText(
          rows.map(({ node }) => node),
          app,
          store,
        )}.`,
    ),
  ]
}

/** The app that an envelope names. Nobody vouches for it yet: whoever signed other words for the same bytes is refused when they are verified. */
const appIn = (envelope: Uint8Array): string =>
  release.decode(openEnvelope(envelope, 'release', maxReleaseBytes).unverifiedPayload).app

function rolloutServices({ rollouts }: Pipeline, { receipts }: NodeReports, audit: Audit): Services['rollouts'] {
  return {
    list: async (app) => rollouts.list(app),
    act: async (app, act, by) => {
      const shown = rollouts.act(app, act, by.name)
      const { id, release, state } = shown
      audit(by, `rollout.${act}`, app, { id, release, state })
      return shown
    },
    receipts: async (app, epoch) => receipts.list(app, epoch),
  }
}

function appServices(pipeline: Pipeline, views: AppViews, links: NodeReports['links'], audit: Audit): Services['apps'] {
  const planOf = (app: string) => {
    const plan = views.planOf(app)
    if (plan === null) throw views.unknown(app)
    return plan
  }
  const answer = (made: Pushed, action: string, by: Caller): PushAnswer => {
    const travels = views.travels(made.release)
    const { release, plan, epoch, pending, signed, threshold } = made
    const { app, number, digest } = release
    audit(by, action, app, { number, digest, epoch, signed, threshold })
    return { app, number, digest, epoch, plan, travels, pending, signed, threshold, signedBy: [...made.signedBy] }
  }
  const rolledBack = ({ after: plan, release, epoch }: RolledBack): Pushed => {
    return { release, plan, epoch, pending: false, ...pipeline.pushes.signed(release) }
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
    whyNot: async (app, module, node, home) => {
      const { release } = planOf(app)
      return { app, module, release, sentences: askWhyNot(pipeline.planner.shop, app, module, node, home) }
    },
    whatIf: async (app, { without = [], interfaces = [], memory = [], measured }) => {
      const counted = measured === true ? links.list(app) : null
      return askWhatIf(pipeline.planner.shop, app, { without, interfaces, memory }, counted)
    },
    comeHome: async (app, { module, home }, by) => {
      const released = pipeline.escalation.release(app, module, home)
      for (const { node, home: of } of released) audit(by, 'app.come-home', app, { module, home: of, node })
      return escalationViews(released, planOf(app))
    },
    dryRun: async (payload, by) => {
      const planned = release.decode(payload)
      authoriseApp(by, planned.app)
      return pipeline.tryPlace(planned, payload)
    },
    push: async ({ envelope, components }, by, options) => {
      authoriseApp(by, appIn(envelope))
      return answer(await pipeline.pushes.push(envelope, components, options), 'app.push', by)
    },
    sign: async (app, number, envelope, by) => {
      authoriseApp(by, app)
      return answer(await pipeline.pushes.sign(app, number, envelope), 'release.sign', by)
    },
    envelope: async (app, number) => views.envelope(app, number),
    pushed: async (app, number) => views.pushed(app, number),
    rollback: async (app, number, by) => {
      authoriseApp(by, app)
      return answer(rolledBack(await pipeline.pushes.rollback(app, number)), 'app.rollback', by)
    },
  }
}
