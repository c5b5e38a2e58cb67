import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import { type Checkpoint, checkpoint, checkpointAck, kept } from '@hypha/core/wire/messages/checkpoint.ts'
import type { NodeState } from '@hypha/core/wire/messages/state.ts'
import { Assembly } from '../handover/assemble.ts'
import type { Holder, InstanceId } from '../store/handovers.ts'
import type { EventRecord } from '../store/records.ts'
import type { GatewayDeps } from './deps.ts'
import type { Feeds } from './feeds.ts'
import type { Planner } from './planner.ts'

type CheckpointDeps = Pick<GatewayDeps, 'store' | 'clock' | 'crypto' | 'nowMs' | 'outlet'>

/** What nodes say of what their instances keep, and that one has come to where it is to be. */
export class Checkpoints {
  readonly #deps: CheckpointDeps
  readonly #planner: Planner
  readonly #feeds: Feeds
  readonly #assembly: Assembly

  constructor(deps: CheckpointDeps, planner: Planner, feeds: Feeds) {
    this.#deps = deps
    this.#planner = planner
    this.#feeds = feeds
    this.#assembly = new Assembly(deps.crypto.sha256, () => deps.clock.monotonic())
  }

  /** A connection has ended. */
  forget(node: string): void {
    this.#assembly.forget(node)
  }

  /**
   * What came on a node's `up/checkpoint`. Answers the acknowledgement of a checkpoint that is whole, when it is stored. Throws what the messages throw, and `message-malformed` for one of
   * another instance. [P 13.2]
   */
  piece(node: string, message: Uint8Array): Uint8Array | null {
    const made = this.#assembly.add(node, message)
    if (made === null) return null
    const outcome = this.#take(node, checkpoint.decode(made.whole))
    return checkpointAck.encode({ digest: made.digest, outcome })
  }

  #take(node: string, said: Checkpoint): 'stored' | 'unwanted' {
    const { store } = this.#deps
    const { app, module, home } = said
    const instance = { app, module, home }
    if (!store.nodes.accepts(node) || !store.apps.has(app) || !store.given.wasAssigned(node, instance))
      return 'unwanted'
    const { letGo, queued, events } = store.transaction(() => this.#write(node, said))
    this.#feeds.events.publish(events)
    if (queued.size > 0) this.#deps.outlet.inputsMoved([...queued])
    if (letGo) this.#planner.replanInBackground()
    return 'stored'
  }

