import { judgeHealth } from '../distribute/health.ts'
import { committedWave, type RolloutContext } from '../distribute/rollout-machine.ts'
import { windowsAt } from '../distribute/windows.ts'
import type { GatewayDeps } from './deps.ts'
import { observe } from './observation.ts'
import type { Releases } from './releases.ts'
import { asDirected, lastCommit, type Rollout, type RolloutRecord } from './rollout-record.ts'
import { Voters } from './rollout-voters.ts'

/** After the gateway's start: how long nodes that were there are believed to come back. */
const returnMs = 5_000
/** How often the app's health is looked at where it counts, and at most. */
export const healthEveryMs = 1_000

/** Reads together what decisions about a rollout depend on. */
export class RolloutContexts {
  readonly #deps: GatewayDeps
  readonly #releases: Releases
  readonly voters: Voters
  readonly #health = new Map<string, { readonly epoch: number; readonly atMs: number; readonly why: string | null }>()
  /** By the gateway's clock. */
  returnUntilMs = 0

  constructor(deps: GatewayDeps, releases: Releases) {
    this.#deps = deps
    this.#releases = releases
    this.voters = new Voters(deps.store)
  }

  /** The gateway starts: nodes come back. */
  start(): void {
    this.returnUntilMs = this.#deps.nowMs() + returnMs
  }

  /** Right after the gateway's start a node that was there is believed to come back: what is pushed then must not pass over the two phases. */
  #returns(node: string): boolean {
    return this.#deps.nowMs() < this.returnUntilMs && this.#deps.store.nodes.get(node)?.presence != null
  }

  isThere(node: string): boolean {
    return this.voters.isOnline(node) || this.#returns(node)
  }

  of(rollout: Rollout): RolloutContext {
    const { app, value } = rollout
    const nowMs = this.#deps.nowMs()
    const voters = this.voters.of(app, asDirected(rollout).value, (node) => this.#returns(node))
    let windows: ReturnType<typeof windowsAt> | null = null
    const contexts = this
    return {
      nowMs,
      policy: value.policy,
      waves: value.waves.length,
      voters,
      canRestore: value.from !== null && this.#mayRun(app, value.from),
      get health() {
        return contexts.#healthOf(app, value, nowMs)
      },
      window: (wave) => {
        windows ??= windowsAt(value.policy.windows, nowMs)
        const closed = voters
          .filter((voter) => voter.wave === wave && voter.online)
          .map(({ node }) => windows!(this.#labels(node)))
          .filter(({ open }) => !open)
        if (closed.length === 0) return { open: true, opensAtMs: null }
        const times = closed.map(({ opensAtMs }) => opensAtMs)
        return { open: false, opensAtMs: times.includes(null) ? null : Math.max(...(times as number[])) }
      },
    }
  }

  #labels(node: string): string[] {
    const record = this.#deps.store.nodes.get(node)
    return [...(record?.labels ?? []), ...(record?.inventory?.labels ?? [])]
  }

  #mayRun(app: string, { release, number }: { release: string; number: number }): boolean {
    return this.#releases.byDigest(release) !== null && number >= this.#releases.floor(app)
  }

  /** Looked at now and then only: it is read from the store. */
  #healthOf(
    app: string,
    { state, epoch: last, since: epoch = last, policy, waves }: RolloutRecord,
    nowMs: number,
  ): string | null {
    const committed = committedWave(state)
    if (committed < 0) return null
    const known = this.#health.get(app)
    if (known !== undefined && known.epoch === epoch && nowMs - known.atMs < healthEveryMs) return known.why
    const nodes = waves.slice(0, committed + 1).flat()
    const sinceMs = lastCommit(this.#deps.store, app)?.instantMs ?? nowMs
    const observation = observe(this.#deps.store, { app, epoch, nodes, bounds: policy.health, sinceMs })
    const flipped = {
      nodes: observation.nodes
        .filter(({ instances }) => instances.length > 0)
        .map((node) => (policy.ticks ? node : { ...node, missedTicks: [] })),
    }
    const why = judgeHealth(policy.health, flipped, policy.failurePercent)
    this.#health.set(app, { epoch, atMs: nowMs, why })
    return why
  }
}
