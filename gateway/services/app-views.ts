import { toHex } from '@hypha/core/bytes/text.ts'
import type { ReleaseModule } from '@hypha/core/trust/release.ts'
import type { SectionState } from '@hypha/core/wire/messages/state.ts'
import type { AppDetail, AppSummary, ReleaseDetail, ReleaseSummary, RolloutView } from '../admin/api/schemas/apps.ts'
import { type RolloutNode, rolloutOf } from '../distribute/rollout.ts'
import type { Plan } from '../plan.ts'
import type { ReleaseRecord } from '../store/apps.ts'
import type { Store } from '../store/store.ts'
import { reportedBy } from './node-views.ts'
import { notFound } from './not-found.ts'
import type { Releases, StoredRelease } from './releases.ts'
import type { NodeReports } from './reports.ts'

/** Reads apps, releases and rollouts out of the store, as the API shows them. */
export class AppViews {
  readonly #store: Store
  readonly #releases: Releases
  readonly #reports: NodeReports

  constructor(store: Store, releases: Releases, reports: NodeReports) {
    this.#store = store
    this.#releases = releases
    this.#reports = reports
  }

  list(): AppSummary[] {
    const sections = this.#sections()
    return this.#store.apps.list().map((app) => this.#summary(app, sections))
  }

  show(name: string): AppDetail {
    const app = this.#store.apps.list().find(({ id }) => id === name)
    if (app === undefined) throw notFound('app', name)
    const sections = this.#sections()
    const plan = this.planOf(name)
    const online = new Set(this.#store.nodes.list().flatMap(({ id, presence }) => (presence?.online ? [id] : [])))
    return {
      ...this.#summary(app, sections),
      where: (plan?.instances ?? []).map(({ module, home, node, scope }) => {
        const reported = sections
          .get(node)
          ?.get(name)
          ?.instances.find((item) => item.module === module && item.home === home)
        const unknown = { module, home, status: 'waiting', restarts: 0, turns: 0, error: null }
        return { ...(reported ?? unknown), node, scope, online: online.has(node) }
      }),
    }
  }

  #summary(app: { id: string; createdAt: number }, sections: Sections): AppSummary {
    const [latest] = this.#store.apps.releases(app.id)
    const record = this.#store.apps.latestPlan(app.id)
    const plan = record && (record.json as Plan)
    const running = (plan?.instances ?? []).filter(({ module, home, node }) => {
      const reported = sections.get(node)?.get(app.id)?.instances ?? []
      return reported.some((item) => item.module === module && item.home === home && item.status === 'running')
    })
    return {
      name: app.id,
      createdAt: app.createdAt,
      release: plan?.release ?? null,
      label: (record && this.#releases.byDigest(record.release)?.label) ?? '',
      latest: latest?.number ?? 0,
      floor: this.#releases.floor(app.id),
      epoch: record?.epoch ?? 0,
      complete: plan?.complete ?? false,
      instances: plan?.instances.length ?? 0,
      running: running.length,
    }
  }

  /** What each node says of each app. */
  #sections(): Sections {
    return new Map(
      this.#store.nodes.list().map((node) => {
        const sections = reportedBy(node)?.sections ?? []
        return [node.id, new Map(sections.map((section) => [section.app, section]))]
      }),
    )
  }

  /** Null for an app that was never placed. */
  planOf(app: string): Plan | null {
    return (this.#store.apps.latestPlan(app)?.json as Plan | undefined) ?? null
  }

  releases(app: string): ReleaseSummary[] {
    if (!this.#store.apps.has(app)) throw notFound('app', app)
    return this.#store.apps.releases(app).map((record) => this.#releaseSummary(record))
  }

  release(app: string, number: number): ReleaseDetail {
    const found = this.#releases.byNumber(app, number)
    if (found === null) throw notFound('release', `${number} of ${app}`)
    return { ...this.#releaseSummary(found), floor: found.release.floor, modules: modulesOf(found) }
  }

  #releaseSummary({ app, number, label, digest, createdAt }: ReleaseRecord): ReleaseSummary {
    return { app, number, label, digest, createdAt, current: this.#store.apps.latestPlan(app)?.release === digest }
  }

  rollout(app: string): RolloutView {
    const record = this.#store.apps.latestPlan(app)
    if (record === null) throw notFound('app', app)
    const directives = new Map(this.#store.directives.list().map((made) => [made.node, made.directive]))
    const nodes = this.#store.nodes.list().map((node): RolloutNode => {
      const reported = reportedBy(node)
      return {
        node: node.id,
        online: node.presence?.online === true,
        directive: directives.get(node.id) ?? null,
        state: reported && { value: reported, at: node.state!.at },
        progress: this.#reports.progress.get(node.id, app),
      }
    })
    const rollout = rolloutOf(app, nodes)
    return { ...rollout, release: (record.json as Plan).release, nodes: [...rollout.nodes] }
  }
}

type Sections = ReadonlyMap<string, ReadonlyMap<string, SectionState>>

const modulesOf = ({ release }: StoredRelease): ReleaseDetail['modules'] =>
  release.modules.map(({ name, component, core, world, features, spec }) => ({
    name,
    component: artifactView(component),
    core: core && artifactView(core),
    imports: world.imports.map((item) => item.name),
    exports: world.exports.map((item) => item.name),
    memoryBytes: spec.limits.memoryBytes,
    features: [...features],
    timerMs: spec.timerMs,
    subscribe: [...spec.subscribe],
    publish: [...spec.publish],
  }))

const artifactView = ({ digest, size }: ReleaseModule['component']) => ({ digest: toHex(digest), size })
