import { asHyphaError } from '@hypha/core/errors.ts'
import type { LinkView } from '../admin/api/schemas/links.ts'
import { worthFollowing } from '../place/measured.ts'
import type { EventRecord } from '../store/records.ts'
import type { GatewayDeps } from './deps.ts'
import { keepTraffic, keptTraffic, trafficOf } from './measured.ts'
import { placeInput } from './place-apps.ts'
import type { Planner } from './planner.ts'
import { replan } from './replan.ts'
import { directs, type Rollout } from './rollout-record.ts'

/** How often links are looked at. */
const lookEveryMs = 5 * 60_000
/** What was moved stays for so long, whatever is counted. */
const settledMs = 30 * 60_000

/** Places apps that allow it by what their links carry in fact: `follow = "measured"` in `hypha.toml`. */
export class Following {
  readonly #deps: GatewayDeps
  readonly #planner: Planner
  readonly #links: (app: string) => readonly LinkView[]
  #cancel = (): void => undefined

  constructor(deps: GatewayDeps, planner: Planner, links: (app: string) => readonly LinkView[]) {
    this.#deps = deps
    this.#planner = planner
    this.#links = links
  }

  start(): void {
    this.#cancel = this.#deps.clock.after(lookEveryMs, () => {
      this.start()
      try {
        this.look()
      } catch (thrown) {
        this.#deps.onFailure(asHyphaError(thrown))
      }
    })
  }

  stop(): void {
    this.#cancel()
  }

  /** One app after another: what one is given, the next has not. */
  look(): void {
    const { store } = this.#deps
    const rollouts = store.rollouts.current() as Rollout[]
    const judged = new Set(rollouts.filter(directs).map(({ app }) => app))
    for (const [app, { digest }] of this.#planner.plans) if (!judged.has(app)) this.#follow(app, digest)
  }

  #follow(app: string, digest: string): void {
    const { store, clock } = this.#deps
    const { shop } = this.#planner
    const release = shop.releases.byDigest(digest)
    if (release === null || release.release.follow !== 'measured') return
    const now = clock.now()
    const kept = keptTraffic(store.meta, app, digest)
    if (kept !== null && now - kept.at < settledMs) return
    const change = worthFollowing(placeInput(shop, release), trafficOf(this.#links(app)))
    if (change === null) return
    const cost = `${rounded(change.costBefore)} a second as they were, and cost ${rounded(change.costAfter)} now`
    const text = `${app} is placed by what its links were counted to carry: they would have cost ${cost}`
    const events: EventRecord[] = []
    this.#planner.change(() => {
      keepTraffic(store.meta, app, { at: now, digest, traffic: change.traffic })
      events.push(store.events.add({ app, module: null, home: null, node: null, code: 'measured', text, at: now }))
      return replan(shop)
    }, events)
  }
}

const rounded = (cost: number): number => Math.round(cost * 100) / 100
