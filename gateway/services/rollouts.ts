import { fromHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { commit } from '@hypha/core/trust/commit.ts'
import { signOne } from '@hypha/core/trust/cose.ts'
import type { EventLine } from '../admin/api/schemas/data.ts'
import {
  beginning,
  committedWave,
  dueMs,
  hasEnded,
  next,
  preparingWave,
  type RolloutEvent,
  type RolloutState,
  type Step,
} from '../distribute/rollout-machine.ts'
import { policyOf, type RolloutOptions } from '../distribute/rollout-policy.ts'
import type { RolloutAct, RolloutServices, RolloutShown } from '../distribute/rollout-view.ts'
import type { Plan } from '../plan.ts'
import type { GatewayDeps } from './deps.ts'
import type { Feeds } from './feeds.ts'
import { notFound } from './not-found.ts'
import { tryPlace } from './place-apps.ts'
import type { Planner } from './planner.ts'
import type { StoredRelease } from './releases.ts'
import { choose, type Outcome, replan } from './replan.ts'
import { healthEveryMs, RolloutContexts } from './rollout-context.ts'
import { drawWaves, nextEpoch } from './rollout-draft.ts'
import {
  advanced,
  asDirected,
  currentRollout,
  lastCommit,
  type Rollout,
  type RolloutRecord,
  supersede,
} from './rollout-record.ts'
import type { Voters } from './rollout-voters.ts'
import { saysOf, shownOf } from './rollout-words.ts'

/** After something failed: a full disk, a key that isn't there. */
const retryMs = 2_000
/** As long as a timer may be. */
const maxTimerMs = 86_400_000

export interface Begin {
  readonly kind: 'push' | 'rollback'
  readonly options: RolloutOptions
}

/** Brings releases to the fleet in two phases: asks `rollout-machine.ts` what comes next, writes that down, and does it. */
export class Rollouts implements RolloutServices {
  readonly #deps: GatewayDeps
  readonly #planner: Planner
  readonly #contexts: RolloutContexts
  readonly #feeds: Feeds
  readonly #timers = new Map<string, () => void>()
  /** Nodes of the rollouts that are under way, by app. */
  readonly #nodes = new Map<string, ReadonlySet<string>>()
  readonly #toLook = new Set<string>()
  #stopped = false

  constructor(deps: GatewayDeps, planner: Planner, feeds: Feeds) {
    this.#deps = deps
    this.#feeds = feeds
    this.#planner = planner
    this.#contexts = new RolloutContexts(deps, planner.shop.releases)
  }

  /** Goes on with what was under way: a commit that was signed is published again, for the process may have died before it was. */
  start(): void {
    const { store, outlet } = this.#deps
    this.#stopped = false
    this.#contexts.start()
    for (const { id } of store.apps.list()) {
      const committed = store.rollouts.committed(id)
      if (committed?.commit) outlet.commit(id, committed.commit)
    }
    for (const { app } of store.rollouts.current()) {
      this.#arm(app)
      this.#lookSoon(app)
    }
  }

  stop(): void {
    this.#stopped = true
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
    this.#nodes.clear()
  }

  /**
   * Begins to bring a release to the fleet; call it within a transaction. Null where that is done at once instead: nobody is there who could prepare, or there is nothing to change
   * for anyone.
   */
  begin(wanted: StoredRelease, { kind, options }: Begin): Outcome | null {
    const { store } = this.#deps
    const { app } = wanted
    if (wanted.release.files !== null || store.epochs.carried().some((each) => each.app === app)) return null
    const latest = store.apps.latestPlan(app)
    const before = currentRollout(store, app)
    if (before?.value.release === wanted.digest && !hasEnded(before.value.state)) return replan(this.#planner.shop)
    // Also where something else is on its way: that ends, and nodes go back at once.
    if (latest?.release === wanted.digest) return null
    const nowMs = this.#deps.nowMs()
    const policy = policyOf(wanted.release.rollout, options, kind)
    const plan = tryPlace(this.#planner.shop, wanted)
    const from = latest && this.#planner.shop.releases.byDigest(latest.release)
    const draft = { policy, plan, waves: this.#waves(app, policy, plan) }
    const runs = new Set(plan.instances.map(({ node }) => node))
    const someone = draft.waves.flat().some((node) => runs.has(node) && this.#contexts.isThere(node))
    const waits = policy.approve || policy.windows.length > 0
    if (!someone && !waits) return null
    supersede(store, app, `Release ${wanted.number} takes its place`, nowMs)
    choose(this.#planner.shop, wanted)
    const value: RolloutRecord = {
      ...draft,
      kind,
      release: wanted.digest,
      number: wanted.number,
      epoch: nextEpoch(store, app),
      from: from && { release: from.digest, number: from.number },
      state: beginning({ policy, nowMs }),
      startedAt: Math.round(nowMs),
      endedAt: null,
      history: [],
    }
    const begun: Rollout = { app, id: store.rollouts.nextId(app), current: true, value, commit: null }
    const { state } = next(value.state, { kind: 'look' }, this.#contexts.of(begun))
    // What is committed is committed in a step of its own, for it is signed and sent.
    const first = state.at === 'preparing' || state.at === 'window' ? state : value.state
    store.rollouts.put(advanced(begun, first, saysOf(begun.value, first), nowMs))
    this.#lookSoon(app)
    return replan(this.#planner.shop)
  }

  /** A release is told to all nodes at once, in place of whatever was rolled out before. Call it within a transaction. */
  passOver(app: string): void {
    const { rollouts } = this.#deps.store
    const newest = rollouts.newest(app) as Rollout | null
    if (newest !== null) rollouts.put({ ...newest, value: { ...newest.value, passed: true } })
  }

  /** Where a release that is on its way is to run, and the epoch that it gets; null where none is. */
  onItsWay(app: string): { readonly plan: Plan; readonly epoch: number; readonly release: StoredRelease } | null {
    const current = currentRollout(this.#deps.store, app)
    if (current === null || hasEnded(current.value.state)) return null
    const { plan, epoch, release } = asDirected(current).value
    return { plan, epoch, release: this.#planner.shop.releases.byDigest(release)! }
  }

  /** What a node has just said of itself. */
  state(node: string, state: Parameters<Voters['state']>[1]): void {
    this.#contexts.voters.state(node, state)
    this.#lookFor(node)
  }

  presence(node: string, online: boolean): void {
    this.#contexts.voters.presence(node, online)
    this.#lookFor(node)
  }

  forget(node: string): void {
    this.#contexts.voters.forget(node)
    this.#lookFor(node)
  }

  show(app: string): RolloutShown {
    const newest = this.#deps.store.rollouts.newest(app) as Rollout | null
    if (newest === null) throw notFound('rollout', app)
    return shownOf(newest, this.#contexts.of(newest))
  }

  /** The newest, unless a release was told to all nodes at once since. */
  last(app: string): RolloutShown | null {
    const newest = this.#deps.store.rollouts.newest(app) as Rollout | null
    return newest === null || newest.value.passed ? null : shownOf(newest, this.#contexts.of(newest))
  }

  list(app: string): RolloutShown[] {
    if (!this.#deps.store.apps.has(app)) throw notFound('app', app)
    return (this.#deps.store.rollouts.list(app) as Rollout[]).map((rollout) =>
      shownOf(rollout, this.#contexts.of(rollout)),
    )
  }

  act(app: string, act: RolloutAct, by: string): RolloutShown {
    const { id, state } = this.show(app)
    const event: RolloutEvent = act === 'abort' ? { kind: act, why: `${by} has aborted it` } : { kind: act }
    const done = this.#step(app, event, `${by} says ${act}`)
    if (!done) {
      throw new HyphaError('rollout-state', `Rollout ${id} of ${app} is ${state}: it can't ${act}`, { where: app })
    }
    return this.show(app)
  }

  #waves(app: string, policy: RolloutRecord['policy'], plan: Plan): string[][] {
    return drawWaves(this.#planner.shop, { app, policy, plan, isThere: (node) => this.#contexts.isThere(node) })
  }

  #lookFor(node: string): void {
    for (const [app, nodes] of this.#nodes) if (nodes.has(node)) this.#lookSoon(app)
  }

  /** Once for all that is told in one turn of the event loop, and within it: a commit waits for nothing. */
  #lookSoon(app: string): void {
    if (this.#toLook.size === 0) queueMicrotask(() => this.#lookAtAll())
    this.#toLook.add(app)
  }

  #lookAtAll(): void {
    const apps = [...this.#toLook]
    this.#toLook.clear()
    if (this.#stopped) return
    for (const app of apps) {
      try {
        this.#step(app, { kind: 'look' }, null)
        this.#arm(app)
      } catch (error) {
        this.#deps.onFailure(error)
        this.#arm(app, retryMs)
      }
    }
  }

  /** One event: what follows from it is written down, then done. False where nothing follows. */
  #step(app: string, event: RolloutEvent, text: string | null): boolean {
    const current = currentRollout(this.#deps.store, app)
    if (current === null) return false
    const step = next(current.value.state, event, this.#contexts.of(current))
    if (step.state === current.value.state) return false
    this.#carryOut(current, step, text)
    this.#arm(app)
    return true
  }

  #carryOut(current: Rollout, { state, actions }: Step, text: string | null): void {
    const { store, outlet } = this.#deps
    const { app, value } = current
    const nowMs = this.#deps.nowMs()
    const texts = [...(text === null ? [] : [text]), ...saysOf(value, state)]
    let rollout = this.#withBack(current, this.#drawnAnew(current, advanced(current, state, texts, nowMs)))
    for (const action of actions) {
      if (action.kind !== 'commit') continue
      const { wave, instantMs } = action
      rollout = { ...rollout, commit: this.#sign(app, asDirected(rollout).value, wave, instantMs) }
    }
    if (rollout.commit !== current.commit && rollout.commit !== null) {
      // Written down before it is sent, and sent before anything else is done: in a large fleet a plan takes seconds.
      store.transaction(() => store.rollouts.put(rollout))
      outlet.commit(app, rollout.commit)
      // From its instant on what runs is another plan, by which inputs are routed. The commit is on its way by half the time.
      const { instantMs } = lastCommit(store, app)!
      this.#planner.replanIn(Math.max(0, (instantMs - nowMs) / 2))
      return
    }
    let events: readonly EventLine[] = []
    this.#planner.change(() => {
      store.rollouts.put(rollout)
      // With it: who dies in between must not have ended a rollout without a word.
      events = this.#eventsOf(app, state, texts)
      const restored = actions.some(({ kind }) => kind === 'restore')
      const release = restored ? this.#planner.shop.releases.byDigest(value.from!.release)! : undefined
      if (state.at !== 'restoring') return replan(this.#planner.shop, release)
      if (release !== undefined) choose(this.#planner.shop, release)
      return replan(this.#planner.shop)
    })
    this.#feeds.events.publish(events)
  }

  /** From the moment on at which it is taken back: where the release before is to run, and under which epoch. */
  #withBack(before: Rollout, after: Rollout): Rollout {
    const { app, value } = after
    if (value.state.at !== 'restoring' || value.back !== undefined) return after
    const kept = this.#contexts
      .of(before)
      .voters.filter(({ stage }) => stage === 'waiting' || stage === 'refused' || stage === 'failed')
    const plan = tryPlace(this.#planner.shop, this.#planner.shop.releases.byDigest(value.from!.release)!)
    const back = { epoch: nextEpoch(this.#deps.store, app), plan, kept: kept.map(({ node }) => node) }
    return { ...after, value: { ...value, back } }
  }

  /** Days may have gone by before its first wave: nodes have come and gone. Before a later one they may have been told of more than it has brought: its sections to prepare are above that. */
  #drawnAnew(before: Rollout, after: Rollout): Rollout {
    const { app, value } = after
    if (preparingWave(before.value.state) !== null || value.state.at !== 'preparing') return after
    if (value.state.wave > 0) {
      const { epoch, since = epoch } = value
      if ((this.#deps.store.apps.latestPlan(app)?.epoch ?? 0) <= epoch) return after
      return { ...after, value: { ...value, since, epoch: nextEpoch(this.#deps.store, app) } }
    }
    const plan = tryPlace(this.#planner.shop, this.#planner.shop.releases.byDigest(value.release)!)
    return {
      ...after,
      value: { ...value, plan, waves: this.#waves(app, value.policy, plan), epoch: nextEpoch(this.#deps.store, app) },
    }
  }

  #eventsOf(app: string, { at: what }: RolloutState, texts: readonly string[]): EventLine[] {
    if (what !== 'aborted' && what !== 'rolled-back' && what !== 'paused') return []
    const { store, clock } = this.#deps
    const of = { at: clock.now(), node: null, app, module: null, home: null, code: `rollout-${what}` }
    return texts.map((text) => store.events.add({ ...of, text: text.slice(0, 2_000) }))
  }

  #sign(app: string, { epoch, release }: RolloutRecord, wave: number, instantMs: number): Uint8Array {
    const { store, signer } = this.#deps
    const issuedMs = Math.round(this.#deps.nowMs())
    const payload = commit.encode({
      fleet: store.fleet,
      app,
      epoch,
      release: fromHex(release),
      wave,
      instantMs,
      issuedMs,
    })
    return signOne(payload, 'commit', signer())
  }

  /** Looks again when something happens by itself at the latest. */
  #arm(app: string, atLeastMs = 1): void {
    this.#timers.get(app)?.()
    this.#timers.delete(app)
    this.#nodes.delete(app)
    const current = this.#stopped ? null : currentRollout(this.#deps.store, app)
    if (current === null) return
    const nowMs = this.#deps.nowMs()
    const { state } = current.value
    const due = dueMs(state, nowMs)
    if (due === null) return
    this.#nodes.set(app, new Set(current.value.waves.flat()))
    const watches = committedWave(state) >= 0 && state.at !== 'paused' ? healthEveryMs : maxTimerMs
    const { returnUntilMs } = this.#contexts
    const returning = nowMs < returnUntilMs ? returnUntilMs - nowMs : maxTimerMs
    const inMs = Math.max(atLeastMs, Math.min(due - nowMs, watches, returning, maxTimerMs))
    this.#timers.set(
      app,
      this.#deps.clock.after(Math.ceil(inMs), () => this.#lookSoon(app)),
    )
  }
}
