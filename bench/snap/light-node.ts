import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Commit } from '@hypha/core/trust/commit.ts'
import { type Signer, signOne } from '@hypha/core/trust/cose.ts'
import type { Content, Section } from '@hypha/core/trust/directive.ts'
import { trustFirstRoot } from '@hypha/core/trust/rules.ts'
import { directiveMessage } from '@hypha/core/wire/messages/directive.ts'
import { releaseMessage } from '@hypha/core/wire/messages/release.ts'
import { rootChain } from '@hypha/core/wire/messages/root-chain.ts'
import type { PrepareState } from '@hypha/core/wire/messages/state.ts'
import { want } from '@hypha/core/wire/messages/want.ts'
import { type FleetTopics, fleetTopics } from '@hypha/core/wire/topics.ts'
import { type GatewayClock, openGatewayClock } from '../../agent/clock-sync.ts'
import type { Link } from '../../agent/link/link.ts'
import { openReceiver, type Receiver } from '../../agent/receive/receiver.ts'
import { applyPatchWithin } from '../../agent/sandbox/worker/apply-patch.ts'
import { Verifier } from '../../agent/verify/verifier.ts'
import { LossyFiles } from '../../test/support/lossy-files.ts'
import { type LightActivation, type LightApp, receiptOf, stateOf } from './light-words.ts'
import { soon, Turns, whenCalm } from './turns.ts'

const stateDelayMs = 20
/** A release message that doesn't come: then by chunks. */
const releaseWaitMs = 2_000

export interface LightNodeOptions {
  readonly fleet: string
  readonly node: string
  readonly link: Link
  readonly clock: Clock
  readonly root: Uint8Array
  readonly signer: Signer
  /** The machine's true time. */
  readonly trueMs: () => number
  readonly onActive: (activation: LightActivation) => void
  readonly onProblem: (error: HyphaError) => void
}

interface ByCommit {
  readonly commit: Commit
  readonly cameAt: number
  readonly late: boolean
}

/** When a release began to run, by the machine's clock and by the node's own, and what ran before. */
interface Begun {
  readonly section: Section
  readonly before: Section | null
  readonly at: number
  readonly ownMs: number
  readonly by: ByCommit | null
}

/**
 * A node without a sandbox: joins, verifies, receives, prepares, flips and reports by the same messages and the same checks as an agent; what it runs is a name. Links, verifier, receiver and clock are the agent's own.
 */
export class LightNode {
  readonly #options: LightNodeOptions
  readonly #topics: FleetTopics
  readonly #verifier: Verifier
  readonly #clock: GatewayClock
  readonly #incarnation = nodeCrypto.random(8)
  readonly #apps = new Map<string, LightApp>()
  readonly #released = new Map<string, readonly Uint8Array[]>()
  readonly #releaseWaiting = new Set<() => void>()
  #receiver: Receiver | null = null
  #attachments: readonly Uint8Array[] = []
  #refused: HyphaError | null = null
  /** One directive after the other. */
  #work: Promise<void> = Promise.resolve()
  #stateDue = false

  constructor(options: LightNodeOptions) {
    const { fleet, node, root, link, clock } = options
    this.#options = options
    this.#topics = fleetTopics(fleet)
    const snapshot = trustFirstRoot(root, { digest: nodeCrypto.sha256(root), fleet, node }, nodeCrypto)
    this.#verifier = new Verifier({ snapshot, crypto: nodeCrypto, nowMs: clock.now })
    link.subscribe(this.#topics.rootMetadata, (_topic, bytes) =>
      this.#guard(() => this.#verifier.followRoot(rootChain.decode(bytes).envelopes)),
    )
    this.#clock = openGatewayClock({ node, topics: this.#topics, link, clock, soon, onProblem: options.onProblem })
  }

