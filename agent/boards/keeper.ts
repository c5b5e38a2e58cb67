import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { asHyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import { openEnvelope } from '@hypha/core/trust/cose.ts'
import { type Content, type Directive, directive, type Section } from '@hypha/core/trust/directive.ts'
import type { CommitOutcome } from '@hypha/core/trust/judge-commit.ts'
import { maxDirectiveBytes } from '@hypha/core/trust/snapshot.ts'
import type { ToBridge } from '@hypha/core/wire/board/agent-port.ts'
import type { BoardState } from '@hypha/core/wire/board/state.ts'
import { firmwareApp } from '@hypha/core/wire/ids.ts'
import { nextTask, type RootVersion, sectionName, slotOf, type Task } from './bringing.ts'

type Transfer = Extract<ToBridge, { kind: 'transfer' }>
export type ToBring = Omit<Transfer, 'kind' | 'request' | 'board'>

/** What came of a transfer, or of a step: null where it is done, else the code that the board or the bridge gave. */
export type BroughtCode = string | null

export interface KeeperPorts {
  readonly board: string
  readonly clock: Clock
  readonly crypto: Pick<Crypto, 'sha256'>
  /** Brings something to the board, which may be away for a while. */
  transfer(what: ToBring): Promise<BroughtCode>
  /** Tells the board a step of an app's change. */
  activate(step: 'activate' | 'confirm', section: Section): Promise<BroughtCode>
  /** The image that a release of the firmware has for the board and the slot that doesn't run. */
  imageOf(envelope: Uint8Array, section: Section): Content | null
  /** The bytes of a transfer that the directive of the board lists, as they travel. */
  receive(content: Content, app: string): Promise<Uint8Array>
  /** Judges a commit against what the board is told. Null where it doesn't hold. */
  judge(app: string, envelope: Uint8Array, to: Directive): CommitOutcome | null
  /** Calls back when the gateway's clock shows an instant. */
  at(instantMs: number, reached: () => void): () => void
  /** What it knows of the board has changed. */
  changed(): void
}

/** A release runs for so long on a board before it is confirmed. */
const trialMs = 5_000
/** What failed for a reason that passes is tried again. */
const retryMs = 3_000
/** A transfer that was refused for what may have happened on the way is offered again, so many times. */
const attempts = 3

/** Passes, or says nothing of what is brought: it is tried again. */
const passing: ReadonlySet<string> = new Set([
  'transfer-cancelled',
  'board-away',
  'board-busy',
  'board-unknown',
  'timeout',
])
/** May have happened on the way. */
const onTheWay: ReadonlySet<string> = new Set([
  'rules-order',
  'transfer-out-of-order',
  'digest-mismatch',
  'message-malformed',
])

/** Brings a board what its directive lists, and takes it through the change to it: one step after another, each found from what the board says that it holds. */
export class Keeper {
  readonly #ports: KeeperPorts
  readonly #refusedSections = new Map<string, string>()
  readonly #tries = new Map<string, number>()
  readonly #due = new Set<string>()
  readonly #waiting = new Map<string, () => void>()
  readonly #commits = new Map<string, Uint8Array>()
  /** Of what a commit has put in force, by app. */
  readonly #instants = new Map<string, { readonly epoch: number; readonly wave: number; readonly instantMs: number }>()
  #roots: readonly RootVersion[] = []
  #told: { readonly directive: Directive; readonly envelope: Uint8Array } | null = null
  #refused: string | null = null
  #state: BoardState | null = null
  #trial: { readonly name: string; readonly sinceMs: number } | null = null
  #busy = false
  #closed = false
  #cancelRetry: () => void = () => undefined

  constructor(ports: KeeperPorts) {
    this.#ports = ports
  }

  /** The directive that is meant for the board, as the gateway gave it: the board judges it itself. Null where it has none. */
  get directive(): Directive | null {
    return this.#told?.directive ?? null
  }

  /** Why the board refuses its directive; null where it doesn't. */
  get refused(): string | null {
    return this.#refused
  }

  /** Why the board refuses a section; null where it doesn't. */
  refusalOf(section: Section): string | null {
    return this.#refusedSections.get(sectionName(section)) ?? null
  }

  /** In which wave, and at which instant, it was to run an epoch of an app; the instant null where no commit named one for it. */
  orderOf(app: string, epoch: number): { readonly wave: number; readonly instantMs: number | null } {
    const known = this.#instants.get(app)
    return known?.epoch === epoch ? known : { wave: 0, instantMs: null }
  }

  /** Transfers that are kept on this node, so that a board that comes back gets them also while the gateway is away. */
  needed(): Content[] {
    return (this.#told?.directive.sections ?? []).flatMap(({ contents }) => contents.map(asItTravels))
  }

  /** Root metadata as it is retained. */
  roots(roots: readonly RootVersion[]): void {
    this.#roots = roots
    this.#look()
  }

  /** Throws what is wrong with the envelope. */
  tell(envelope: Uint8Array): void {
    if (this.#told !== null && bytesEqual(this.#told.envelope, envelope)) return
    // Whether it is the gateway's word, the board judges: here it only says what to fetch.
    const read = directive.decode(openEnvelope(envelope, 'directive', maxDirectiveBytes).unverifiedPayload)
    this.#told = { directive: read, envelope }
    this.#refused = null
    this.#refusedSections.clear()
    this.#tries.clear()
    for (const app of this.#commits.keys()) this.#judge(app)
    this.#ports.changed()
    this.#look()
  }

  commit(app: string, envelope: Uint8Array): void {
    this.#commits.set(app, envelope)
    this.#judge(app)
  }

  /** What the board says that it holds; null while it is away. */
  heard(state: BoardState | null): void {
    this.#state = state
    this.#noteTrial()
    this.#look()
  }

  close(): void {
    this.#closed = true
    this.#cancelRetry()
    for (const cancel of this.#waiting.values()) cancel()
  }

  #judge(app: string): void {
    const envelope = this.#commits.get(app)
    if (envelope === undefined || this.#told === null) return
    const outcome = this.#ports.judge(app, envelope, this.#told.directive)
    if (outcome?.kind !== 'acts') return
    const name = keyOf(outcome.section)
    if (this.#due.has(name) || this.#waiting.has(name)) return
    const { epoch, wave } = outcome.section
    this.#instants.set(app, { epoch, wave: wave ?? 0, instantMs: outcome.commit.instantMs })
    this.#waiting.set(
      name,
      this.#ports.at(outcome.commit.instantMs, () => {
        this.#waiting.delete(name)
        this.#due.add(name)
        this.#look()
      }),
    )
  }

  /** Since when what is on trial runs. */
  #noteTrial(): void {
    const slot = this.#state?.slots.find(({ status }) => status === 'trial')
    const runs = this.#state?.running.some((each) => each.slot === slot?.slot && each.status === 'running') === true
    if (slot === undefined || !runs) this.#trial = null
    else {
      const name = `${slot.app}@${slot.epoch}`
      if (this.#trial?.name !== name) {
        this.#trial = { name, sinceMs: this.#ports.clock.monotonic() }
        this.#ports.clock.after(trialMs, () => this.#look())
      }
    }
  }

  #next(): Task | null {
    if (this.#closed || this.#state === null || this.#told === null) return null
    return nextTask(this.#state, {
      roots: this.#roots,
      directive: this.#told.directive,
      refused: this.#refused,
      refusedSections: this.#refusedSections,
      isDue: (section) => this.#due.has(keyOf(section)),
      isProven: (section) =>
        this.#trial?.name === keyOf(section) && this.#ports.clock.monotonic() - this.#trial.sinceMs >= trialMs,
    })
  }

  #look(): void {
    if (this.#busy) return
    const task = this.#next()
    if (task === null) return
    this.#busy = true
    this.#cancelRetry()
    this.#do(task)
      .catch((thrown) => asHyphaError(thrown).code)
      .then((code) => {
        this.#busy = false
        if (this.#closed) return
        if (code === null) this.#look()
        else this.#failed(task, code)
      })
  }

  #failed(task: Task, code: string): void {
    const name = 'section' in task ? sectionName(task.section) : task.kind
    const tries = (this.#tries.get(name) ?? 0) + 1
    const again = passing.has(code) || (onTheWay.has(code) && tries < attempts)
    if (!passing.has(code)) this.#tries.set(name, tries)
    if (!again && 'section' in task) this.#refusedSections.set(name, code)
    else if (!again && task.kind === 'directive') this.#refused = code
    this.#ports.changed()
    this.#cancelRetry = this.#ports.clock.after(retryMs, () => this.#look())
  }

  async #do(task: Task): Promise<BroughtCode> {
    const told = this.#told!
    if (task.kind === 'root') return this.#bringWhole('root', task.envelope)
    if (task.kind === 'directive') {
      const code = await this.#bringWhole('directive', told.envelope)
      if (code === null) await this.#until((state) => state.directive === told.directive.version)
      return code
    }
    if (task.kind === 'bring') return this.#bring(task)
    const { section, kind } = task
    const code = await this.#ports.activate(kind, section)
    if (code !== null) return code
    const wanted = kind === 'activate' ? 'stored' : 'trial'
    return (await this.#until((state) => slotOf(state, section)?.status !== wanted)) ? null : 'timeout'
  }

  async #bring({ section, envelope, content }: Extract<Task, { kind: 'bring' }>): Promise<BroughtCode> {
    const released = await this.#ports.receive(asItTravels(envelope), section.app)
    const refused = await this.#bringWhole('release', released)
    if (refused !== null) return refused
    // Of a firmware there is an image for each slot: which is the board's, the release tells.
    const wanted = section.app === firmwareApp ? this.#ports.imageOf(released, section) : content
    if (wanted === null) return 'firmware-board'
    const bytes = await this.#ports.receive(asItTravels(wanted), section.app)
    const { digest, size, transfer } = wanted
    const encoding = transfer.encoding === 'identity' ? 'identity' : 'mcu-patch'
    const code = await this.#ports.transfer({ what: 'content', digest, size, encoding, base: transfer.base, bytes })
    if (code === null) await this.#until((state) => !['receiving', undefined].includes(slotOf(state, section)?.status))
    return code
  }

  #bringWhole(what: 'root' | 'directive' | 'release', bytes: Uint8Array): Promise<BroughtCode> {
    const digest = this.#ports.crypto.sha256(bytes)
    return this.#ports.transfer({ what, digest, size: bytes.length, encoding: 'identity', base: null, bytes })
  }

  /** Waits until the board says so; false where it doesn't, or is gone. What it says comes a little after what it answers. */
  async #until(fits: (state: BoardState) => boolean): Promise<boolean> {
    for (let tries = 0; tries < 100; tries++) {
      if (this.#closed || this.#state === null) return false
      if (fits(this.#state)) return true
      await new Promise<void>((resolve) => this.#ports.clock.after(100, resolve))
    }
    return false
  }
}

const keyOf = ({ app, epoch }: Section): string => `${app}@${epoch}`

/** A content of its own, to whoever fetches it: a board decodes it itself. */
const asItTravels = ({ transfer: { digest, size } }: Content): Content => ({
  digest,
  size,
  transfer: { encoding: 'identity', base: null, digest, size, via: null },
})
