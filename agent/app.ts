import { encodeCbor } from '@hypha/core/bytes/cbor.ts'
import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import { type Content, type Section, section as sectionCodec } from '@hypha/core/trust/directive.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import type { InstanceState, SectionState } from '@hypha/core/wire/messages/state.ts'
import type { Installs } from './install/installs.ts'
import { type Installed, toRun } from './install/machine.ts'
import { Laps } from './laps.ts'
import type { PreparedApp, Sandbox } from './sandbox/sandbox.ts'
import type { InboxInput, InstanceKey, NodeEvent, RunnableSection } from './turns.ts'
import { decodeStored } from './verify/stored.ts'
import type { ContentOf, VerifiedRelease, Verifier } from './verify/verifier.ts'

export interface AppPorts {
  readonly verifier: Verifier
  readonly contents: ContentOf
  readonly installs: Installs
  readonly sandbox: Sandbox
  readonly journal: JournalPort
  readonly clock: Clock
  readonly crypto: Pick<Crypto, 'sha256'>
  /** A release must run for so long without a trap before it is confirmed. */
  readonly trialMs: number
  /** Brings a content to this node, whole and checked, unless it is here. */
  receive(content: Content, app: string, signal: AbortSignal): Promise<void>
  /** Writes down what the verifier trusts now. */
  keepTrust(): Promise<void>
  runnable(verified: VerifiedRelease): RunnableSection
  event(event: NodeEvent): void
  /** A release has begun to run: how many milliseconds each step on the way took. */
  ran(section: Section, stepsMs: Readonly<Record<string, number>>): void
  /** The app's state has changed: tell the gateway. */
  changed(): void
  /** An inbox that was full has room again. */
  room(): void
  /** Contents may have become useless. */
  settled(): void
}

interface JournalPort {
  kv(instance: InstanceKey): ReadonlyMap<string, Uint8Array>
  state(instance: InstanceKey): { readonly release: string; readonly bytes: Uint8Array } | null
  handled(instance: InstanceKey, source: Uint8Array): number
  forget(app: string): void
  forgetInstance(instance: InstanceKey): void
}

interface Running {
  readonly installed: Installed
  readonly verified: VerifiedRelease
  readonly prepared: PreparedApp
  readonly subscribe: ReadonlyMap<string, readonly string[]>
}

type Status = Pick<SectionState, 'status' | 'code' | 'message'>

const retryMs = 5_000

/** One app on this node: what its directive wants, what runs, and the way from one to the other. */
export class App {
  readonly name: string
  readonly #ports: AppPorts
  #wanted: Section | null
  #running: Running | null = null
  #status: Status = { status: 'receiving', code: null, message: null }
  #work: Promise<void> = Promise.resolve()
  #scheduled = false
  #closing = false
  /** Ended when what is being received isn't wanted any more. */
  #receiving = new AbortController()
  #cancelRetry: (() => void) | null = null
  #cancelTrial: (() => void) | null = null
  #failuresSeen = 0
  /** When the directive came that says what is wanted; by the monotonic clock. */
  #wantedSince: number

  constructor(name: string, wanted: Section | null, ports: AppPorts) {
    this.name = name
    this.#wanted = wanted
    this.#ports = ports
    this.#wantedSince = ports.clock.monotonic()
  }

  /** After a start of the agent: runs what was confirmed or on trial, with no network at all. */
  boot(): Promise<void> {
    return this.#enqueue(() => this.#boot())
  }

  /** What the newest directive, which came at `since`, says of the app; null where it names it no more. Supersedes what is still on its way. */
  want(section: Section | null, since: number): void {
    if (section === null || this.isNew(section)) {
      this.#wanted = section
      this.#wantedSince = since
      this.#receiving.abort()
      this.#receiving = new AbortController()
    }
    this.converge()
  }

