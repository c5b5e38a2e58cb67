import { arch } from 'node:process'
import { encodeCbor } from '@hypha/core/bytes/cbor.ts'
import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import { type Content, type Section, section as sectionCodec } from '@hypha/core/trust/directive.ts'
import { agentApp, type Release } from '@hypha/core/trust/release.ts'
import { filesFor } from '@hypha/core/trust/shape.ts'
import type { SectionState } from '@hypha/core/wire/messages/state.ts'
import type { AppPorts } from './app-ports.ts'
import { AppStatus } from './app-status.ts'
import type { Installed } from './install/machine.ts'
import { judge, look, type Watch, type WatchLimits, type Why } from './update/machine.ts'
import type { Slots } from './update/slots.ts'
import { decodeStored } from './verify/stored.ts'
import { checkContent, load } from './verify/verifier.ts'

const retryMs = 5_000
const lookEveryMs = 1_000
/** Starts that the launcher gives a trial. */
const tries = 2

/** What the agent's own update needs; null in an agent that no launcher started, which updates nothing. */
export interface SelfUpdate {
  readonly slots: Slots
  readonly limits: WatchLimits
  readonly online: () => boolean
  /** Ends this process in good order, so that the launcher starts the slot that is due. */
  readonly restart: () => void
}

/** An app as the rest of the agent sees it while its own program is exchanged. */
export interface Neighbour {
  readonly name: string
  /** All of its instances run. */
  readonly running: boolean
}

/**
 * The agent's own program on this node, as an app like any other: received and verified the same way, unpacked into a slot, and tried by the launcher, which goes
 * back to the slot before where the new one dies, hangs, or doesn't do what the old one did. [P 6.8]
 */
export class AgentApp {
  readonly name = agentApp
  readonly #ports: AppPorts
  readonly #update: SelfUpdate | null
  readonly #neighbours: () => readonly Neighbour[]
  readonly #status: AppStatus
  #wanted: Section | null
  #incoming: Section | null = null
  #receiving = new AbortController()
  #work: Promise<void> = Promise.resolve()
  #closing = false
  #removed = false
  #watching = false
  #cancelTimer = (): void => undefined
  /** The slots of stored records, each decoded once. */
  readonly #slotsOf = new WeakMap<Installed, string>()

  constructor(
    wanted: Section | null,
    ports: AppPorts,
    update: SelfUpdate | null,
    neighbours: () => readonly Neighbour[],
  ) {
    this.#wanted = wanted
    this.#ports = ports
    this.#update = update
    this.#neighbours = neighbours
    this.#status = new AppStatus(agentApp, ports)
  }

