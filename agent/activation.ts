import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import type { AppPorts } from './app-ports.ts'
import type { AppStatus, Why } from './app-status.ts'
import { planBoot } from './boot.ts'
import { describeFlip, type FlipOrder, restoreMark } from './flip.ts'
import type { Installed, Prepared } from './install/machine.ts'
import type { Laps } from './laps.ts'
import { LeavingInstances } from './leaving-instances.ts'
import { ownInputs } from './own-inputs.ts'
import type { Flip } from './receipts.ts'
import { RunningApp } from './running-app.ts'
import { Trial } from './trial.ts'
import type { InboxInput, InstanceKey } from './turns.ts'
import { load, type VerifiedRelease } from './verify/verifier.ts'
import { WaitingRoom } from './waiting-room.ts'

const reopenMs = 5_000

export interface ActivationHooks {
  /** Runs it when all that was begun before is done. */
  inTurn(run: () => Promise<void>): Promise<void>
  /** There may be something to do: what was installed is damaged and forgotten, or what was tried was given up. */
  again(): void
}

/**
 * What runs of an app: what was confirmed, or a release on trial in its place, which is confirmed when it has run for a while and given up when it fails. Its methods
 * are called one after the other.
 */
export class Activation {
  readonly #app: string
  readonly #ports: AppPorts
  readonly #status: AppStatus
  readonly #inTurn: ActivationHooks['inTurn']
  readonly #again: ActivationHooks['again']
  #running: RunningApp | null = null
  /** For inputs that come while what ran has stopped and what is to run hasn't begun. */
  readonly #between = new WaitingRoom()
  #cancelReopen = (): void => undefined
  /** When what ran last was stopped, by the monotonic clock. */
  #stoppedAt: number
  readonly #trial: Trial
  readonly leaving: LeavingInstances

