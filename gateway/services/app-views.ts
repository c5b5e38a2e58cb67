import { toHex } from '@hypha/core/bytes/text.ts'
import type { HyphaError } from '@hypha/core/errors.ts'
import type { ReleaseModule } from '@hypha/core/trust/release.ts'
import { filesFor } from '@hypha/core/trust/shape.ts'
import type { SectionState } from '@hypha/core/wire/messages/state.ts'
import type {
  AppDetail,
  AppSummary,
  ReleaseDetail,
  ReleaseEnvelope,
  ReleaseSummary,
  RolloutView,
  Travel,
} from '../admin/api/schemas/apps.ts'
import type { Push } from '../admin/api/services.ts'
import { type RolloutNode, rolloutOf } from '../distribute/rollout.ts'
import type { RolloutShown } from '../distribute/rollout-view.ts'
import type { Plan } from '../plan.ts'
import type { Store } from '../store/store.ts'
import type { GatewayDeps } from './deps.ts'
import { escalationViews } from './escalation-views.ts'
import { notFound } from './not-found.ts'
import type { Pipeline } from './pipeline.ts'
import type { Releases, StoredRelease } from './releases.ts'
import { reportedBy } from './reported.ts'
import type { NodeReports } from './reports.ts'
import { travelsOf } from './travels.ts'

/** Reads apps, releases and rollouts out of the store, as the API shows them. */
export class AppViews {
  readonly #store: Store
  readonly #root: GatewayDeps['root']
  readonly #pipeline: Pipeline
  readonly #releases: Releases
  readonly #reports: NodeReports

  constructor({ store, root }: Pick<GatewayDeps, 'store' | 'root'>, pipeline: Pipeline, reports: NodeReports) {
    this.#store = store
    this.#root = root
    this.#pipeline = pipeline
    this.#releases = pipeline.releases
    this.#reports = reports
  }

  /** That there is no such app, with the one that was probably meant. */
  unknown(name: string): HyphaError {
    return notFound('app', name, this.#store.apps.list())
  }

  list(): AppSummary[] {
    const sections = this.#sections()
    return this.#store.apps.list().map((app) => this.#summary(app, sections))
  }

  show(name: string): AppDetail {
    const app = this.#store.apps.list().find(({ id }) => id === name)
    if (app === undefined) throw this.unknown(name)
    const sections = this.#sections()
    const plan = this.planOf(name)
    const online = new Set(this.#store.nodes.list().flatMap(({ id, presence }) => (presence?.online ? [id] : [])))
    return {
      ...this.#summary(app, sections),
      where: (plan?.instances ?? []).map(({ module, home, node, scope, leased }) => {
        const reported = sections
          .get(node)
          ?.get(name)
          ?.instances.find((item) => item.module === module && item.home === home)
        const unknown = { module, home, status: 'waiting', restarts: 0, turns: 0, error: null }
        const shown = { ...(reported ?? unknown), node, scope, online: online.has(node) }
        const moves = this.#reports.checkpoints.noteOf({ app: name, module, home, node })
        const waits = this.#pipeline.leases.noteOf({ app: name, module, home }, { ...shown, leased: leased === true })
        const note = waits ?? moves
        return note === null ? shown : { ...shown, note }
      }),
      escalations: escalationViews(this.#store.escalations.inForce(name), plan),
    }
  }

  #summary(app: { id: string; createdAt: number }, sections: Sections): AppSummary {
    const [latest] = this.#store.apps.allReleases(app.id)
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
      pending: this.#store.apps.allReleases(app.id).find(({ pending }) => pending)?.number ?? null,
      floor: this.#releases.floor(app.id),
      epoch: record?.epoch ?? 0,
      complete: plan?.complete ?? false,
      ...(this.#installed(app.id, record?.release ?? null, sections) ?? {
        instances: plan?.instances.length ?? 0,
        running: running.length,
      }),
    }
  }

