import { toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import type { Content, Section } from '@hypha/core/trust/directive.ts'
import type { PrepareState } from '@hypha/core/wire/messages/state.ts'
import type { Activation } from './activation.ts'
import type { AppPorts } from './app-ports.ts'
import type { AppStatus, Why } from './app-status.ts'
import { HeldCommit } from './held-commit.ts'
import type { Prepared } from './install/machine.ts'
import { Instant } from './instant.ts'
import type { RunningApp } from './running-app.ts'
import { isOf, sameSection, sameWork } from './sections.ts'
import { decodeStored } from './verify/stored.ts'

const retryMs = 5_000
export interface PreparingHooks {
  /** Runs it when all that was begun before is done. */
  inTurn(run: () => Promise<void>): Promise<void>
  /** There may be something else to do now. */
  again(): void
}

/**
 * What an app has beside what runs: the release that its directive asks to prepare, made ready in a cell that stands by, and the commit that names its instant. Nothing of what runs
 * changes before the flip. All but `want` and `commit` is called in the app's turn. [P 10]
 */
export class Preparing {
  readonly #app: string
  readonly #ports: AppPorts
  readonly #activation: Activation
  readonly #status: AppStatus
  readonly #hooks: PreparingHooks
  #section: Section | null
  #now: { readonly status: PrepareState['status']; readonly why: Why | null } = { status: 'receiving', why: null }
  /** What ends the receiving of what isn't wanted any more. */
  #receiving = new AbortController()
  #incoming: Section | null = null
  #standby: RunningApp | null = null
  #rehearsal: PrepareState['rehearsal'] = null
  readonly #commit: HeldCommit
  readonly #instant: Instant
  #cancelRetry = (): void => undefined
  #closing = false

  constructor(
    app: string,
    section: Section | null,
    parts: { ports: AppPorts; activation: Activation; status: AppStatus; hooks: PreparingHooks },
  ) {
    this.#app = app
    this.#section = section
    this.#ports = parts.ports
    this.#activation = parts.activation
    this.#status = parts.status
    this.#hooks = parts.hooks
    this.#commit = new HeldCommit(app, parts.ports, parts.status)
    this.#instant = new Instant(parts.ports)
  }

  /** What the newest directive asks to prepare; null where nothing: then what was prepared is dropped. The caller converges afterwards. */
  want(section: Section | null): void {
    if (section !== null && this.#section !== null && sameSection(section, this.#section)) return
    this.#section = section
    this.#now = { status: 'receiving', why: null }
    this.#receiving.abort()
    this.#receiving = new AbortController()
  }

  /** A commit as it came. It is kept until its directive has come, and what it is about stands ready. [P 10.4] */
  commit(envelope: Uint8Array): void {
    this.#commit.hold(envelope)
    void this.#hooks.inTurn(async () => {
      if (this.#closing) return
      this.#commit.judge()
      await this.#proceed()
    })
  }

  /** Whether a section asks for what was prepared, and written down as such, by whatever name of phase. */
  holds(section: Section): boolean {
    const { prepared } = this.#ports.installs.state(this.#app)
    return prepared !== null && prepared.notFlipped === null && this.#isWork(prepared, section)
  }

  /** Whether it is on its way to run this section. */
  takes(section: Section): boolean {
    return this.#section === section && this.#now.status !== 'refused' && this.#now.status !== 'not-flipped'
  }

  /** What took over before the agent ended, or was to take over meanwhile: its commit was written down, and its instant has passed. */
  due(): Prepared | null {
    const { prepared } = this.#ports.installs.state(this.#app)
    if (prepared === null || prepared.commit === null || prepared.notFlipped !== null) return null
    const { verifier } = this.#ports
    // A newer directive may have come just before the end. Where none is held, what was written down counts.
    if (verifier.held !== null && (this.#section === null || !this.#isWork(prepared, this.#section))) return null
    return prepared.commit.instantMs <= verifier.timeMs ? prepared : null
  }

  /** Goes towards what is wanted as far as it can go now. */
  async converge(): Promise<void> {
    if (this.#closing) return
    this.#cancelRetry()
    const section = this.#section
    if (section === null || this.#isDone(section)) return await this.drop()
    const { prepared } = this.#ports.installs.state(this.#app)
    if (prepared?.notFlipped && this.#isWork(prepared, section)) return this.#set('not-flipped', prepared.notFlipped)
    if (this.#standby !== null && sameWork(this.#standby.section, section)) {
      this.#set(this.#instant.awaited ? 'committed' : 'prepared')
      await this.#move(section)
      return await this.#proceed()
    }
    await this.#endStandby()
    // One that is to run now goes the way of any other then.
    if (this.#incoming === section || (section.phase === 'run' && !this.takes(section))) return
    this.#incoming = section
    this.#rehearsal = null
    this.#set('receiving')
    void this.#bring(section)
  }

  /** Ends what stands by, and forgets what was written down of it: the abort. */
  async drop(): Promise<void> {
    await this.#endStandby()
    const { installs, settled, changed } = this.#ports
    const { prepared } = installs.state(this.#app)
    // What runs already, and could not be written down as running yet, isn't dropped.
    if (prepared === null || prepared.installed.epoch === this.#activation.running?.installed.epoch) return
    try {
      await installs.step(this.#app, { kind: 'abort' })
    } catch (thrown) {
      this.#later(asHyphaError(thrown))
    }
    settled()
    changed()
  }

  async close(): Promise<void> {
    this.#closing = true
    this.#receiving.abort()
    this.#cancelRetry()
    await this.#endStandby()
  }

  needed(): Content[] {
    const { prepared } = this.#ports.installs.state(this.#app)
    return [...(prepared === null ? [] : this.#sectionOf(prepared).contents), ...(this.#section?.contents ?? [])]
  }

  /** What the gateway is told. Of what runs by now, or was given up after the flip, the section itself tells. */
  state(): PrepareState | null {
    const section = this.#section
    if (section === null || section.phase === 'run' || this.#isDone(section)) return null
    const { status, why } = this.#now
    const clock = this.#ports.gatewayClock.estimate()
    return {
      epoch: section.epoch,
      release: section.release,
      wave: section.wave ?? 0,
      status,
      code: why?.code.slice(0, 40) ?? null,
      message: why?.message.slice(0, 1_000) ?? null,
      rehearsal: this.#rehearsal,
      clock: clock && { rttMs: clock.rttMs, errorMs: clock.errorMs },
    }
  }

  /** receive → verify → prepare → rehearse */
  async #bring(section: Section): Promise<void> {
    const { receive, gatewayClock } = this.#ports
    const { signal } = this.#receiving
    const measured = gatewayClock.measure()
    let problem: HyphaError | null = null
    try {
      for (const content of section.contents) await receive(content, this.#app, signal)
    } catch (thrown) {
      problem = asHyphaError(thrown)
    }
    await this.#hooks.inTurn(async () => {
      try {
        if (problem === null && this.#section === section && !this.#closing) await this.#prepare(section, measured)
      } catch (thrown) {
        problem = asHyphaError(thrown)
      }
      if (this.#incoming === section) this.#incoming = null
      if (problem !== null) this.#refuse(section, problem)
      else await this.#proceed()
    })
  }

  async #prepare(section: Section, measured: Promise<void>): Promise<void> {
    const { verifier, keepTrust, contents, installs } = this.#ports
    this.#set('preparing')
    const verified = verifier.verifyRelease(section, contents)
    await keepTrust()
    const installed = { epoch: section.epoch, release: toHex(section.release), record: verifier.recordOf(verified) }
    const next = await this.#activation.prepare(installed, verified)
    try {
      const rehearsal = await next.prepared.rehearse(this.#activation.running?.prepared ?? null)
      this.#rehearsal = rehearsal && { ...rehearsal, restoreMs: Math.ceil(rehearsal.restoreMs) }
      const wave = section.wave ?? installs.state(this.#app).prepared?.wave ?? 0
      await installs.step(this.#app, { kind: 'prepare', installed, wave })
    } catch (error) {
      await next.prepared.stop({ save: false })
      throw error
    }
    this.#standby = next
    // The gateway takes the worst of these for the commit's lead. [P 10.5]
    await measured
    this.#set('prepared')
  }

  /** The same work, asked for in another wave. */
  async #move({ wave }: Section): Promise<void> {
    const { installs } = this.#ports
    const { prepared } = installs.state(this.#app)
    if (wave === null || prepared === null || prepared.wave === wave) return
    try {
      await installs.step(this.#app, { kind: 'prepare', installed: prepared.installed, wave })
    } catch (thrown) {
      this.#later(asHyphaError(thrown))
    }
  }

  /** With what stands ready: waits for its instant once that is written down, or runs it at once where its section says so. */
  async #proceed(): Promise<void> {
    const section = this.#section
    if (section === null || this.#standby === null || !sameWork(this.#standby.section, section)) return
    const { installs } = this.#ports
    try {
      if (section.phase === 'prepare') await this.#commit.writeDown()
    } catch (thrown) {
      return this.#later(asHyphaError(thrown))
    }
    const { prepared } = installs.state(this.#app)
    if (prepared === null || prepared.notFlipped !== null) return
    if (prepared.commit !== null) return this.#arm(prepared.commit.instantMs)
    if (section.phase === 'run') await this.#flip()
  }

  #arm(instantMs: number): void {
    const begins = this.#instant.wait(instantMs, () => void this.#hooks.inTurn(() => this.#flip()))
    if (begins) this.#set('committed')
  }

  async #flip(): Promise<void> {
    const next = this.#standby
    const { installs } = this.#ports
    const { prepared } = installs.state(this.#app)
    if (next === null || prepared === null || this.#closing) return
    this.#standby = null
    this.#instant.cancel()
    const instantMs = prepared.commit?.instantMs ?? null
    const problem = await this.#activation.flip(next, {
      wave: prepared.wave,
      instantMs,
      // Its directive says so once the instant has passed.
      late: this.#instant.late || instantMs === null,
    })
    if (problem !== null) await this.#notFlipped(next.installed.epoch, problem)
    this.#hooks.again()
  }

  async #notFlipped(epoch: number, { code, message }: HyphaError): Promise<void> {
    this.#set('not-flipped', { code, message })
    this.#status.event('not-flipped', `Epoch ${epoch} did not take over, and what ran before runs on: ${message}`)
    try {
      await this.#ports.installs.step(this.#app, { kind: 'not-flipped', epoch, code, message })
    } catch (thrown) {
      // The next start of the agent tries it once more, on trial.
      this.#status.tell('not-flipped', asHyphaError(thrown))
    }
  }

  async #endStandby(): Promise<void> {
    this.#instant.cancel()
    const ended = this.#standby
    this.#standby = null
    await ended?.prepared.stop({ save: false })
  }

  #refuse(section: Section, error: HyphaError): void {
    if (this.#section !== section || this.#closing) return
    if (error.code !== 'section-superseded') {
      this.#status.tell('prepare-refused', error)
      this.#set('refused', error)
    }
    if (error.act === 'later') this.#cancelRetry = this.#ports.clock.after(retryMs, () => this.#hooks.again())
    // A release that is to run now goes the way of any other.
    else if (section.phase === 'run') this.#hooks.again()
  }

  /** What a full disk kept from being written down is tried again. */
  #later(error: HyphaError): void {
    this.#status.tell('prepare-failed', error)
    this.#cancelRetry = this.#ports.clock.after(retryMs, () => this.#hooks.again())
  }

  /** It runs, or it was given up after it did. */
  #isDone(section: Section): boolean {
    const { running } = this.#activation
    const { failed } = this.#ports.installs.state(this.#app)
    return (running !== null && sameWork(running.section, section)) || (failed !== null && isOf(failed, section))
  }

  #isWork({ installed }: Prepared, section: Section): boolean {
    return isOf(installed, section) && sameWork(this.#sectionOf({ installed }), section)
  }

  #sectionOf({ installed }: Pick<Prepared, 'installed'>): Section {
    return decodeStored(installed.record, this.#ports.crypto).section
  }

  #set(status: PrepareState['status'], why: Why | null = null): void {
    const { status: before, why: whyBefore } = this.#now
    this.#now = { status, why }
    if (before !== status || why?.message !== whyBefore?.message) this.#ports.changed()
  }
}