  /** Whether a directive with this section brings something new. */
  isNew(section: Section): boolean {
    return this.#wanted === null || !sameSection(section, this.#wanted)
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
    this.#cancelRetry?.()
    this.#cancelTrial?.()
    await this.#enqueue(async () => {
      await this.#running?.prepared
        .stop({ save: true })
        .catch((thrown) => this.#tell('save-failed', asHyphaError(thrown)))
      this.#running = null
    })
  }

  get gone(): boolean {
    return this.#wanted === null && this.#running === null
  }

  /** The instance of this app that has an inbox for the topic, and whom a message with this home may reach. */
  subscribers(topic: string, home: string | null, matches: (filter: string, topic: string) => boolean): InstanceKey[] {
    if (this.#running === null) return []
    const { verified, subscribe } = this.#running
    return verified.section.instances
      .filter((instance) => home === null || instance.home === null || instance.home === home)
      .filter(({ module }) => subscribe.get(module)!.some((filter) => matches(filter, topic)))
      .map(({ module, home }) => ({ app: this.name, module, home }))
  }

  deliver(instance: InstanceKey, input: InboxInput): 'queued' | 'full' | 'done' | 'absent' {
    const here = this.#running?.verified.section.instances.some(
      ({ module, home }) => module === instance.module && home === instance.home,
    )
    return here ? this.#running!.prepared.deliver(instance, input) : 'absent'
  }

  /** Contents that must stay on this node. */
  needed(): Content[] {
    const { confirmed, trial } = this.#ports.installs.state(this.name)
    const installed = [confirmed, trial?.installed ?? null].flatMap((each) =>
      each === null ? [] : decodeStored(each.record, this.#ports.crypto).section.contents,
    )
    return [...installed, ...(this.#wanted?.contents ?? [])]
  }

  /** What the gateway is told. */
  section(): SectionState | null {
    const about = this.#wanted ?? this.#running?.verified.section
    if (about === undefined) return null
    const { status, code, message } = this.#status
    return {
      app: this.name,
      epoch: about.epoch,
      release: about.release,
      status,
      code: code?.slice(0, 40) ?? null,
      message: message?.slice(0, 1_000) ?? null,
      running: this.#running?.verified.section.release ?? null,
      instances: this.#instances(),
    }
  }

  #instances(): InstanceState[] {
    return this.#running?.prepared.instances() ?? []
  }

  #enqueue(run: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(run).catch((thrown) => {
      // What can go wrong is handled where it does; this is a defect, and must not end the agent.
      this.#tell('internal', asHyphaError(thrown))
    })
    return this.#work
  }

  async #boot(): Promise<void> {
    const { installs } = this.#ports
    const before = installs.state(this.name)
    const after = before.trial === null ? before : await installs.step(this.name, { kind: 'start' })
    const installed = toRun(after)
    if (installed === null) return this.#setStatus('receiving')
    try {
      await this.#open(installed, this.#ports.verifier.reopen(installed.record, this.#ports.contents))
      if (after.trial !== null) this.#watchTrial()
      else if (after.failed !== null) this.#setStatus('reverted', after.failed)
      else this.#setStatus('confirmed')
    } catch (thrown) {
      const error = asHyphaError(thrown)
      this.#tell('boot-failed', error)
      // Its directive asks for it still: what is missing or damaged is received again.
      await installs.remove(this.name)
      this.#setStatus('receiving', error)
    }
  }

  async #converge(): Promise<void> {
    if (this.#closing) return
    this.#cancelRetry?.()
    this.#cancelRetry = null
    const wanted = this.#wanted
    if (wanted === null) return this.#remove()
    if (this.#running !== null && sameSection(this.#running.verified.section, wanted)) return
    const { failed } = this.#ports.installs.state(this.name)
    if (failed !== null && failed.epoch === wanted.epoch && failed.release === toHex(wanted.release)) return
    try {
      await this.#bring(wanted)
    } catch (thrown) {
      this.#refuse(wanted, asHyphaError(thrown))
    }
  }

  /** receive → verify → prepare → install → run */
  async #bring(wanted: Section): Promise<void> {
    const { verifier, keepTrust, sandbox, clock } = this.#ports
    sandbox.warm()
    const laps = new Laps(clock, this.#wantedSince)
    laps.end('wait')
    this.#setStatus('receiving')
    const { signal } = this.#receiving
    for (const content of wanted.contents) {
      await this.#ports.receive(content, this.name, signal)
    }
    laps.end('receive')
    this.#setStatus('preparing')
    const verified = verifier.verifyRelease(wanted, this.#ports.contents)
    await keepTrust()
    laps.end('verify')
    const prepared = await this.#prepare(verified)
    laps.end('prepare')
    const installed = { epoch: wanted.epoch, release: toHex(wanted.release), record: verifier.recordOf(verified) }
    await this.#switchTo(installed, verified, prepared, laps)
  }

  async #prepare(verified: VerifiedRelease): Promise<PreparedApp> {
    const prepared = await this.#ports.sandbox.prepare(this.#ports.runnable(verified), this.#ports.journal)
    prepared.onChange(() => {
      if (this.#running?.prepared === prepared) this.#onChange()
    })
    prepared.onRoom(() => this.#ports.room())
    return prepared
  }

  /** Each step is written down before it is taken: whenever the agent dies, `boot` finds the old release or the new one. */
  async #switchTo(installed: Installed, verified: VerifiedRelease, prepared: PreparedApp, laps: Laps): Promise<void> {
    const { installs } = this.#ports
    this.#cancelTrial?.()
    await installs.step(this.name, { kind: 'stage', installed }, { kind: 'start' })
    laps.end('install')
    const old = this.#running
    let waiting: readonly { readonly instance: InstanceKey; readonly input: InboxInput }[] = []
    try {
      waiting = (await old?.prepared.stop({ save: true })) ?? []
      laps.end('stop')
      await this.#activate(installed, verified, prepared)
      laps.end('activate')
      this.#ports.ran(verified.section, laps.ms)
    } catch (thrown) {
      const { code, message } = asHyphaError(thrown)
      await prepared.stop({ save: false })
      await this.#revert({ kind: 'fail', code, message }, old)
    }
    for (const { instance, input } of waiting) this.deliver(instance, input)
    if (this.#running?.prepared === prepared) this.#watchTrial()
    this.#ports.settled()
  }

  async #activate(installed: Installed, verified: VerifiedRelease, prepared: PreparedApp): Promise<void> {
    const subscribe = new Map(verified.release.modules.map(({ name, spec }) => [name, spec.subscribe]))
    this.#running = { installed, verified, prepared, subscribe }
    this.#failuresSeen = 0
    try {
      await prepared.activate()
    } catch (error) {
      this.#running = null
      throw error
    }
  }

  async #open(installed: Installed, verified: VerifiedRelease): Promise<void> {
    const prepared = await this.#prepare(verified)
    await this.#activate(installed, verified, prepared)
  }

  /** Confirmed once it has run for a while without a failure. */
  #watchTrial(): void {
    this.#setStatus('trial')
    this.#cancelTrial?.()
    this.#cancelTrial = this.#ports.clock.after(this.#ports.trialMs, () => {
      void this.#enqueue(() => this.#confirm())
    })
  }

  async #confirm(): Promise<void> {
    const { installs, journal } = this.#ports
    if (this.#running === null || installs.state(this.name).trial === null) return
    if (this.#instances().some(({ status }) => status !== 'running')) return this.#watchTrial()
    const before = installs.state(this.name).confirmed
    await installs.step(this.name, { kind: 'confirm' })
    if (before !== null) this.#forgetInstancesOf(before, journal)
    this.#setStatus('confirmed')
    this.#ports.settled()
  }

  #forgetInstancesOf(before: Installed, journal: JournalPort): void {
    const stay = new Set(this.#running!.verified.section.instances.map((instance) => nameOf(this.name, instance)))
    try {
      for (const instance of this.#ports.verifier.reopen(before.record, this.#ports.contents).section.instances) {
        if (!stay.has(nameOf(this.name, instance))) journal.forgetInstance({ app: this.name, ...instance })
      }
    } catch (thrown) {
      this.#tell('forget-failed', asHyphaError(thrown))
    }
  }

  #onChange(): void {
    this.#ports.changed()
    const { traps, deadlines } = this.#running!.prepared.health()
    const failures = traps + deadlines
    const fresh = failures - this.#failuresSeen
    this.#failuresSeen = failures
    if (fresh <= 0 || this.#ports.installs.state(this.name).trial === null) return
    const message = this.#instances().find(({ error }) => error !== null)?.error ?? 'unknown'
    void this.#enqueue(async () => {
      if (this.#ports.installs.state(this.name).trial === null) return
      const { trial } = await this.#ports.installs.step(this.name, { kind: 'trap', message })
      if (trial !== null) return this.#watchTrial()
      await this.#running?.prepared.stop({ save: false })
      await this.#revert(null, null)
      this.#ports.settled()
    })
  }

  /** Back to what was confirmed: as it stood by, or opened anew from its record. */
  async #revert(input: { kind: 'fail'; code: string; message: string } | null, old: Running | null): Promise<void> {
    this.#cancelTrial?.()
    const { installs, verifier } = this.#ports
    const state = input === null ? installs.state(this.name) : await installs.step(this.name, input)
    const { failed, confirmed } = state
    this.#running = null
    if (failed !== null)
      this.#event('reverted', `Release ${failed.release.slice(0, 12)} is given up: ${failed.message}`)
    if (confirmed !== null) {
      try {
        if (old !== null && old.installed.release === confirmed.release && old.installed.epoch === confirmed.epoch) {
          await this.#activate(old.installed, old.verified, old.prepared)
        } else await this.#open(confirmed, verifier.reopen(confirmed.record, this.#ports.contents))
      } catch (thrown) {
        this.#tell('revert-failed', asHyphaError(thrown))
      }
    }
    this.#setStatus('reverted', failed)
  }

  async #remove(): Promise<void> {
    const { installs, journal } = this.#ports
    this.#cancelTrial?.()
    await this.#running?.prepared.stop({ save: false })
    this.#running = null
    await installs.remove(this.name)
    journal.forget(this.name)
    this.#ports.settled()
    this.#ports.changed()
  }

  #refuse(wanted: Section, error: HyphaError): void {
    if (error.code === 'section-superseded' || error.code === 'receive-ended' || this.#wanted !== wanted) {
      this.converge()
      return
    }
    this.#tell('refused', error)
    this.#setStatus('refused', error)
    // What may pass (a full disk, a cut connection) is tried again; what can't is left until the next directive.
    if (error.act !== 'later') return
    this.#cancelRetry = this.#ports.clock.after(retryMs, () => this.converge())
  }

  #setStatus(status: Status['status'], why: { code: string; message: string } | null = null): void {
    this.#status = { status, code: why?.code ?? null, message: why?.message ?? null }
    this.#ports.changed()
  }

  #tell(code: string, error: HyphaError): void {
    this.#event(code, `${error.message}${error.where === undefined ? '' : ` (${error.where})`} [${error.code}]`)
  }

  #event(code: string, text: string): void {
    this.#ports.event({ instance: { app: this.name, module: null, home: null }, code, text })
  }
}

const nameOf = (app: string, instance: { module: string; home: string | null }) => instanceName({ app, ...instance })

const sameSection = (a: Section, b: Section): boolean =>
  bytesEqual(encodeCbor(sectionCodec.toItem(a)), encodeCbor(sectionCodec.toItem(b)))
