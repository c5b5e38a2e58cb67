import { bytesEqual, toHex } from '../bytes/text.ts'
import { HyphaError } from '../errors.ts'
import type { Crypto } from '../ports/crypto.ts'
import { type Commit, commit, maxCommitBytes } from './commit.ts'
import { openEnvelope, verifyThreshold } from './cose.ts'
import { type Directive, directive, type Section } from './directive.ts'
import { type CommitOutcome, judgeCommit } from './judge-commit.ts'
import { type Release, release } from './release.ts'
import { checkRising } from './rising.ts'
import { type Role, type RootMetadata, rootMetadata } from './root.ts'
import { verifyFirstRoot, verifyNextRoot } from './root-chain.ts'
import { checkDirective, checkRelease, checkSection } from './shape.ts'
import { maxDirectiveBytes, maxFloors, maxReleaseBytes, maxRootBytes, type TrustSnapshot } from './snapshot.ts'

// The order of the checks of trust, and nothing beside: no file, no socket, no clock of its own. Called out of order, it throws
// `rules-order`. A call that throws leaves everything as it was.

/** One of an app's sections on its way to being run: the release first, then the contents. */
interface Progress {
  readonly section: Section
  release: Release | null
  payload: Uint8Array | null
  /** Digests in hex of the contents that weren't checked yet. */
  readonly pending: Set<string>
}

/** A section all of whose bytes were checked against both signatures. */
export interface CheckedSection {
  readonly section: Section
  readonly release: Release
  /** The release's bytes as they were signed: they may hold fields that this version doesn't know. [P 2.2] */
  readonly payload: Uint8Array
}

/**
 * The first trust of a node that joins: root metadata pinned by the SHA-256 of its envelope. Its expiry is judged when a directive comes, since a
 * chain of newer ones may follow. Throws `join-root-mismatch`, `wrong-fleet`, `root-unusable` and what envelopes throw.
 */
export function trustFirstRoot(
  envelope: Uint8Array,
  pinned: { readonly digest: Uint8Array; readonly fleet: string; readonly node: string },
  crypto: Crypto,
): TrustSnapshot {
  // The size first, then the digest: nothing of what isn't pinned is read.
  if (envelope.length > maxRootBytes || !bytesEqual(crypto.sha256(envelope), pinned.digest)) {
    throw new HyphaError('join-root-mismatch', 'The root metadata is not the one that was pinned')
  }
  const { payload } = verifyFirstRoot(envelope, pinned.fleet, crypto)
  const { fleet, node } = pinned
  return { fleet, node, root: payload, directive: null, gatewayTimeMs: 0, floors: [] }
}

type Phase = Section['phase']

export class TrustRules {
  readonly #crypto: Crypto
  #snapshot: TrustSnapshot
  #root: RootMetadata
  #directive: Directive | null = null
  /** By app and phase. */
  #progress: ReadonlyMap<string, Progress> = new Map()

  /**
   * Goes on from what was stored. The directive that is held was judged when it was new: its signature is verified again, its expiry isn't.
   */
  constructor(snapshot: TrustSnapshot, crypto: Crypto) {
    this.#crypto = crypto
    this.#snapshot = snapshot
    this.#root = rootMetadata.decode(snapshot.root)
    if (snapshot.directive !== null) this.#hold(this.#readDirective(snapshot.directive))
  }

  /** To be stored, durably, before acting on what changed it. */
  get snapshot(): TrustSnapshot {
    return this.#snapshot
  }

  get root(): RootMetadata {
    return this.#root
  }

  /** The directive that is held; null before the first, and after the gateway's key was replaced until the next. */
  get directive(): Directive | null {
    return this.#directive
  }