  /** Of a built-in app: the nodes that install it by themselves, and those that run its release. Null for every other. */
  #installed(app: string, digest: string | null, sections: Sections): Pick<AppSummary, 'instances' | 'running'> | null {
    const stored = digest === null ? null : this.#releases.byDigest(digest)
    if (stored === null || stored.release.files === null) return null
    const nodes = this.#store.nodes
      .list()
      .filter(
        ({ inventory, removedAt }) =>
          removedAt === null &&
          inventory?.updates?.includes(app) &&
          filesFor(stored.release, inventory.arch).length > 0,
      )
    const running = nodes.filter(({ id }) => {
      const release = sections.get(id)?.get(app)?.running ?? null
      return release !== null && toHex(release) === digest
    })
    return { instances: nodes.length, running: running.length }
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
    const inForce = this.#store.apps.latestPlan(app)?.json as Plan | undefined
    return inForce ?? this.#pipeline.rollouts.onItsWay(app)?.plan ?? null
  }

  releases(app: string): ReleaseSummary[] {
    if (!this.#store.apps.has(app)) throw this.unknown(app)
    return this.#store.apps
      .allReleases(app)
      .map((record) => this.#releaseSummary(this.#releases.byDigest(record.digest)!))
  }

  release(app: string, number: number): ReleaseDetail {
    const found = this.#releases.byNumber(app, number)
    if (found === null) throw notFound('release', `${number} of ${app}`)
    return { ...this.#releaseSummary(found), floor: found.release.floor, modules: modulesOf(found) }
  }

  #releaseSummary(found: StoredRelease): ReleaseSummary {
    const { app, number, label, digest, createdAt, pending } = found
    const current = this.#store.apps.latestPlan(app)?.release === digest
    const { signed, threshold, signedBy } = this.#pipeline.pushes.signed(found)
    return { app, number, label, digest, createdAt, current, pending, signed, threshold, signedBy: [...signedBy] }
  }

  /** What a further hand signs. */
  envelope(app: string, number: number): ReleaseEnvelope {
    const found = this.#releases.byNumber(app, number)
    if (found === null) throw notFound('release', `${number} of ${app}`)
    const { label: _label, createdAt: _createdAt, ...summary } = this.#releaseSummary(found)
    const { threshold, keys } = this.#root().release
    return {
      ...summary,
      envelope: Buffer.from(this.#releases.envelopeToSign(found)).toString('base64'),
      role: { threshold, keys: keys.map(toHex) },
      running: this.planOf(app)?.release ?? null,
    }
  }

  travels(release: StoredRelease): Travel[] {
    return travelsOf(release, this.#store)
  }

  /** A release as it was pushed. */
  pushed(app: string, number: number): Push {
    const found = this.#releases.byNumber(app, number)
    if (found === null) throw notFound('release', `${number} of ${app}`)
    const { modules, files } = found.release
    const artifacts = [...modules.map(({ component }) => component), ...(files ?? []).map(({ artifact }) => artifact)]
    const digests = new Set(artifacts.map(({ digest }) => toHex(digest)))
    const components = [...digests].map((digest) => this.#store.contents.get(digest)!)
    return { envelope: this.#releases.envelopeToSign(found), components }
  }

  rollout(app: string): RolloutView {
    const record = this.#store.apps.latestPlan(app)
    const shown = this.#pipeline.rollouts.last(app)
    const onItsWay = this.#pipeline.rollouts.onItsWay(app)
    if (record === null && shown === null) throw this.unknown(app)
    const directives = new Map(this.#store.directives.list().map((made) => [made.node, made.directive]))
    const nodes = this.#store.nodes.list().map((node): RolloutNode => {
      const reported = reportedBy(node)
      return {
        node: node.id,
        online: node.presence?.online === true,
        directive: directives.get(node.id) ?? null,
        state: reported && { value: reported, at: node.state!.at },
        progress: this.#reports.progress.get(node.id, app),
        later: onItsWay === null ? null : laterOf(shown!, node.id),
      }
    })
    const rollout = rolloutOf(app, nodes)
    const phases = shown && { release: shown.release, state: shown.state, waitsFor: shown.waitsFor, why: shown.why }
    return {
      ...rollout,
      release: onItsWay?.release.number ?? (record?.json as Plan | undefined)?.release ?? 0,
      phases: phases ?? null,
      // A rollout that waits for somebody's word, or for its window, has told no node yet.
      done: rollout.done && (onItsWay === null || shown!.committed >= 0),
      nodes: [...rollout.nodes],
    }
  }
}

/** Why a node isn't told yet; null where it is. */
function laterOf({ waves, wave, committed, state, waitsFor }: RolloutShown, node: string): string | null {
  const own = waves.findIndex((nodes) => nodes.includes(node))
  if (own <= committed || (own === wave && state !== 'window')) return null
  return waves.length === 1 ? waitsFor : `waits for wave ${own + 1} of ${waves.length}; the rollout ${waitsFor}`
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