  #write(node: string, said: Checkpoint) {
    const { store, clock } = this.#deps
    const { app, module, home, final, number, incarnation } = said
    const instance = { app, module, home }
    const holder = store.handovers.holder(instance)
    const now = clock.now()
    const { queued, events } = this.#queueWaiting(node, said, holder, now)
    // Of who hasn't it, or has it from before it was elsewhere, nothing counts but what waits.
    if (holder === null || holder.node !== node || holder.status === 'free' || holder.move !== said.move) {
      return { letGo: false, queued, events }
    }
    const before = store.handovers.checkpoint(instance)
    const older =
      before !== null && before.node === node && bytesEqual(before.incarnation, incarnation) && before.number > number
    if (!older) this.#keep(node, said, now)
    if (!final) return { letGo: false, queued, events }
    const lost =
      said.kept === null && said.unbegun !== true ? `it keeps more than can go from ${node} to another node` : null
    store.handovers.put({ ...holder, status: 'free', since: now, lost })
    store.handovers.depart(node, instance, { incarnation, number })
    return { letGo: true, queued, events }
  }

  #keep(node: string, said: Checkpoint, at: number): void {
    if (said.kept === null) return
    const { store } = this.#deps
    const { app, module, home, incarnation, number, turns, stoppedMs: stopped } = said
    const content = kept.decode(said.kept)
    if (instanceName(content) !== instanceName({ app, module, home })) {
      throw new HyphaError(
        'message-malformed',
        `${node} sends what ${instanceName(content)} keeps for another instance`,
      )
    }
    const handled = content.handled.find(({ source }) => bytesEqual(source, store.meta.source))?.number ?? 0
    const record = { app, module, home, node, incarnation, number, at, turns, stopped, handled, kept: said.kept }
    store.handovers.putCheckpoint(record)
  }

  /** What the node's own modules have published for the instance, and it didn't handle: it waits here now, once. */
  #queueWaiting(node: string, said: Checkpoint, holder: Holder | null, now: number) {
    const { store } = this.#deps
    const { app, module, home, incarnation, waiting } = said
    const instance = { app, module, home }
    const queued = new Set<string>()
    const events: EventRecord[] = []
    if (waiting.length === 0 || holder === null) return { queued, events }
    const known = store.handovers.departure(node, instance)
    const same = known.incarnation !== null && bytesEqual(known.incarnation, incarnation)
    const after = same ? known.waited : 0
    // Where it is on its way, they go along.
    const target = { ...instance, node: holder.node }
    let lost = 0
    for (const { number, topic, payload, publisher } of waiting) {
      if (number <= after) continue
      const from = publisher === null ? {} : { publisher }
      if (store.inputs.add({ ...target, topic, payload, queuedAt: now, ...from })) queued.add(holder.node)
      else lost++
    }
    const waited = Math.max(after, ...waiting.map(({ number }) => number))
    store.handovers.depart(node, instance, { incarnation, waited, ...(same ? {} : { number: 0 }) })
    if (lost > 0) {
      const text = `As many inputs wait for ${holder.node} as may: ${lost} that came from ${node} for ${instanceName(instance)} found no room`
      events.push(store.events.add({ at: now, node, app, module, home, code: 'inputs-full', text }))
    }
    return { queued, events }
  }

  /** Why an instance doesn't run yet where plans have it, as far as it is on its way; null where it isn't. */
  noteOf({ node, ...instance }: InstanceId & { readonly node: string }): string | null {
    const holder = this.#deps.store.handovers.holder(instance)
    if (holder === null || (holder.status === 'held' && (holder.node !== node || holder.arrived))) return null
    if (holder.status === 'held') return `it comes from ${holder.origin}`
    if (holder.status === 'free') return 'it moves when the rollout has ended'
    return `it begins on ${node} when ${holder.node} has let go of it`
  }

  /** A node has said what runs on it: what was on its way there may have come. */
  state(node: string, state: NodeState): void {
    const { store, clock } = this.#deps
    const coming = store.handovers.coming(node)
    if (coming.length === 0) return
    const told = store.directives.get(node)?.directive
    if (told === undefined || state.directive < told.version) return
    const running = (holder: Holder) => {
      const section = told.sections.find(({ app, phase }) => app === holder.app && phase === 'run')
      const runs = state.sections.find(({ app }) => app === holder.app)
      if (section === undefined || runs?.epoch !== section.epoch) return false
      return runs.instances.some((each) => spotIs(each, holder) && each.status === 'running')
    }
    const arrived = coming.filter(running)
    if (arrived.length === 0) return
    const at = clock.now()
    const events = store.transaction(() =>
      arrived.map((holder) => {
        store.handovers.put({ ...holder, arrived: true })
        const { app, module, home } = holder
        return store.events.add({ at, node, app, module, home, code: 'handed-over', text: this.#arrivalText(holder) })
      }),
    )
    this.#feeds.events.publish(events)
    // What has waited for it goes to it now.
    this.#deps.outlet.inputsMoved([node])
  }

  #arrivalText(holder: Holder): string {
    const { origin, node, stopped, lost, turns } = holder
    const pause = stopped === null ? '' : ` in ${Math.max(0, Math.round(this.#deps.nowMs() - stopped))} ms`
    const moved = `${instanceName(holder)} moved from ${origin} to ${node}${pause}`
    return lost === null ? `${moved}, ${turns} turns lost` : `${moved}: ${lost}`.slice(0, 2_000)
  }
}

const spotIs = (
  a: { readonly module: string; readonly home: string | null },
  b: { readonly module: string; readonly home: string | null },
): boolean => a.module === b.module && a.home === b.home