  constructor(app: string, ports: AppPorts, status: AppStatus, { inTurn, again }: ActivationHooks) {
    this.#app = app
    this.#ports = ports
    this.#status = status
    this.#inTurn = inTurn
    this.#again = again
    this.#stoppedAt = ports.clock.monotonic()
    this.leaving = new LeavingInstances(app, ports)
    this.#trial = new Trial(app, ports, status, {
      inTurn,
      running: () => this.#running,
      givenUp: async () => {
        await this.#halt(this.#running, { save: false })
        await this.#revert(null)
        ports.settled()
      },
      confirmed: () => this.#letGoOthers(),
    })
  }

  get running(): RunningApp | null {
    return this.#running
  }

  deliver(instance: InstanceKey, input: InboxInput): 'queued' | 'full' | 'done' | 'absent' {
    const waits = this.#between.deliver({ instance, input })
    return waits === 'absent' ? (this.#running?.deliver(instance, input) ?? 'absent') : waits
  }

  /** Ends what runs, with its state saved where asked; until `boot` or `switchTo` nothing does. */
  async stop({ save }: { readonly save: boolean }): Promise<void> {
    this.#cancelReopen()
    this.#trial.stop()
    this.#between.empty()
    const prepared = this.#running?.prepared
    await prepared?.stop({ save }).catch((thrown) => {
      this.#status.tell('save-failed', asHyphaError(thrown))
      // What it can't save it loses; it ends all the same.
      return prepared.stop({ save: false })
    })
    if (prepared !== undefined) this.#stoppedAt = this.#ports.clock.monotonic()
    this.#running = null
  }

  /** All instances of the app have left this node; nothing of it runs. Throws where that can't be written down. */
  async letGoAll(): Promise<void> {
    await this.leaving.letGo(null, this.#ports.clock.monotonic() - this.#stoppedAt)
  }

  /** Instances that what is confirmed doesn't have any more have left, or are no more. Where that can't be written down, they are remembered until the next time. */
  async #letGoOthers(): Promise<void> {
    try {
      await this.leaving.letGo(this.#running?.section ?? null, this.#ports.clock.monotonic() - this.#stoppedAt)
    } catch (thrown) {
      this.#status.tell('let-go-failed', asHyphaError(thrown))
    }
  }

  /**
   * Runs what the install file says, whatever it was that ended the agent before. `due`: what was prepared, and is to run since an instant that has passed: it takes over on
   * trial, from what the one before has left in the journal.
   */
  async boot(due: Prepared | null = null): Promise<void> {
    if (this.#running !== null) return
    // What comes before it is there waits for it.
    this.#between.open()
    const plan = await planBoot(this.#app, due, this.#ports, this.#status)
    if (plan === null) {
      this.#between.empty()
      return this.#status.set('receiving')
    }
    const { installed, state } = plan
    try {
      if (plan.flipped) plan.tellFlip()
      await this.#open(installed)
      if (plan.flips) plan.tellFlip()
      if (state.trial !== null) this.#trial.watch()
      else {
        await this.#letGoOthers()
        if (state.failed !== null) this.#status.set('reverted', state.failed)
        else this.#status.set('confirmed')
      }
    } catch (thrown) {
      const error = asHyphaError(thrown)
      this.#status.tell('boot-failed', error)
      if (state.trial === null) return await this.#reopenLater(error)
      if (isDamage(error)) await this.#ports.installs.step(this.#app, { kind: 'drop' })
      await this.#revert(isDamage(error) ? null : error)
    }
  }

  /** What was confirmed and can't be opened: damaged, it is received again, since its directive asks for it still; else it is tried again. */
  async #reopenLater(error: HyphaError): Promise<void> {
    this.#status.set('receiving', error)
    if (isDamage(error)) {
      await this.#ports.installs.remove(this.#app)
      return this.#again()
    }
    this.#cancelReopen = this.#ports.clock.after(reopenMs, () => void this.#inTurn(() => this.boot()))
  }

  /**
   * Takes over other signatures on what is installed, once they were verified: what runs goes on, and a trial too. Throws where they can't be written down: then nothing
   * has changed.
   */
  async resign(installed: Installed, verified: VerifiedRelease): Promise<void> {
    await this.#ports.installs.step(this.#app, { kind: 'resign', installed })
    this.#running?.resigned(installed, verified)
    await this.restate()
    this.#ports.settled()
  }

  /** What runs is what is wanted: says so where something else was refused, or awaited, in its place. */
  async restate(): Promise<void> {
    if (this.#running === null) return
    const status = this.#trial.on ? 'trial' : 'confirmed'
    if (status === 'confirmed') await this.#letGoOthers()
    if (this.#status.now.status !== status) this.#status.set(status)
  }

  /** Makes ready what was verified; nothing of it runs yet. */
  async prepare(installed: Installed, verified: VerifiedRelease): Promise<RunningApp> {
    const ports = this.#ports
    const section = ports.runnable(verified)
    const [prepared] = await Promise.all([
      ports.sandbox.prepare(section, ports.journal),
      ports.openData(section.app, new Set(section.instances.flatMap(({ links }) => [...links.keys()]))),
    ])
    prepared.onChange(() => {
      if (this.#running?.prepared !== prepared) return
      ports.changed()
      this.#trial.changed(this.#running)
    })
    prepared.onRoom(() => ports.room())
    return new RunningApp(installed, verified, prepared)
  }

  /**
   * Runs it on trial in place of what runs, or goes back to that where it doesn't start. Each step is written down before it is taken: whenever the agent dies, `boot`
   * finds the old release or the new one. Throws where they can't be written down: then nothing has changed.
   */
  async switchTo(next: RunningApp, laps: Laps): Promise<void> {
    const { installs } = this.#ports
    try {
      await installs.step(this.#app, { kind: 'stage', installed: next.installed }, { kind: 'start' })
    } catch (error) {
      await next.prepared.stop({ save: false })
      throw error
    }
    laps.end('install')
    await this.#replace(next, laps)
  }

  /**
   * Runs what was prepared in place of what runs, between two turns; answers why that runs on where it fails. What was written down of its commit leads a boot to it,
   * so that nothing has to be written while inputs wait. [P 10.6]
   */
  async flip(next: RunningApp, order: FlipOrder): Promise<HyphaError | null> {
    const { sandbox, journal, flipBudgetMs: budgetMs, clock } = this.#ports
    const old = this.#running
    const since = clock.monotonic()
    this.#trial.stop()
    this.#cancelReopen()
    let about: ReturnType<typeof describeFlip> | null = null
    const saved = () => {
      journal.markFlip(this.#app, next.section.epoch)
      const installed = { from: old?.installed ?? null, to: next.installed }
      about = describeFlip(this.#ports, { app: this.#app, ...installed, order, since })
      this.#running = next
      next.takeFailure()
    }
    try {
      this.#moveIn(next)
      const swapped = await sandbox.swap(old?.prepared ?? null, next.prepared, { budgetMs, saved })
      if (old === null) this.#letIn(next)
      this.leaving.replaced([old?.section ?? null], [next.section])
      // The mark leads a boot to it meanwhile, and to what is to be said of it.
      await this.#afterFlip(next, { ...about!, ...swapped })
      return null
    } catch (thrown) {
      this.#running = old
      if (journal.flipOf(this.#app) === next.section.epoch) journal.settleFlip(this.#app)
      if (old !== null && this.#trial.on) this.#trial.watch()
      return asHyphaError(thrown)
    }
  }

  async #afterFlip(next: RunningApp, flip: Flip): Promise<void> {
    // It runs by now, whatever is still to be written down.
    this.#ports.ran(next.section, { pause: Math.round(flip.pauseMs! * 10) / 10 })
    this.#trial.watch()
    await this.#ports.flipped(flip)
    try {
      await this.#trial.step()
    } catch (thrown) {
      // A full disk passes: it is written down with the next step, and a boot before that starts it by its commit.
      this.#status.tell('flip-not-written', asHyphaError(thrown))
    }
    this.#ports.settled()
    this.#ports.changed()
  }

  async #replace(next: RunningApp, laps: Laps): Promise<void> {
    this.#trial.stop()
    const old = this.#running
    this.leaving.replaced([old?.section ?? null], [next.section])
    try {
      await this.#halt(old, { save: true })
      this.#stoppedAt = this.#ports.clock.monotonic()
      laps.end('stop')
      await this.#activate(next)
      laps.end('activate')
      this.#ports.ran(next.section, laps.ms)
      this.#trial.watch()
      // What it leaves out has another node by then: there is no going back to running it here.
      if (old !== null && this.#onlyLeaves(old, next)) await this.#trial.confirm({ proven: true })
    } catch (thrown) {
      // Where it could not save, it goes on still; it begins anew from its last checkpoint.
      await this.#halt(old, { save: false })
      await this.#halt(next, { save: false })
      await this.#revert(asHyphaError(thrown), old)
    }
    this.#ports.settled()
  }

  /** Ends what runs. One cell ends before another: what comes from the first one's end on waits for what runs next, behind all that was left. Throws where it can't save. */
  async #halt(app: RunningApp | null, options: { readonly save: boolean }): Promise<void> {
    this.#between.open()
    if (app !== null) this.#between.open(await app.prepared.stop(options))
  }

  /** Whether it is the confirmed release, with some of the instances that ran and no others. */
  #onlyLeaves(old: RunningApp, next: RunningApp): boolean {
    const { confirmed } = this.#ports.installs.state(this.#app)
    if (confirmed?.release !== next.installed.release || old.installed.release !== next.installed.release) return false
    const before = new Set(old.section.instances.map((each) => instanceName({ app: this.#app, ...each })))
    const now = next.section.instances.map((each) => instanceName({ app: this.#app, ...each }))
    return now.length < before.size && now.every((name) => before.has(name))
  }

  /** What comes from another node goes on from there, before it is made here. [P 13.4] */
  #moveIn({ section }: RunningApp): void {
    const { contents, journal, gatewayClock, sandbox } = this.#ports
    for (const { module, home, move, turns, digest } of section.states ?? []) {
      const key = { app: this.#app, module, home }
      const taken = journal.moveIn(key, { move, turns, kept: load(this.#app, digest, contents) })
      const offsetMs = gatewayClock.estimate()?.offsetMs
      if (taken === null) continue
      const { timer } = taken
      const isKnown = timer !== null && offsetMs !== undefined
      sandbox.timers.came(key, isKnown ? { dueAt: timer.dueMs - offsetMs, periodMs: timer.periodMs } : null)
    }
  }

  /** Gives it what has waited: first what modules here had published before the agent's last end, for none that they publish now may overtake that. */
  #letIn(app: RunningApp): void {
    for (const { instance, input } of [...ownInputs(this.#ports), ...this.#between.empty()]) {
      if (instance.app === this.#app) app.deliver(instance, input)
    }
  }

  async #activate(app: RunningApp): Promise<void> {
    this.#cancelReopen()
    this.#moveIn(app)
    this.#running = app
    app.takeFailure()
    // They wait in it until it is there, before all that comes now.
    this.#letIn(app)
    try {
      await app.prepared.activate()
    } catch (error) {
      await this.#halt(app, { save: false })
      this.#running = null
      throw error
    }
  }

  async #open(installed: Installed): Promise<void> {
    const { verifier, contents } = this.#ports
    await this.#activate(await this.prepare(installed, verifier.reopen(installed.record, contents)))
  }

  /** Gives up what is on trial, for a reason unless that is written down already, and goes back to what was confirmed: as it stood by, or opened anew. */
  async #revert(why: Why | null, old: RunningApp | null = null): Promise<void> {
    this.#trial.stop()
    this.#running = null
    this.#between.open()
    const { installs } = this.#ports
    if (why !== null) {
      const { code, message } = why
      // A full disk must not keep the old release from running; the trial's starts are counted, so that it ends all the same.
      await installs
        .step(this.#app, { kind: 'fail', code, message })
        .catch((thrown) => this.#status.tell('revert-failed', asHyphaError(thrown)))
    }
    restoreMark(this.#app, this.#ports, this.#status)
    const { failed, confirmed } = installs.state(this.#app)
    if (failed !== null)
      this.#status.event('reverted', `Release ${failed.release.slice(0, 12)} is given up: ${failed.message}`)
    this.#status.set('reverted', failed)
    this.#again()
    if (confirmed === null) return void this.#between.empty()
    try {
      if (old !== null && old.installed.release === confirmed.release && old.installed.epoch === confirmed.epoch) {
        await this.#activate(old)
      } else await this.#open(confirmed)
      this.#ports.changed()
    } catch (thrown) {
      const error = asHyphaError(thrown)
      this.#status.tell('revert-failed', error)
      await this.#reopenLater(error)
    }
  }
}

/** Whether what lies on the disk is not what was verified: trying again doesn't help, receiving it again does. */
const isDamage = ({ code }: HyphaError): boolean =>
  code === 'content-missing' ||
  code === 'digest-mismatch' ||
  code === 'metadata-invalid' ||
  code === 'message-malformed' ||
  code === 'bytes-malformed' ||
  code === 'bytes-truncated'
