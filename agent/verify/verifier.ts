import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import type { Directive, Section } from '@hypha/core/trust/directive.ts'
import type { CommitOutcome } from '@hypha/core/trust/judge-commit.ts'
import type { Release } from '@hypha/core/trust/release.ts'
import type { RootMetadata } from '@hypha/core/trust/root.ts'
import { restOfChain } from '@hypha/core/trust/root-chain.ts'
import { type CheckedSection, TrustRules } from '@hypha/core/trust/rules.ts'
import type { TrustSnapshot } from '@hypha/core/trust/snapshot.ts'
import { decodeStored, encodeStored } from './stored.ts'

// Not exported: outside of this file, values of the two types below come only from a `Verifier`.
declare const verified: unique symbol

/** A directive whose signature, addressee, version and time were checked. */
export interface VerifiedDirective {
  readonly [verified]: 'directive'
  readonly directive: Directive
  /** As it was received: the node's proof of what it holds. */
  readonly envelope: Uint8Array
}

/** A section and the release that it asks for, named by both signatures, with every content that this node needs of it checked. [P 6.2] */
export interface VerifiedRelease {
  readonly [verified]: 'release'
  readonly node: string
  readonly section: Section
  readonly release: Release
  /** The release's bytes as they were signed. */
  readonly payload: Uint8Array
}

/** Whole contents by their SHA-256 digest; null for one that isn't there. */
export type ContentOf = (digest: Uint8Array) => Uint8Array | null

export interface VerifierOptions {
  /** As stored, or by `trustFirstRoot` after joining. */
  readonly snapshot: TrustSnapshot
  readonly crypto: Crypto
  /** Milliseconds since 1970 as the machine believes. */
  readonly nowMs: () => number
}

// A type is gone when the program runs: this is what tells a value made here from one made by a cast.
const made = new WeakSet<object>()

/** Checks what came from outside, in the order of `src/trust/rules.ts`. What it refuses it throws, and goes on from what it had. */
export class Verifier {
  readonly #rules: TrustRules
  readonly #crypto: Crypto
  readonly #nowMs: () => number

  constructor(options: VerifierOptions) {
    this.#rules = new TrustRules(options.snapshot, options.crypto)
    this.#crypto = options.crypto
    this.#nowMs = options.nowMs
  }

  /** What is trusted now. Store it, durably, after each call that may have changed it and before acting on what the call answered. */
  get snapshot(): TrustSnapshot {
    return this.#rules.snapshot
  }

  /** The directive that is held, also right after a start with no network; null where there is none. */
  get held(): VerifiedDirective | null {
    const { directive, snapshot } = this.#rules
    if (directive === null || snapshot.directive === null) return null
    return brand<VerifiedDirective>({ directive, envelope: snapshot.directive })
  }

  /** The time that expiries are judged by, in ms since 1970. */
  get timeMs(): number {
    return this.#rules.timeMs(this.#nowMs())
  }

  /**
   * Follows a chain of root metadata from what is held, and answers whether it led further. Throws `root-version` where the chain begins too late or ends too early for
   * that, and what `TrustRules.updateRoot` throws. [P 6.4]
   */
  followRoot(chain: readonly Uint8Array[]): boolean {
    const before = this.#rules.root
    this.#rules.updateRoot(restOfChain(this.#rules.snapshot.root, chain), this.#nowMs())
    return this.#rules.root !== before
  }

  /** The root metadata that is held. */
  get root(): RootMetadata {
    return this.#rules.root
  }

