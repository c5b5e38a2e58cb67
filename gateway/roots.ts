import { join } from 'node:path'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import { type Files, replaceFile } from '@hypha/core/ports/files.ts'
import type { RootMetadata } from '@hypha/core/trust/root.ts'
import { restOfChain, type VerifiedRoot, verifyFirstRoot, verifyNextRoot } from '@hypha/core/trust/root-chain.ts'

export interface RootsOptions {
  /** The folder `root/` of a home: `1.root`, `2.root`, … */
  readonly files: Files
  /** Where that is, for messages. */
  readonly folder: string
  readonly fleet: string
  readonly crypto: Crypto
}

/** The root metadata of a fleet, from the version that join URLs pin to the one in force. What is here was verified, each by the one before it. */
export class Roots {
  readonly #options: RootsOptions
  #chain: readonly Uint8Array[]
  #current: VerifiedRoot
  /** Additions one after another. */
  #last: Promise<unknown> = Promise.resolve()

  /** Verifies the whole chain. Throws `home-malformed` where it doesn't begin with version 1, has a gap, or doesn't hold. */
  constructor(options: RootsOptions) {
    this.#options = options
    const { files, folder, fleet, crypto } = options
    const chain: Uint8Array[] = []
    let current: VerifiedRoot | null = null
    for (const [index, version] of versionsIn(files).entries()) {
      const where = join(folder, fileOf(version))
      const expected = index + 1
      if (version !== expected) throw missing(join(folder, fileOf(expected)))
      const envelope = files.read(fileOf(version))!
      try {
        current =
          current === null ? verifyFirstRoot(envelope, fleet, crypto) : verifyNextRoot(current.root, envelope, crypto)
      } catch (thrown) {
        const cause = asHyphaError(thrown)
        throw new HyphaError('home-malformed', `${where}: ${cause.message} [${cause.code}]`, { where, cause, mend })
      }
      chain.push(envelope)
    }
    if (current === null) throw missing(join(folder, fileOf(1)))
    if (chain.length !== current.root.version) throw missing(join(folder, fileOf(chain.length)))
    this.#chain = chain
    this.#current = current
  }

  /** The envelope whose digest join URLs pin. */
  get first(): Uint8Array {
    return this.#chain[0]!
  }

  get current(): RootMetadata {
    return this.#current.root
  }

  /** The envelopes of all versions, the newest last. */
  get chain(): readonly Uint8Array[] {
    return this.#chain
  }

  /**
   * Takes newer root metadata, by rising version; answers how many versions are new. What is held already is passed over. Durable when it resolves, and not
   * seen here before. Throws `root-version`, `threshold-not-met`, `metadata-expired` for a newest version that has expired at `nowMs`, and what `verifyNextRoot` throws; nothing is taken then.
   */
  add(envelopes: readonly Uint8Array[], nowMs: number): Promise<number> {
    const turn = this.#last.then(() => this.#add(envelopes, nowMs))
    this.#last = turn.catch(() => undefined)
    return turn
  }

  async #add(envelopes: readonly Uint8Array[], nowMs: number): Promise<number> {
    const { files, crypto } = this.#options
    let current = this.#current
    const added: { readonly envelope: Uint8Array; readonly verified: VerifiedRoot }[] = []
    for (const envelope of rest(current.payload, envelopes)) {
      current = verifyNextRoot(current.root, envelope, crypto)
      added.push({ envelope, verified: current })
    }
    const { version, expiresMs } = current.root
    if (added.length > 0 && nowMs >= expiresMs) {
      throw new HyphaError(
        'metadata-expired',
        `Root metadata version ${version} expired at ${new Date(Math.min(expiresMs, 8.64e15)).toISOString()}`,
      )
    }
    for (const { envelope, verified } of added) {
      await replaceFile(files, fileOf(verified.root.version), envelope)
      this.#chain = [...this.#chain, Uint8Array.from(envelope)]
      this.#current = verified
    }
    return added.length
  }
}

const fileOf = (version: number): string => `${version}.root`

/** As `restOfChain`; what is offered to a gateway was made by people, from what was the newest then. */
function rest(held: Uint8Array, envelopes: readonly Uint8Array[]): readonly Uint8Array[] {
  try {
    return restOfChain(held, envelopes)
  } catch (thrown) {
    const cause = asHyphaError(thrown)
    if (cause.code !== 'root-version') throw cause
    throw new HyphaError('root-version', cause.message, {
      cause,
      mend: 'It was made from root metadata that is not the newest here: make the change again, from what hypha root show shows.',
    })
  }
}

function versionsIn(files: Files): number[] {
  return files
    .list('')
    .map((name) => Number(/^([1-9]\d{0,9})\.root$/.exec(name)?.[1] ?? 0))
    .filter((version) => version > 0)
    .sort((a, b) => a - b)
}

const mend =
  'Bring the file back from a backup, or from another machine that has it; without a valid chain nothing can be started.'

const missing = (where: string) =>
  new HyphaError('home-malformed', `Root metadata is missing: ${where}`, { where, mend })