  /** Goes on with what the agent before was at, whatever ended it. */
  boot(): Promise<void> {
    return this.#enqueue(async () => {
      if (this.#update === null) return
      const { slots } = this.#update
      const { trial, failed, confirmed } = this.#ports.installs.state(agentApp)
      const verdict = judge(slots.found(trial && this.#slotOf(trial.installed)))
      switch (verdict.kind) {
        case 'settled':
          if (failed !== null) this.#status.set('reverted', failed)
          else if (confirmed !== null) this.#status.set('confirmed')
          return await slots.sweep()
        case 'watch':
          return this.#watch()
        case 'confirmed':
          return await this.#confirm()
        case 'try':
          return await this.#try()
        case 'failed':
          return await this.#failed(verdict)
        case 'give-up':
          return await this.#giveUp(verdict)
      }
    })
  }

  want(section: Section | null, _since: number): void {
    if (section === null || this.isNew(section)) {
      this.#wanted = section
      this.#receiving.abort()
      this.#receiving = new AbortController()
    }
    this.converge()
  }

  isNew(section: Section): boolean {
    return this.#wanted === null || !sameSection(section, this.#wanted)
  }

  converge(): void {
    void this.#enqueue(() => this.#converge())
  }

  async close(): Promise<void> {
    this.#closing = true
    this.#receiving.abort()
    this.#cancelTimer()
    await this.#work
  }

  get gone(): boolean {
    return this.#wanted === null && this.#removed
  }

  subscribers(): [] {
    return []
  }

  deliver(): 'absent' {
    return 'absent'
  }

  needed(): Content[] {
    const { confirmed, trial } = this.#ports.installs.state(agentApp)
    const installed = [confirmed, trial?.installed ?? null].flatMap((each) =>
      each === null ? [] : decodeStored(each.record, this.#ports.crypto).section.contents,
    )
    return [...installed, ...(this.#wanted?.contents ?? [])]
  }

  section(): SectionState | null {
    const wanted = this.#wanted
    if (wanted === null) return null
    const { epoch, release } = wanted
    return { app: agentApp, epoch, release, ...this.#status.now, running: this.#running(), instances: [] }
  }

  /** Digest of the release whose program this process is; null where it came with the installation. */
  #running(): Uint8Array | null {
    const { confirmed, trial } = this.#ports.installs.state(agentApp)
    for (const installed of [trial?.installed ?? null, confirmed]) {
      if (installed !== null && this.#slotOf(installed) === this.#update?.slots.running) {
        return decodeStored(installed.record, this.#ports.crypto).section.release
      }
    }
    return null
  }

  #enqueue(run: () => Promise<void>): Promise<void> {
    this.#work = this.#work
      .then(() => (this.#closing ? undefined : run()))
      .catch((thrown) => {
        // What can go wrong is handled where it does; this is a full disk or a defect, and must not end the agent.
        this.#status.tell('update-failed', asHyphaError(thrown))
      })
    return this.#work
  }

  async #converge(): Promise<void> {
    // One trial after the other: which program the launcher goes back to must stay beyond doubt.
    if (this.#watching) return
    this.#cancelTimer()
    const wanted = this.#wanted
    if (wanted === null) return this.#ports.verifier.held === null ? undefined : await this.#remove()
    if (this.#incoming === wanted) return
    const { failed, confirmed } = this.#ports.installs.state(agentApp)
    if (failed !== null && isOf(failed, wanted)) return this.#status.set('reverted', failed)
    if (confirmed !== null && this.#is(confirmed, wanted)) return this.#status.set('confirmed')
    this.#incoming = wanted
    void this.#bring(wanted)
  }

  /** Whether it is what the section asks for, and this process its program. */
  #is(installed: Installed, wanted: Section): boolean {
    const { section } = decodeStored(installed.record, this.#ports.crypto)
    return sameSection(section, wanted) && this.#slotOf(installed) === this.#update?.slots.running
  }

  /** receive → verify → install → try */
  async #bring(wanted: Section): Promise<void> {
    const { signal } = this.#receiving
    let problem: HyphaError | null = null
    try {
      this.#status.set('receiving')
      for (const content of wanted.contents) await this.#ports.receive(content, agentApp, signal)
    } catch (thrown) {
      problem = asHyphaError(thrown)
    }
    await this.#enqueue(async () => {
      try {
        if (problem === null && this.#wanted === wanted) await this.#install(wanted)
      } catch (thrown) {
        problem = asHyphaError(thrown)
      }
      if (this.#incoming === wanted) this.#incoming = null
      if (problem !== null) this.#refuse(wanted, problem)
    })
  }

  async #install(wanted: Section): Promise<void> {
    const { verifier, contents, crypto, installs, keepTrust } = this.#ports
    if (this.#update === null) {
      throw new HyphaError('update-unsupported', 'This agent runs from a checkout, and installs no releases of itself')
    }
    this.#status.set('preparing')
    const verified = verifier.verifyRelease(wanted, contents)
    await keepTrust()
    const { digest } = programOf(verified.release)
    const installed = { epoch: wanted.epoch, release: toHex(wanted.release), record: verifier.recordOf(verified) }
    const { slots } = this.#update
    if (toHex(digest) === slots.running) {
      // What runs has proven itself already, whoever put it here.
      await installs.step(agentApp, { kind: 'stage', installed }, { kind: 'confirm' })
      this.#status.set('confirmed')
      return this.#ports.settled()
    }
    const archive = load(agentApp, digest, contents)
    // Read from the disk again: what is unpacked is what was signed.
    checkContent(agentApp, digest, archive, crypto)
    await slots.install(toHex(digest), archive)
    await slots.prepare(this.#neighbours().flatMap(({ name, running }) => (running ? [name] : [])))
    await installs.step(agentApp, { kind: 'stage', installed })
    await this.#try()
  }

  /** Lets the launcher try what is staged. Its starts are counted here too, so that no launcher can make this go on for ever. */
  async #try(): Promise<void> {
    const { installs } = this.#ports
    const { trial, failed } = await installs.step(agentApp, { kind: 'start' })
    if (trial === null) return this.#status.set('reverted', failed)
    await this.#update!.slots.try(this.#slotOf(trial.installed), tries)
    this.#restart('trial')
  }

  #restart(status: 'trial' | 'reverted', why: Why | null = null): void {
    this.#status.set(status, why)
    this.#watching = true
    this.#update!.restart()
  }

  /** This process is on trial: it looks at itself until it is confirmed, or gives itself up. */
  #watch(): void {
    const { slots, limits, online } = this.#update!
    const { clock } = this.#ports
    const before = slots.before() ?? []
    let watch: Watch = { beganMs: clock.monotonic(), healthySinceMs: null, connected: false }
    this.#watching = true
    this.#status.set('trial')
    const lookAgain = () => {
      const missing = this.#neighbours().flatMap(({ name, running }) =>
        before.includes(name) && !running ? [name] : [],
      )
      const seen = look(watch, { nowMs: clock.monotonic(), online: online(), missing }, limits)
      watch = seen.watch
      const { outcome } = seen
      if (outcome === 'wait') this.#cancelTimer = clock.after(lookEveryMs, lookAgain)
      else void this.#enqueue(() => (outcome === 'confirm' ? this.#confirm() : this.#giveUp(outcome)))
    }
    lookAgain()
  }

  async #confirm(): Promise<void> {
    try {
      await this.#update!.slots.confirm()
      await this.#ports.installs.step(agentApp, { kind: 'confirm' })
    } catch (thrown) {
      // A full disk passes; until then the launcher would try it again.
      this.#status.tell('confirm-failed', asHyphaError(thrown))
      return this.#watch()
    }
    this.#watching = false
    this.#status.set('confirmed')
    await this.#update!.slots.sweep()
    this.#ports.settled()
    this.converge()
  }

  async #giveUp(why: Why): Promise<void> {
    this.#status.event('reverted', `The new agent gives itself up: ${why.message}`)
    try {
      await this.#update!.slots.giveUp(this.#update!.slots.running, why)
    } catch (thrown) {
      this.#status.tell('revert-failed', asHyphaError(thrown))
    }
    // Also where it can't be written down: the launcher counts.
    this.#restart('reverted', why)
  }

  /** The one that was tried didn't do: this one goes on, and doesn't try it again. */
  async #failed({ code, message }: Why): Promise<void> {
    const { installs } = this.#ports
    await this.#update!.slots.endTrial()
    const { failed } = await installs.step(agentApp, { kind: 'fail', code, message })
    this.#status.event('reverted', `The new agent is given up, the one before runs again: ${message}`)
    this.#status.set('reverted', failed)
    await this.#update!.slots.sweep()
  }