  /** Accepts a directive, or throws why not; see `TrustRules.updateDirective`. */
  verifyDirective(envelope: Uint8Array): VerifiedDirective {
    const directive = this.#rules.updateDirective(envelope, this.#nowMs())
    return brand<VerifiedDirective>({ directive, envelope: this.#rules.snapshot.directive! })
  }

  /**
   * Accepts the release of a section with all its contents, which are read one after the other. Throws `section-superseded` where the directive that is held
   * doesn't ask for it any more, `content-missing` where `contentOf` lacks one, and what `TrustRules.acceptRelease` and `acceptContent` throw.
   */
  verifyRelease(section: Section, contentOf: ContentOf): VerifiedRelease {
    const { app, phase } = section
    const wanted = this.#rules.directive?.sections.find(
      (candidate) => candidate.app === app && candidate.phase === phase,
    )
    if (!wanted || wanted.epoch !== section.epoch || !bytesEqual(wanted.envelope, section.envelope)) {
      throw new HyphaError(
        'section-superseded',
        `Epoch ${section.epoch} of ${app} is not what the directive asks for now`,
      )
    }
    this.#rules.acceptRelease(app, load(app, wanted.envelope, contentOf), phase)
    for (const { digest } of wanted.contents) {
      if (bytesEqual(digest, wanted.envelope)) continue
      this.#rules.acceptContent(app, digest, load(app, digest, contentOf), phase)
    }
    return this.#release(this.#rules.complete(app, phase))
  }

  /** Judges a commit of an app as it came from the gateway; see `TrustRules.acceptCommit`. */
  verifyCommit(app: string, envelope: Uint8Array): CommitOutcome {
    return this.#rules.acceptCommit(app, envelope, this.#nowMs())
  }

  /** The same for what a board at this node is told; see `TrustRules.judgeCommitFor`. */
  judgeCommitFor(told: Directive, app: string, envelope: Uint8Array): CommitOutcome {
    return this.#rules.judgeCommitFor(told, app, envelope, this.#nowMs())
  }

  /**
   * What was verified once, from the record that `recordOf` made of it: what a node starts from, also after newer metadata came that it hasn't prepared yet. Its
   * digests are checked again; signatures, expiry and floor aren't, they judge what is new (DESIGN 5, "Time"). Only for records that this node has stored itself.
   */
  reopen(record: Uint8Array, contentOf: ContentOf): VerifiedRelease {
    const stored = decodeStored(record, this.#crypto)
    const { fleet, node } = this.#rules.snapshot
    if (stored.fleet !== fleet || stored.node !== node) {
      throw new HyphaError(
        'wrong-node',
        `The record is of ${stored.node} in ${stored.fleet}, this is ${node} in ${fleet}`,
      )
    }
    for (const { digest } of stored.section.contents) {
      if (bytesEqual(digest, stored.section.envelope)) continue
      checkContent(stored.section.app, digest, load(stored.section.app, digest, contentOf), this.#crypto)
    }
    return this.#release(stored)
  }

  /** A record to be stored beside the contents of an install, for `reopen`. */
  recordOf(release: VerifiedRelease): Uint8Array<ArrayBuffer> {
    checkVerified(release)
    return encodeStored({ fleet: this.#rules.snapshot.fleet, ...release })
  }

  #release({ section, release, payload }: CheckedSection): VerifiedRelease {
    return brand<VerifiedRelease>({ node: this.#rules.snapshot.node, section, release, payload })
  }
}

/** Throws `internal` for a value that no verifier of this process has made. */
export function checkVerified(value: VerifiedDirective | VerifiedRelease): void {
  if (!made.has(value)) throw new HyphaError('internal', 'A value is said to be verified, and no verifier made it')
}

/** Throws `digest-mismatch` unless `bytes` have the digest. */
export function checkContent(app: string, digest: Uint8Array, bytes: Uint8Array, crypto: Pick<Crypto, 'sha256'>): void {
  const found = crypto.sha256(bytes)
  if (bytesEqual(found, digest)) return
  const where = `content ${toHex(digest)}`
  throw new HyphaError('digest-mismatch', `${where} of ${app} has the digest ${toHex(found)}`, { where })
}

/** Throws `content-missing`. */
export function load(app: string, digest: Uint8Array, contentOf: ContentOf): Uint8Array {
  const bytes = contentOf(digest)
  if (bytes) return bytes
  const where = `content ${toHex(digest)}`
  throw new HyphaError('content-missing', `${where} of ${app} is not on this node`, { where })
}

function brand<T extends VerifiedDirective | VerifiedRelease>(value: Omit<T, typeof verified>): T {
  const branded = Object.freeze(value) as T
  made.add(branded)
  return branded
}
