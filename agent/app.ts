import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import type { Content, Section } from '@hypha/core/trust/directive.ts'
import type { SectionState } from '@hypha/core/wire/messages/state.ts'
import { Activation } from './activation.ts'
import type { AppPorts } from './app-ports.ts'
import { AppStatus } from './app-status.ts'
import type { LinkedApp } from './calls/ports.ts'
import type { Failure } from './install/machine.ts'
import { Laps } from './laps.ts'
import { linkedApp } from './linked-app.ts'
import { Preparing } from './preparing.ts'
import { Retrial } from './retrial.ts'
import { isOf, sameSection, sameWork, unsigned } from './sections.ts'
import type { InboxInput, InstanceKey } from './turns.ts'
import { decodeStored } from './verify/stored.ts'

const retryMs = 5_000

/** What a directive says of one app. */
export interface AppSections {
  readonly run: Section | null
  readonly prepare: Section | null
}

/**
 * One app on this node: what its directive wants, and the way from there to what runs. What changes what runs is done one after the other;
 * receiving, which may wait for a network for days, goes on beside it.
 */
export class App {
  readonly name: string
  readonly #ports: AppPorts
  /** What is to run; and what the directive asks to prepare beside it. */
  #wanted: Section | null
  #toPrepare: Section | null
  readonly #status: AppStatus
  readonly #activation: Activation
  readonly #preparing: Preparing
  readonly #retrial: Retrial
  #work: Promise<void> = Promise.resolve()
  #scheduled = false
  #closing = false
  #removed = false
  /** What is on its way, and what ends its receiving when it isn't wanted any more. */
  #incoming: Section | null = null
  #receiving = new AbortController()
  #cancelRetry = (): void => undefined
  /** When the directive came that says what is wanted; by the monotonic clock. */
  #wantedSince: number

