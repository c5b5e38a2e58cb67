import { fromHex, toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import { type Files, replaceFile } from '@hypha/core/ports/files.ts'
import { maxWaves } from '@hypha/core/trust/directive.ts'
import { bool, bytes, message, nullable, record, text, uint } from '@hypha/core/wire/codec.ts'
import { checkId, digest } from '@hypha/core/wire/ids.ts'
import {
  type Installed,
  type InstallInput,
  type InstallState,
  next,
  notInstalled,
  type TrialLimits,
} from './machine.ts'

const folder = 'installs'

const installed = record({
  epoch: [1, uint(0xffff_ffff)],
  release: [2, digest],
  record: [3, bytes({ max: 160 * 1024 })],
})

const installFile = message(
  'install file',
  record({
    confirmed: [1, nullable(installed)],
    trial: [
      2,
      nullable(
        record({
          installed: [1, installed],
          starts: [2, uint(1_000)],
          traps: [3, uint(1_000)],
          /** Null where there was no flip. */
          flip: [4, nullable(bool)],
        }),
      ),
    ],
    failed: [
      3,
      nullable(
        record({ epoch: [1, uint(0xffff_ffff)], release: [2, digest], code: [3, text(40)], message: [4, text(1_000)] }),
      ),
    ],
    prepared: [
      4,
      nullable(
        record({
          installed: [1, installed],
          wave: [2, uint(maxWaves - 1)],
          commit: [3, nullable(record({ instantMs: [1, uint()] }))],
          notFlipped: [4, nullable(record({ code: [1, text(40)], message: [2, text(1_000)] }))],
        }),
      ),
    ],
  }),
  600 * 1024,
)

/**
 * What runs on this node, one file for each app. Each step is durable when its promise resolves; a power cut at any moment leaves the state before
 * the step or the one after it, and either leads to a release that runs.
 */
export class Installs {
  readonly #files: Files
  readonly #limits: TrialLimits
  readonly #states = new Map<string, InstallState>()
  /** Whether the name of the folder itself would survive a power cut. */
  #folderDurable = false
  /** Steps of one app are written one after the other. */
  readonly #writes = new Map<string, Promise<unknown>>()

  constructor(files: Files, limits: TrialLimits, damaged: (app: string, error: HyphaError) => void) {
    this.#files = files
    this.#limits = limits
    files.ensureFolder(folder)
    for (const name of files.list(folder)) {
      if (name.endsWith('.new')) continue
      try {
        this.#states.set(checkId('app', name), decode(files.read(`${folder}/${name}`)!))
      } catch (thrown) {
        // The directive asks for the app anyway: it is received and installed as if it had never been here.
        damaged(name, asHyphaError(thrown))
        files.remove(`${folder}/${name}`)
      }
    }
  }

  apps(): string[] {
    return [...this.#states.keys()].sort()
  }

  state(app: string): InstallState {
    return this.#states.get(app) ?? notInstalled
  }

  /** Takes a step, or several as one, and writes it down. Resolves with the new state once it is durable. Throws `disk-full` or `file-failed`; then nothing has changed. */
  step(app: string, ...inputs: readonly InstallInput[]): Promise<InstallState> {
    return this.#inTurn(app, async () => {
      const before = this.state(app)
      const after = inputs.reduce((state, input) => next(state, input, this.#limits), before)
      if (after !== before) {
        if (!this.#folderDurable) await this.#files.syncFolder('')
        this.#folderDurable = true
        await replaceFile(this.#files, `${folder}/${checkId('app', app)}`, encode(after))
        this.#states.set(app, after)
      }
      return after
    })
  }

  /** Forgets an app. */
  remove(app: string): Promise<void> {
    return this.#inTurn(app, async () => {
      this.#files.remove(`${folder}/${checkId('app', app)}`)
      await this.#files.syncFolder(folder)
      this.#states.delete(app)
    })
  }

  #inTurn<T>(app: string, run: () => Promise<T>): Promise<T> {
    const turn = (this.#writes.get(app) ?? Promise.resolve()).then(run, run)
    this.#writes.set(app, turn)
    return turn
  }
}

const toWire = ({ epoch, release, record: bytes }: Installed) => ({ epoch, release: fromHex(release), record: bytes })
const fromWire = (wire: { epoch: number; release: Uint8Array; record: Uint8Array }): Installed => ({
  epoch: wire.epoch,
  release: toHex(wire.release),
  record: wire.record,
})

function encode({ confirmed, trial, prepared, failed }: InstallState): Uint8Array {
  return installFile.encode({
    confirmed: confirmed && toWire(confirmed),
    trial: trial && { ...trial, installed: toWire(trial.installed), flip: trial.flip || null },
    failed: failed && { ...inWords(failed), epoch: failed.epoch, release: fromHex(failed.release) },
    prepared: prepared && {
      ...prepared,
      installed: toWire(prepared.installed),
      notFlipped: prepared.notFlipped && inWords(prepared.notFlipped),
    },
  })
}

const inWords = ({ code, message: words }: { readonly code: string; readonly message: string }) => ({
  code: code.slice(0, 40),
  message: words.slice(0, 1_000),
})

function decode(content: Uint8Array): InstallState {
  const { confirmed, trial, prepared, failed } = installFile.decode(content)
  return {
    confirmed: confirmed && fromWire(confirmed),
    trial: trial && { ...trial, installed: fromWire(trial.installed), flip: trial.flip ?? false },
    prepared: prepared && { ...prepared, installed: fromWire(prepared.installed) },
    failed: failed && { ...failed, release: toHex(failed.release) },
  }
}
