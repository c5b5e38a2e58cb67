import { encodeCbor } from '@hypha/core/bytes/cbor.ts'
import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import { type Content, type Section, section as sectionCodec } from '@hypha/core/trust/directive.ts'
import { agentApp } from '@hypha/core/wire/ids.ts'
import type { SectionState } from '@hypha/core/wire/messages/state.ts'
import { AgentTrial, type Neighbour, programOf, type SelfUpdate } from './agent-trial.ts'
import type { AppPorts } from './app-ports.ts'
import { AppStatus } from './app-status.ts'
import type { Installed } from './install/machine.ts'
import { decodeStored } from './verify/stored.ts'
import { checkContent, load } from './verify/verifier.ts'

const retryMs = 5_000

/**
 * The agent's own program on this node, as an app like any other: received and verified the same way, unpacked into a slot, and tried by the launcher, which goes
 * back to the slot before where the new one dies, hangs, or doesn't do what the old one did. [P 6.8]
 */
export class AgentApp {
  readonly name = agentApp
  readonly #ports: AppPorts
  /** Null in an agent that no launcher started, which updates nothing. */
  readonly #trial: AgentTrial | null
  readonly #status: AppStatus
  #wanted: Section | null
  #incoming: Section | null = null
  #receiving = new AbortController()
  #work: Promise<void> = Promise.resolve()
  #closing = false
  #removed = false
  #cancelTimer = (): void => undefined

  constructor(
    wanted: Section | null,
    ports: AppPorts,
    update: SelfUpdate | null,
    neighbours: () => readonly Neighbour[],
  ) {
    this.#wanted = wanted
    this.#ports = ports
    this.#status = new AppStatus(agentApp, ports)
    this.#trial =
      update &&
      new AgentTrial(ports, update, this.#status, {
        neighbours,
        inTurn: (run) => this.#enqueue(run),
        over: () => this.converge(),
      })
  }

  /** Goes on with what the agent before was at, whatever ended it. */
  boot(): Promise<void> {
    return this.#enqueue(async () => await this.#trial?.boot())
  }

  /** What was built in can't be prepared beside itself: only what is to run counts. */
  want({ run: section }: { readonly run: Section | null }, _since: number): void {
    if (section === null || this.isNew(section)) {
      this.#wanted = section
      this.#receiving.abort()
      this.#receiving = new AbortController()
    }
    this.converge()
  }

  isNew(section: Section): boolean {
    if (section.phase !== 'run') return false
    return this.#wanted === null || !sameSection(section, this.#wanted)
  }

  converge(): void {
    void this.#enqueue(() => this.#converge())
  }

  async close(): Promise<void> {
    this.#closing = true
    this.#receiving.abort()
    this.#cancelTimer()
    this.#trial?.stop()
    await this.#work
  }

  commit(): void {
    // It prepares nothing.
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

  mayMove(): false {
    return false
  }

  linked(): null {
    return null
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
    return {
      app: agentApp,
      epoch,
      release,
      ...this.#status.now,
      running: this.#running(),
      instances: [],
      prepare: null,
    }
  }

  /** Digest of the release whose program this process is; null where it came with the installation. */
  #running(): Uint8Array | null {
    const { confirmed, trial } = this.#ports.installs.state(agentApp)
    for (const installed of [trial?.installed ?? null, confirmed]) {
      if (installed !== null && this.#trial?.isRunning(installed)) {
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
    if (this.#trial?.underWay) return
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
    return sameSection(section, wanted) && this.#trial?.isRunning(installed) === true
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
    if (this.#trial === null) {
      throw new HyphaError('update-unsupported', 'This agent runs from a checkout, and installs no releases of itself')
    }
    this.#status.set('preparing')
    const verified = verifier.verifyRelease(wanted, contents)
    await keepTrust()
    const { digest } = programOf(verified.release)
    const installed = { epoch: wanted.epoch, release: toHex(wanted.release), record: verifier.recordOf(verified) }
    if (this.#trial.isRunning(installed)) {
      // What runs has proven itself already, whoever put it here.
      await installs.step(agentApp, { kind: 'stage', installed }, { kind: 'confirm' })
      this.#status.set('confirmed')
      return this.#ports.settled()
    }
    const archive = load(agentApp, digest, contents)
    // Read from the disk again: what is unpacked is what was signed.
    checkContent(agentApp, digest, archive, crypto)
    await this.#trial.begin(installed, archive)
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
}

const isOf = (installed: { readonly epoch: number; readonly release: string }, section: Section): boolean =>
  installed.epoch === section.epoch && installed.release === toHex(section.release)

const sameSection = (a: Section, b: Section): boolean =>
  bytesEqual(encodeCbor(sectionCodec.toItem(a)), encodeCbor(sectionCodec.toItem(b)))