  constructor(name: string, sections: AppSections, ports: AppPorts) {
    this.name = name
    this.#wanted = sections.run
    this.#toPrepare = sections.prepare
    this.#ports = ports
    this.#wantedSince = ports.clock.monotonic()
    this.#status = new AppStatus(name, ports)
    this.#retrial = new Retrial(ports.clock)
    this.#activation = new Activation(name, ports, this.#status, {
      inTurn: (run) => this.#enqueue(run),
      again: () => this.converge(),
    })
    this.#preparing = new Preparing(name, sections.prepare, {
      ports,
      activation: this.#activation,
      status: this.#status,
      hooks: { inTurn: (run) => this.#enqueue(run), again: () => this.converge() },
    })
    this.#preparing.want(this.#standsBy())
  }

  /** After a start of the agent: runs what was confirmed or on trial, with no network at all. */
  boot(): Promise<void> {
    return this.#enqueue(async () => {
      const named = this.#wanted !== null || this.#toPrepare !== null
      // What the directive that is held names no more runs no more: only what it has left is still to go.
      if (named || this.#ports.verifier.held === null) await this.#activation.boot(this.#preparing.due())
    })
  }

  /** What the newest directive, which came at `since`, says of the app; neither section where it names it no more. Supersedes what is still on its way. */
  want({ run, prepare }: AppSections, since: number): void {
    this.#activation.leaving.replaced([this.#wanted, this.#toPrepare], [run, prepare])
    if (run === null || this.#wanted === null || !sameSection(run, this.#wanted)) {
      this.#wanted = run
      this.#wantedSince = since
      this.#receiving.abort()
      this.#receiving = new AbortController()
    }
    this.#toPrepare = prepare
    this.#preparing.want(this.#standsBy())
    this.converge()
  }

  /** Whether a directive with this section brings something new. */
  isNew(section: Section): boolean {
    const before = section.phase === 'run' ? this.#wanted : this.#toPrepare
    return before === null || !sameSection(section, before)
  }

  /** A commit of the app, as it came. */
  commit(envelope: Uint8Array): void {
    this.#preparing.commit(envelope)
  }

  /** What a cell is to stand by for: also for what is to run now, where it was prepared for that. [P 10.7] */
  #standsBy(): Section | null {
    if (this.#toPrepare !== null) return this.#toPrepare
    return this.#wanted !== null && this.#preparing.holds(this.#wanted) ? this.#wanted : null
  }

  /** What is to run: once a commit has made the node flip, or tried in vain after it, that is the section to prepare. */
  get #target(): Section | null {
    const flipped = this.#toPrepare
    if (flipped === null) return this.#wanted
    const { running } = this.#activation
    const { failed } = this.#ports.installs.state(this.name)
    const done = (running !== null && sameWork(running.section, flipped)) || (failed !== null && isOf(failed, flipped))
    return done ? flipped : this.#wanted
  }

  converge(): void {
    if (this.#scheduled || this.#closing) return
    this.#scheduled = true
    void this.#enqueue(async () => {
      this.#scheduled = false
      await this.#converge()
    })
  }

  /** Stops what runs, with its state saved, and does nothing more. */
  async close(): Promise<void> {
    this.#closing = true
    this.#receiving.abort()
    await this.#enqueue(async () => {
      this.#cancelRetry()
      await this.#preparing.close()
      await this.#activation.stop({ save: true })
    })
  }

  get gone(): boolean {
    return this.#wanted === null && this.#toPrepare === null && this.#removed
  }

  subscribers(topic: string, home: string | null): InstanceKey[] {
    return this.#activation.running?.subscribers(topic, home) ?? []
  }

  deliver(instance: InstanceKey, input: InboxInput): 'queued' | 'full' | 'done' | 'absent' {
    return this.#activation.deliver(instance, input)
  }

  /** Whether an instance could be on another node one day. */
  mayMove(instance: InstanceKey): boolean {
    const { running } = this.#activation
    return running !== null && !running.isBound(instance)
  }

  /** As calls over links see it. */
  linked(): LinkedApp {
    const sections = this.#ports.verifier.held?.directive.sections ?? []
    const own = sections.filter(({ app }) => app === this.name)
    return linkedApp(this.#activation.running, own)
  }

  /** Contents that must stay on this node. */
  needed(): Content[] {
    const { confirmed, trial } = this.#ports.installs.state(this.name)
    const installed = [confirmed, trial?.installed ?? null].flatMap((each) =>
      each === null ? [] : decodeStored(each.record, this.#ports.crypto).section.contents,
    )
    return [...installed, ...(this.#wanted?.contents ?? []), ...this.#preparing.needed()]
  }

  /** What the gateway is told. */
  section(): SectionState | null {
    const about = this.#target ?? this.#activation.running?.section ?? this.#toPrepare
    if (about === null) return null
    return {
      app: this.name,
      epoch: about.epoch,
      release: about.release,
      ...this.#status.now,
      running: this.#activation.running?.section.release ?? null,
      instances: this.#activation.running?.instances() ?? [],
      prepare: this.#preparing.state(),
    }
  }

  #enqueue(run: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(run).catch((thrown) => {
      // What can go wrong is handled where it does; this is a defect, and must not end the agent.
      this.#status.tell('internal', asHyphaError(thrown))
    })
    return this.#work
  }

  async #converge(): Promise<void> {
    if (this.#closing) return
    this.#cancelRetry()
    await this.#preparing.converge()
    const wanted = this.#target
    // Without a directive nothing is known of what is wanted: after root metadata has replaced the key that signed it, until the next one.
    if (wanted === null) {
      if (this.#ports.verifier.held !== null && this.#toPrepare === null) await this.#remove()
      return
    }
    if (this.#incoming === wanted) return
    if (this.#activation.running !== null && sameWork(this.#activation.running.section, wanted)) {
      return this.#activation.restate()
    }
    const { failed, confirmed } = this.#ports.installs.state(this.name)
    if (failed !== null && isOf(failed, wanted)) {
      const waitMs = confirmed !== null && isOf(confirmed, wanted) ? this.#waitAfter(failed, wanted) : null
      if (waitMs === null || waitMs > 0) {
        if (waitMs !== null) this.#cancelRetry = this.#ports.clock.after(waitMs, () => this.converge())
        return this.#status.set('reverted', failed)
      }
    }
    // It is here, and waits for being opened again.
    if (this.#isResigned(wanted)) return this.#begin(wanted, () => this.#resign(wanted))
    if (this.#activation.running === null && confirmed !== null && isOf(confirmed, wanted)) return
    if (this.#preparing.takes(wanted)) return this.#status.set('preparing')
    const laps = new Laps(this.#ports.clock, this.#wantedSince)
    this.#ports.sandbox.warm()
    laps.end('wait')
    this.#status.set('receiving')
    this.#begin(wanted, () => this.#install(wanted, laps), laps)
  }

  #begin(wanted: Section, finish: () => Promise<void>, laps?: Laps): void {
    this.#incoming = wanted
    void this.#bring(wanted, finish, laps)
  }

  /** receive → verify → prepare → install → run; what comes after receive is `finish`. */
  async #bring(wanted: Section, finish: () => Promise<void>, laps?: Laps): Promise<void> {
    const { receive } = this.#ports
    const { signal } = this.#receiving
    let problem: HyphaError | null = null
    try {
      for (const content of wanted.contents) await receive(content, this.name, signal)
      laps?.end('receive')
    } catch (thrown) {
      problem = asHyphaError(thrown)
    }
    await this.#enqueue(async () => {
      try {
        if (problem === null && this.#wanted === wanted && !this.#closing) await finish()
      } catch (thrown) {
        problem = asHyphaError(thrown)
      }
      if (this.#incoming === wanted) this.#incoming = null
      if (problem !== null) this.#refuse(wanted, problem)
    })
  }

  /** Of a section whose release runs here; null where it isn't tried again: it has ended the agent. */
  #waitAfter({ code }: Failure, wanted: Section): number | null {
    return code === 'trial-died' ? null : this.#retrial.leftMs(wanted)
  }

  async #install(wanted: Section, laps: Laps): Promise<void> {
    const { verifier, keepTrust } = this.#ports
    this.#retrial.begun(wanted)
    this.#status.set('preparing')
    const verified = verifier.verifyRelease(wanted, this.#ports.contents)
    await keepTrust()
    laps.end('verify')
    const record = verifier.recordOf(verified)
    const installed = { epoch: wanted.epoch, release: toHex(wanted.release), record }
    const next = await this.#activation.prepare(installed, verified)
    laps.end('prepare')
    await this.#activation.switchTo(next, laps)
  }

  /** Whether a section asks for what is installed already, with other signatures on its release. */
  #isResigned(wanted: Section): boolean {
    const { confirmed, trial } = this.#ports.installs.state(this.name)
    const installed = [trial?.installed ?? null, confirmed].find((each) => each !== null && isOf(each, wanted))
    if (!installed) return false
    const { section } = decodeStored(installed.record, this.#ports.crypto)
    return !bytesEqual(section.envelope, wanted.envelope) && sameWork(unsigned(section), unsigned(wanted))
  }

  /** Two signatures, as for what is new; only that nothing is started, for it runs. */
  async #resign(wanted: Section): Promise<void> {
    const { verifier, keepTrust, contents } = this.#ports
    const verified = verifier.verifyRelease(wanted, contents)
    await keepTrust()
    const installed = { epoch: wanted.epoch, release: toHex(wanted.release), record: verifier.recordOf(verified) }
    await this.#activation.resign(installed, verified)
  }

  async #remove(): Promise<void> {
    const { installs, journal, clock, forgetData } = this.#ports
    await this.#activation.stop({ save: true })
    try {
      await this.#activation.letGoAll()
      // In this order: by its install file a start after a power cut knows that there is something left of the app.
      journal.forget(this.name)
      await journal.sync()
      await forgetData(this.name).catch((thrown) => this.#status.tell('forget-failed', asHyphaError(thrown)))
      await installs.remove(this.name)
    } catch (thrown) {
      this.#status.tell('remove-failed', asHyphaError(thrown))
      this.#cancelRetry = clock.after(retryMs, () => this.converge())
      return
    }
    this.#removed = true
    this.#ports.settled()
    this.#ports.changed()
  }

  #refuse(wanted: Section, error: HyphaError): void {
    // What is wanted by now is on its way already.
    if (this.#wanted !== wanted || this.#closing) return
    // The newer directive is verified, and is about to be written down and to say what it wants.
    if (error.code !== 'section-superseded') {
      this.#status.tell('refused', error)
      this.#status.set('refused', error)
    }
    // What may pass (a full disk, a cut connection) is tried again; what can't is left until the next directive.
    if (error.act === 'later') this.#cancelRetry = this.#ports.clock.after(retryMs, () => this.converge())
  }
}