  /** The directive names it no more: the program that runs stays. */
  async #remove(): Promise<void> {
    await this.#ports.installs.remove(agentApp)
    this.#removed = true
    this.#ports.settled()
    this.#ports.changed()
  }

  #refuse(wanted: Section, error: HyphaError): void {
    if (this.#wanted !== wanted || this.#closing) return
    if (error.code !== 'section-superseded') {
      this.#status.tell('refused', error)
      this.#status.set('refused', error)
    }
    if (error.act === 'later') this.#cancelTimer = this.#ports.clock.after(retryMs, () => this.converge())
  }

  #slotOf(installed: Installed): string {
    const known = this.#slotsOf.get(installed)
    if (known !== undefined) return known
    const slot = toHex(programOf(decodeStored(installed.record, this.#ports.crypto).release).digest)
    this.#slotsOf.set(installed, slot)
    return slot
  }
}

/** The archive that a release has for this machine. Throws `content-missing`. */
function programOf(release: Release) {
  const found = filesFor(release, arch).find(({ name }) => name === 'agent')
  if (found !== undefined) return found.artifact
  throw new HyphaError('content-missing', `Release ${release.number} of ${agentApp} has no agent for ${arch}`)
}

const isOf = (installed: { readonly epoch: number; readonly release: string }, section: Section): boolean =>
  installed.epoch === section.epoch && installed.release === toHex(section.release)

const sameSection = (a: Section, b: Section): boolean =>
  bytesEqual(encodeCbor(sectionCodec.toItem(a)), encodeCbor(sectionCodec.toItem(b)))
