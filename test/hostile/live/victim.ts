import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { openEnvelope, type Signer, signMany } from '@hypha/core/trust/cose.ts'
import type { Directive, Section } from '@hypha/core/trust/directive.ts'
import { type RootMetadata, rootMetadata } from '@hypha/core/trust/root.ts'
import { maxRootBytes } from '@hypha/core/trust/snapshot.ts'
import { loadIdentity, saveIdentity } from '../../../agent/home.ts'
import { agentProgram, eventually, RunningProgram } from '../../../examples/demo/processes.ts'
import { EvilGateway } from './evil-gateway.ts'
import { app, type Facts, victim } from './fixture.ts'
import { Forge, type Signed, sha256 } from './forge.ts'
import { patience, words } from './row.ts'

/** So that there is a lower one. */
const firstEpoch = 5

/**
 * A real agent whose gateway is an evil one. It runs the author's third release; between two rows it is shown to follow the genuine gateway still. A row that is let
 * through costs it everything that it has: it begins anew.
 */
export class Victim {
  readonly forge: Forge
  readonly evil: EvilGateway
  readonly #folder: string
  readonly #clean: string
  #agent: RunningProgram | null = null
  /** The version of the last directive that was accepted. */
  version = 0
  /** Of the app's section; it only rises. */
  epoch = firstEpoch
  /** Of the root metadata that it was given last. */
  rootVersion = 1
  /** The gateway's key as root metadata has it now. */
  gatewayKey: Signer
  readonly firstRoot: Uint8Array
  readonly root: RootMetadata
  #line = 0
  /** After so long without a refusal, there is none. */
  patienceMs: number = patience.refused

  private constructor(folder: string, clean: string, forge: Forge, evil: EvilGateway) {
    this.#folder = folder
    this.#clean = clean
    this.forge = forge
    this.evil = evil
    this.gatewayKey = forge.gateway
    this.firstRoot = loadIdentity(folder).root
    this.root = rootMetadata.decode(openEnvelope(this.firstRoot, 'root', maxRootBytes).unverifiedPayload)
  }

  static async start(folder: string, facts: Facts): Promise<Victim> {
    const evil = await EvilGateway.start(folder, facts)
    const [home, clean] = [join(folder, victim), join(folder, 'clean')]
    saveIdentity(home, { ...loadIdentity(home), brokerPort: evil.port })
    cpSync(home, clean, { recursive: true })
    const made = new Victim(home, clean, new Forge(facts), evil)
    await made.#run()
    return made
  }

  /** The node's own. */
  get folder(): string {
    return this.#folder
  }

  get agent(): RunningProgram {
    return this.#agent!
  }

