import { asHyphaError } from '@hypha/core/errors.ts'
import type { CommitOutcome } from '@hypha/core/trust/judge-commit.ts'
import type { AppPorts } from './app-ports.ts'
import type { AppStatus } from './app-status.ts'

/** The newest commit of an app that came: judged again with each directive until it is over. [P 10.4] */
export class HeldCommit {
  readonly #app: string
  readonly #ports: Pick<AppPorts, 'verifier' | 'keepTrust' | 'installs'>
  readonly #status: AppStatus
  /** And whether it was told that it is refused. */
  #held: { readonly envelope: Uint8Array; told: boolean } | null = null

  constructor(app: string, ports: Pick<AppPorts, 'verifier' | 'keepTrust' | 'installs'>, status: AppStatus) {
    this.#app = app
    this.#ports = ports
    this.#status = status
  }

  /** It takes the place of the one before. */
  hold(envelope: Uint8Array): void {
    this.#held = { envelope: Uint8Array.from(envelope), told: false }
  }

  /** What it means by now; null where there is none, or it is refused: that is told once, and judged again with newer metadata. */
  judge(): CommitOutcome | null {
    const commit = this.#held
    if (commit === null) return null
    try {
      const outcome = this.#ports.verifier.verifyCommit(this.#app, commit.envelope)
      if (outcome.kind === 'over') this.#held = null
      return outcome
    } catch (thrown) {
      if (!commit.told) this.#status.tell('commit-refused', asHyphaError(thrown))
      commit.told = true
      return null
    }
  }

  /** Writes it down where it acts on what is prepared, durable before its instant. Throws what keeps it from that, such as a full disk. */
  async writeDown(): Promise<void> {
    const { installs, keepTrust } = this.#ports
    if (installs.state(this.#app).prepared?.commit !== null) return
    const outcome = this.judge()
    if (outcome?.kind !== 'acts') return
    const { epoch, instantMs } = outcome.commit
    await keepTrust()
    await installs.step(this.#app, { kind: 'commit', epoch, instantMs })
  }
}