  async start(): Promise<void> {
    const { link, clock, node } = this.#options
    this.#receiver = await openReceiver({
      files: new LossyFiles(),
      crypto: nodeCrypto,
      brotli,
      clock,
      applyPatch: async (base, patch, maxBytes) => applyPatchWithin(base, patch, maxBytes),
      source: {
        subscribe: (digestHex, onChunk) =>
          link.subscribe(this.#topics.chunks(digestHex), (topic, bytes) =>
            onChunk(Number(topic.slice(topic.lastIndexOf('/') + 1)), bytes),
          ),
        request: (wanted) => this.#say(this.#topics.up(node, 'want'), want.encode(wanted), { qos: 0 }),
      },
    })
    link.subscribe(this.#topics.down(node, 'directive'), (_topic, bytes) => {
      if (bytes.length === 0) return
      this.#work = this.#work.then(() => this.#onDirective(bytes))
    })
    for (const kind of ['ack', 'input'] as const) link.subscribe(this.#topics.down(node, kind), () => undefined)
    link.onState((now) => {
      if (now === 'offline') return
      this.#changed()
      this.#receiver!.retry()
    })
    if (link.state === 'online') this.#changed()
  }

  async #onDirective(bytes: Uint8Array): Promise<void> {
    try {
      const { envelope, attachments } = directiveMessage.decode(bytes)
      const { sections } = this.#verifier.verifyDirective(envelope).directive
      this.#refused = null
      this.#attachments = attachments
      const names = new Set([...this.#apps.keys(), ...sections.map(({ app }) => app)])
      for (const name of names) {
        const of = (phase: Section['phase']) =>
          sections.find((section) => section.app === name && section.phase === phase) ?? null
        await this.#converge(this.#app(name), of('run'), of('prepare'))
      }
    } catch (thrown) {
      this.#refused = asHyphaError(thrown)
      this.#options.onProblem(this.#refused)
    }
    this.#changed()
  }

  #app(name: string): LightApp {
    const known = this.#apps.get(name)
    if (known) return known
    const app: LightApp = { running: null, prepared: null, prepare: null, commit: null, armed: null, problem: null }
    this.#apps.set(name, app)
    const { link, trueMs } = this.#options
    link.subscribe(this.#topics.release(name), (_topic, bytes) =>
      this.#guard(() => {
        if (bytes.length === 0) return
        this.#released.set(name, releaseMessage.decode(bytes).attachments)
        for (const wake of this.#releaseWaiting) wake()
      }),
    )
    link.subscribe(this.#topics.commit(name), (_topic, bytes) => {
      if (bytes.length === 0) return
      app.commit = { bytes: Uint8Array.from(bytes), cameAt: trueMs() }
      this.#judge(name, app)
    })
    return app
  }

  async #converge(app: LightApp, run: Section | null, prepare: Section | null): Promise<void> {
    if (prepare !== null && !same(prepare, app.running)) await this.#prepare(app, prepare)
    else if (app.armed === null) this.#drop(app)
    if (run === null) {
      if (prepare === null) app.running = null
    } else if (!same(run, app.running) && !same(app.running, prepare)) await this.#run(app, run)
  }

  #drop(app: LightApp): void {
    app.prepared = null
    app.prepare = null
  }

  /** receive → verify → prepared */
  async #prepare(app: LightApp, section: Section): Promise<void> {
    if (same(section, app.prepared)) return
    app.armed?.cancel()
    app.armed = null
    const { epoch, release } = section
    const says = (status: PrepareState['status'], error: HyphaError | null = null) => {
      const estimate = this.#clock.estimate()
      app.prepare = {
        epoch,
        release,
        wave: section.wave ?? 0,
        status,
        code: error?.code ?? null,
        message: error?.message ?? null,
        rehearsal: null,
        clock: estimate && { rttMs: estimate.rttMs, errorMs: estimate.errorMs },
      }
    }
    try {
      says('receiving')
      await turns.compute(async () => {
        await this.#receive(section)
        this.#verifier.verifyRelease(section, (digest) => this.#receiver!.contents.read(digest))
      })
      await turns.measure(() => this.#clock.measure())
      app.prepared = section
      says('prepared')
      this.#judge(section.app, app)
    } catch (thrown) {
      says('refused', asHyphaError(thrown))
      this.#options.onProblem(asHyphaError(thrown))
    }
    this.#changed()
  }

  async #run(app: LightApp, section: Section): Promise<void> {
    // The flip that is coming is what the section says. [P 10.7]
    if (app.armed !== null && same(section, app.prepared)) return
    try {
      await this.#receive(section)
      this.#verifier.verifyRelease(section, (digest) => this.#receiver!.contents.read(digest))
      app.problem = null
      app.armed?.cancel()
      this.#activate(app, section, null)
    } catch (thrown) {
      app.problem = asHyphaError(thrown)
      this.#options.onProblem(app.problem)
    }
  }

  async #receive({ app, contents }: Section): Promise<void> {
    for (const content of contents) {
      if (content.transfer.via === 'release') await this.#releaseWith(app, content)
      const attachments = [...this.#attachments, ...(this.#released.get(app) ?? [])]
      await this.#receiver!.fetch(content, { attachments })
    }
  }

  /** Waits for the release message that has the content, or until it is clear that none comes. [P 7.8] */
  async #releaseWith(app: string, { transfer, digest }: Content): Promise<void> {
    const here = () =>
      this.#receiver!.contents.read(digest) !== null ||
      this.#released.get(app)?.some((bytes) => bytesEqual(nodeCrypto.sha256(bytes), transfer.digest)) === true
    if (here()) return
    await new Promise<void>((resolve) => {
      const done = () => {
        cancel()
        this.#releaseWaiting.delete(look)
        resolve()
      }
      const look = () => {
        if (here()) done()
      }
      const cancel = this.#options.clock.after(releaseWaitMs, done)
      this.#releaseWaiting.add(look)
    })
  }

  /** A commit acts on what is prepared, whichever came first. [P 10.4] */
  #judge(name: string, app: LightApp): void {
    const { commit: came, prepared } = app
    if (came === null || prepared === null) return
    this.#guard(() => {
      const outcome = this.#verifier.verifyCommit(name, came.bytes)
      if (
        outcome.kind !== 'acts' ||
        !same(outcome.section, prepared) ||
        app.armed?.commit.instantMs === outcome.commit.instantMs
      )
        return
      const { commit } = outcome
      app.armed?.cancel()
      const { clock } = this.#options
      const estimate = this.#clock.estimate()
      const late = estimate !== null && clock.monotonic() + estimate.offsetMs > commit.instantMs
      const cancel = this.#clock.after(commit.instantMs, () => {
        app.armed = null
        this.#activate(app, prepared, { commit, cameAt: came.cameAt, late })
      })
      app.armed = { commit, cancel }
      app.prepare = { ...app.prepare!, status: 'committed' }
      this.#changed()
    })
  }

  /** It begins to run it. What it says of that follows when all who share its process have begun, too. */
  #activate(app: LightApp, section: Section, by: ByCommit | null): void {
    const at = this.#options.trueMs()
    const ownMs = this.#options.clock.monotonic()
    const before = app.running
    app.running = section
    app.armed = null
    this.#drop(app)
    const begun = { section, before, at, ownMs, by }
    if (by === null) this.#tell(begun)
    else whenCalm(() => this.#tell(begun))
  }

  /** The estimate is that of half a second later at most: its bound is wider then by a tenth of a millisecond. */
  #tell({ section, before, at, ownMs, by }: Begun): void {
    const estimate = this.#clock.estimate()
    const commit =
      by === null || estimate === null
        ? null
        : {
            cameAt: by.cameAt,
            instantMs: by.commit.instantMs,
            issuedMs: by.commit.issuedMs,
            estimatedMs: ownMs + estimate.offsetMs,
            errorMs: estimate.errorMs,
            rttMs: estimate.rttMs,
            late: by.late,
          }
    this.#options.onActive({ app: section.app, epoch: section.epoch, at, commit })
    this.#changed()
    if (commit !== null) this.#sendReceipt(section, before, commit)
  }

  #sendReceipt(section: Section, before: Section | null, commit: NonNullable<LightActivation['commit']>): void {
    const { node, signer } = this.#options
    const payload = receiptOf({ ...this.#options, incarnation: this.#incarnation }, { section, before, commit })
    this.#say(this.#topics.up(node, 'receipt'), signOne(payload, 'receipt', signer), { qos: 1 })
  }

  /** Many changes at once make one message. */
  #changed(): void {
    if (this.#stateDue) return
    this.#stateDue = true
    this.#options.clock.after(stateDelayMs, () => {
      this.#stateDue = false
      if (this.#options.link.state === 'offline') return
      this.#say(this.#topics.state(this.#options.node), this.#state(), { qos: 1, retain: true })
    })
  }

  #state(): Uint8Array {
    return stateOf(this.#apps, {
      incarnation: this.#incarnation,
      directive: this.#verifier.held?.directive.version ?? 0,
      contents: this.#receiver!.contents.list(),
      refused: this.#refused && { code: this.#refused.code, message: this.#refused.message },
    })
  }

  #say(topic: string, bytes: Uint8Array, options: { qos: 0 | 1; retain?: boolean }): void {
    this.#options.link.publish(topic, bytes, options).catch(() => {
      // Cut in between: the next connection says what holds then.
    })
  }

  #guard(run: () => void): void {
    try {
      run()
    } catch (thrown) {
      this.#options.onProblem(asHyphaError(thrown))
    }
  }
}

/** Of all nodes of this process. */
const turns = new Turns(16)

const same = (a: Section | null, b: Section | null): boolean =>
  a !== null && b !== null && a.epoch === b.epoch && toHex(a.release) === toHex(b.release)