  async #run(): Promise<void> {
    this.evil.forgetState()
    this.#agent = new RunningProgram(agentProgram, ['run', '--home', this.#folder], {})
    this.#line = 0
    await this.#agent.line(/connected/)
    // Its subscriptions come before its first state.
    await this.evil.stateThat(() => true)
    this.version = 0
    this.epoch = firstEpoch
    this.rootVersion = 1
    this.gatewayKey = this.forge.gateway
    await this.obey()
    // Once more, so that there is an older one.
    await this.obey()
    await eventually('its telemetry', () => this.evil.levels.includes(3) || undefined)
  }

  /** As it was before the first row. */
  async restore(): Promise<void> {
    await this.agent.end('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
    cpSync(this.#clean, this.#folder, { recursive: true })
    await this.#run()
  }

  get genuine(): Signed {
    return this.forge.genuine.get(3)!
  }

  /** The genuine section, with which nothing changes. */
  section(changes: Partial<Section> = {}): Section {
    return this.forge.section(this.genuine, { epoch: this.epoch, ...changes })
  }

  /** A directive that follows on the one that the node holds, and asks for what runs. */
  next(changes: Partial<Directive> = {}): Directive {
    return this.forge.directive({ version: this.version + 1, sections: [this.section()], ...changes })
  }

  /** The genuine gateway speaks: the node must follow, and run the genuine release. */
  async obey(): Promise<void> {
    const directive = this.next()
    const { envelope } = this.genuine
    this.evil.sendDirective(this.forge.signDirective(directive, this.gatewayKey), [envelope, this.forge.core])
    const running = sha256(this.genuine.payload)
    const followed = await this.evil.stateThat((state) => {
      const section = state.sections.find((each) => each.app === app)
      const settled = section?.epoch === this.epoch && (section.status === 'trial' || section.status === 'confirmed')
      const runs = settled && section.running !== null && bytesEqual(section.running, running)
      return (
        (state.directive === directive.version && state.refused === null && runs && state.sections.length === 1) ||
        undefined
      )
    }, patience.refused)
    if (!followed) throw new Error(`the node does not follow its gateway; its last lines:\n${this.#lastLines()}`)
    this.version = directive.version
  }

  #lastLines = (): string => this.agent.lines.slice(-5).join('\n')

  /** Sends a directive's envelope; the code with which the node refuses it. */
  async refusal(envelope: Uint8Array, attachments: readonly Uint8Array[] = []): Promise<string | null> {
    this.evil.sendDirective(envelope, attachments)
    return await this.refusalOfDirective()
  }

  /** The code with which the directive that was just sent is refused. */
  async refusalOfDirective(): Promise<string | null> {
    const said = await this.evil.stateThat(
      (state) => state.refused?.code ?? (state.directive === this.version ? undefined : { through: true }),
      this.patienceMs,
    )
    return typeof said === 'string' ? said : null
  }

  /** Sends a directive that is to be accepted; the code with which the node refuses its section for the app, and runs the genuine release still. */
  async sectionRefusal(of: Section, attachments: readonly Uint8Array[] = []): Promise<string | null> {
    const others = of.app === app ? [] : [this.section()]
    // What comes after it is to be newer.
    if (of.app === app) this.epoch = of.epoch + 1
    const directive = this.next({ sections: [...others, of] })
    this.evil.sendDirective(this.forge.signDirective(directive, this.gatewayKey), attachments)
    return await this.sectionRefusalOf(of)
  }

  async sectionRefusalOf(of: Pick<Section, 'app' | 'epoch' | 'release'>): Promise<string | null> {
    const said = await this.evil.stateThat((state) => {
      if (state.refused !== null) return state.refused.code
      const section = state.sections.find((each) => each.app === of.app && each.epoch === of.epoch)
      if (section?.running != null && bytesEqual(section.running, of.release)) return { through: true }
      return section?.status === 'refused' ? (section.code ?? undefined) : undefined
    }, this.patienceMs)
    if (this.evil.state !== null) this.version = Math.max(this.version, this.evil.state.directive)
    return typeof said === 'string' ? said : null
  }

  /** Whether a section of another app runs all the same, with what is signed of it. */
  async passedOver({ app: name }: Pick<Section, 'app'>): Promise<string | null> {
    return await this.evil.stateThat((state) => {
      const found = state.sections.find((each) => each.app === name)
      if (found?.status === 'refused') return found.code ?? undefined
      return found?.status === 'trial' || found?.status === 'confirmed' ? words.passedOver : undefined
    }, this.patienceMs)
  }

  /** A payload as root metadata would be signed, by the release key. */
  rootAsRelease(payload: Uint8Array): Uint8Array {
    return signMany(payload, 'root', [this.forge.release])
  }

  /** The code in the next line of the agent's log that has one. Root metadata that is refused is told there, beside what a busy machine and a cut line cause. */
  async logged(withinMs = this.patienceMs): Promise<string | null> {
    const find = () => {
      while (this.#line < this.agent.lines.length) {
        const code = / code=([a-z0-9-]+)/.exec(this.agent.lines[this.#line++]!)?.[1]
        if (code !== undefined && !/^(ticks-missed|link-.*)$/.test(code)) return code
      }
      return undefined
    }
    return await eventually('a line with a code', find, withinMs).catch(() => null)
  }

  /** From here on only what is logged anew counts. */
  skipLog(): void {
    this.#line = this.agent.lines.length
  }

  async close(): Promise<void> {
    await this.#agent?.end('SIGKILL')
    await this.evil.close()
  }
}