  /** The time to judge by, in ms since 1970: a Pi without a battery wakes up in 1970, but knows what the gateway has signed. */
  timeMs(clockMs: number): number {
    return Math.max(clockMs, this.#snapshot.gatewayTimeMs)
  }

  /** No release of the app with a lower number is accepted. [P 6.3] */
  floor(app: string): number {
    return this.#snapshot.floors.find((entry) => entry.app === app)?.floor ?? 0
  }

  /**
   * Follows root metadata from version to version, each signed by the threshold of the one before and by its own. What is held already is passed over. Only the
   * last is judged for expiry: a node that slept for long walks over expired ones. Throws `root-version`, `wrong-fleet`, `root-unusable`,
   * `metadata-expired` and what envelopes throw. [P 6.4, P 6.5]
   */
  updateRoot(chain: readonly Uint8Array[], clockMs: number): RootMetadata {
    let snapshot = this.#snapshot
    let root = this.#root
    for (const envelope of chain) {
      if (bytesEqual(openEnvelope(envelope, 'root', maxRootBytes).unverifiedPayload, snapshot.root)) continue
      const next = verifyNextRoot(root, envelope, this.#crypto)
      snapshot = { ...forgetReplaced(snapshot, root, next.root), root: next.payload }
      root = next.root
    }
    if (root === this.#root) return root
    // Judged by the floor that the replaced keys have no part in: a thief of the gateway's key who signed a time far ahead must
    // not be able to make the root metadata that ends his key look expired.
    checkExpiry(`Root metadata version ${root.version}`, root.expiresMs, Math.max(clockMs, snapshot.gatewayTimeMs))
    this.#snapshot = snapshot
    this.#root = root
    // Also where the directive stays: what was accepted of it was signed by the release role as it was.
    this.#hold(snapshot.directive === null ? null : this.#directive)
    return root
  }

  /**
   * Accepts a directive. The very one that is held is answered without being judged again. Throws `metadata-expired` (also where the root metadata has),
   * `wrong-fleet`, `wrong-node`, `directive-rollback`, `directive-conflict`, `metadata-invalid` and what envelopes throw.
   */
  updateDirective(envelope: Uint8Array, clockMs: number): Directive {
    const held = this.#directive
    if (held && this.#snapshot.directive && bytesEqual(envelope, this.#snapshot.directive)) return held

    const nowMs = this.timeMs(clockMs)
    checkExpiry(`Root metadata version ${this.#root.version}`, this.#root.expiresMs, nowMs)
    const next = this.#readDirective(envelope)
    if (held && next.version < held.version) {
      throw new HyphaError('directive-rollback', `Directive ${next.version} came after ${held.version}`)
    }
    if (held && next.version === held.version) {
      throw new HyphaError('directive-conflict', `Another directive with the version ${held.version} is held`)
    }
    if (held) checkRising(held, next)
    checkExpiry(`Directive ${next.version}`, next.expiresMs, nowMs)

    const gatewayTimeMs = Math.max(this.#snapshot.gatewayTimeMs, next.issuedMs)
    this.#snapshot = { ...this.#snapshot, directive: Uint8Array.from(envelope), gatewayTimeMs }
    this.#hold(next)
    return next
  }

  /**
   * Accepts the release that the held directive asks for in its section of the phase. Throws `digest-mismatch`, `wrong-fleet`, `wrong-app`, `release-below-floor`, `metadata-invalid`,
   * `content-unlisted`, `content-missing`, `size-mismatch` and what envelopes throw.
   */
  acceptRelease(app: string, envelope: Uint8Array, phase: Phase = 'run'): Release {
    const progress = this.#section(app, phase)
    const { section } = progress
    // The size first: no digest is computed of bytes that nobody would accept.
    const opened = openEnvelope(envelope, 'release', maxReleaseBytes)
    this.#checkDigest(`The release envelope of ${app}`, envelope, section.envelope)
    const payload = verifyThreshold(opened, 'release', this.#root.release, 'release', this.#crypto)
    this.#checkDigest(`The release of ${app}`, payload, section.release)
    const accepted = release.decode(payload)
    checkFleet(`The release of ${app}`, accepted.fleet, this.#snapshot.fleet)
    if (accepted.app !== app) {
      throw new HyphaError('wrong-app', `The release named for ${app} is one of ${accepted.app}`)
    }
    checkRelease(accepted)
    if (accepted.number < this.floor(app)) {
      throw new HyphaError(
        'release-below-floor',
        `Release ${accepted.number} of ${app} is below its floor ${this.floor(app)}`,
      )
    }
    checkSection(section, accepted)
    this.#raiseFloor(app, accepted.floor)
    progress.release = accepted
    progress.payload = payload
    return accepted
  }

  /** Checks one content of a section. `digest` says which it is to be. Throws `content-unlisted`, `size-mismatch`, `digest-mismatch`. */
  acceptContent(app: string, digest: Uint8Array, bytes: Uint8Array, phase: Phase = 'run'): void {
    const { section, release: accepted, pending } = this.#section(app, phase)
    if (accepted === null) throw outOfOrder(`a content of ${app} came before its release`)
    const content = section.contents.find((candidate) => bytesEqual(candidate.digest, digest))
    const where = `content ${toHex(digest)}`
    if (!content) throw new HyphaError('content-unlisted', `${where} is not one of ${app}'s`, { where })
    if (content.size !== bytes.length) {
      throw new HyphaError(
        'size-mismatch',
        `${where} of ${app} should have ${content.size} bytes, not ${bytes.length}`,
        {
          where,
        },
      )
    }
    this.#checkDigest(`A content of ${app}`, bytes, digest)
    pending.delete(toHex(digest))
  }

  /** The whole section, once its release and all its contents were accepted. */
  complete(app: string, phase: Phase = 'run'): CheckedSection {
    const { section, release: accepted, payload, pending } = this.#section(app, phase)
    if (accepted === null || payload === null) throw outOfOrder(`${app} is to be run before its release came`)
    if (pending.size > 0) throw outOfOrder(`${app} is to be run with ${pending.size} contents unchecked`)
    return { section, release: accepted, payload }
  }

  /**
   * Judges a commit of an app against the directive that is held: see `CommitOutcome`. It isn't held itself: a retained one comes again. Throws `wrong-fleet`, `wrong-app`,
   * `commit-mismatch`, `metadata-expired` where the root metadata has, and what envelopes throw. [P 10.4]
   */
  acceptCommit(app: string, envelope: Uint8Array, clockMs: number): CommitOutcome {
    checkExpiry(`Root metadata version ${this.#root.version}`, this.#root.expiresMs, this.timeMs(clockMs))
    const read = this.#readCommit(app, envelope)
    const outcome = judgeCommit(read, this.#directive)
    // Only of what acts: a stranger's replay of another epoch moves nothing.
    if (outcome.kind === 'acts' && read.issuedMs > this.#snapshot.gatewayTimeMs) {
      this.#snapshot = { ...this.#snapshot, gatewayTimeMs: read.issuedMs }
    }
    return outcome
  }

  /** The same for a board at this node, against what the board is told: whether that is the gateway's word, it judges itself. */
  judgeCommitFor(told: Directive, app: string, envelope: Uint8Array, clockMs: number): CommitOutcome {
    checkExpiry(`Root metadata version ${this.#root.version}`, this.#root.expiresMs, this.timeMs(clockMs))
    return judgeCommit(this.#readCommit(app, envelope), told)
  }

  #readCommit(app: string, envelope: Uint8Array): Commit {
    const opened = openEnvelope(envelope, 'commit', maxCommitBytes)
    const read = commit.decode(verifyThreshold(opened, 'commit', this.#root.gateway, 'gateway', this.#crypto))
    checkFleet('The commit', read.fleet, this.#snapshot.fleet)
    if (read.app !== app) throw new HyphaError('wrong-app', `The commit sent for ${app} is one of ${read.app}`)
    return read
  }

  #section(app: string, phase: Phase): Progress {
    if (this.#directive === null) throw outOfOrder(`${app} came before a directive`)
    const progress = this.#progress.get(`${app}/${phase}`)
    if (!progress) throw outOfOrder(`the directive has no section to ${phase} ${app}`)
    return progress
  }

  #readDirective(envelope: Uint8Array): Directive {
    const opened = openEnvelope(envelope, 'directive', maxDirectiveBytes)
    const payload = verifyThreshold(opened, 'directive', this.#root.gateway, 'gateway', this.#crypto)
    const read = directive.decode(payload)
    checkFleet('The directive', read.fleet, this.#snapshot.fleet)
    if (read.node !== this.#snapshot.node) {
      throw new HyphaError('wrong-node', `The directive is for ${read.node}, this is ${this.#snapshot.node}`)
    }
    checkDirective(read)
    return read
  }

  #hold(held: Directive | null): void {
    this.#directive = held
    this.#progress = new Map(
      held?.sections.map((section) => {
        const digests = section.contents.map((content) => toHex(content.digest))
        const pending = new Set(digests.filter((digest) => digest !== toHex(section.envelope)))
        return [`${section.app}/${section.phase}`, { section, release: null, payload: null, pending }]
      }),
    )
  }

  #checkDigest(what: string, bytes: Uint8Array, expected: Uint8Array): void {
    const found = this.#crypto.sha256(bytes)
    if (bytesEqual(found, expected)) return
    throw new HyphaError('digest-mismatch', `${what} has the digest ${toHex(found)}, not ${toHex(expected)}`)
  }

  #raiseFloor(app: string, floor: number): void {
    if (floor <= this.floor(app)) return
    const others = this.#snapshot.floors.filter((entry) => entry.app !== app)
    if (others.length >= maxFloors) throw new HyphaError('bytes-too-long', `Over ${maxFloors} apps have set a floor`)
    this.#snapshot = { ...this.#snapshot, floors: [...others, { app, floor }] }
  }
}

/**
 * When a key was taken from a role, its holder may have been a thief who raised the role's counters out of reach: they are forgotten
 * (TUF specification, 5.3.11). A key that was added changes nothing.
 */
function forgetReplaced(snapshot: TrustSnapshot, before: RootMetadata, after: RootMetadata): TrustSnapshot {
  const gateway = lostKey(before.gateway, after.gateway) ? { directive: null, gatewayTimeMs: 0 } : {}
  const releases = lostKey(before.release, after.release) ? { floors: [] } : {}
  return { ...snapshot, ...gateway, ...releases }
}

function lostKey(before: Role, after: Role): boolean {
  return before.keys.some((key) => !after.keys.some((kept) => bytesEqual(kept, key)))
}

function checkFleet(what: string, found: string, expected: string): void {
  if (found !== expected) throw new HyphaError('wrong-fleet', `${what} is for the fleet ${found}, this is ${expected}`)
}

function checkExpiry(what: string, expiresMs: number, nowMs: number): void {
  if (nowMs < expiresMs) return
  const [expired, now] = [expiresMs, nowMs].map((ms) => new Date(Math.min(ms, 8.64e15)).toISOString())
  throw new HyphaError('metadata-expired', `${what} expired at ${expired}; it is ${now}`)
}

const outOfOrder = (message: string) => new HyphaError('rules-order', `Checks out of order: ${message}`)
