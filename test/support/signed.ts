import type { ErrorCode } from '@hypha/core/errors.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { type Commit, commit } from '@hypha/core/trust/commit.ts'
import { type EnvelopeKind, seedSigner, signMany, signOne } from '@hypha/core/trust/cose.ts'
import { type Directive, directive, type Section } from '@hypha/core/trust/directive.ts'
import { type Receipt, receipt } from '@hypha/core/trust/receipt.ts'
import { type Release, type ReleaseModule, release } from '@hypha/core/trust/release.ts'
import { type RootMetadata, rootMetadata } from '@hypha/core/trust/root.ts'
import { TrustRules, trustFirstRoot } from '@hypha/core/trust/rules.ts'
import { expect } from 'vitest'

// A fleet with fixed keys, and what it signs: for tests of all that is signed.

export const crypto = nodeCrypto

/** The signer whose seed is 32 times this byte. */
export const signer = (byte: number) => seedSigner(new Uint8Array(32).fill(byte), crypto)

export const keys = { root: signer(1), root2: signer(2), release: signer(3), release2: signer(4), gateway: signer(5) }
export const thief = signer(66)
/** Of the node `pi-7`. */
export const nodeKey = signer(7)

/** 2026-01-01. */
export const startMs = 1_767_225_600_000
export const dayMs = 86_400_000

export const artifactBytes = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)
export const componentBytes = Uint8Array.of(0, 97, 115, 109, 13, 0, 1, 0)

export const artifact = (bytes: Uint8Array) => ({ digest: crypto.sha256(bytes), size: bytes.length })

export function makeRoot(changes: Partial<RootMetadata> = {}): RootMetadata {
  return {
    fleet: 'garden',
    version: 1,
    expiresMs: startMs + 365 * dayMs,
    root: { threshold: 1, keys: [keys.root.publicKey] },
    release: { threshold: 1, keys: [keys.release.publicKey] },
    gateway: { threshold: 1, keys: [keys.gateway.publicKey] },
    authorities: null,
    ...changes,
  }
}

export function makeModule(changes: Partial<ReleaseModule> = {}): ReleaseModule {
  return {
    name: 'sampler',
    component: artifact(componentBytes),
    core: artifact(artifactBytes),
    world: { imports: [], exports: [] },
    memory: { initialBytes: 65_536, maximumBytes: null, endBytes: null },
    features: [],
    spec: {
      timerMs: 1_000,
      subscribe: [],
      publish: [],
      config: {},
      limits: { memoryBytes: 65_536, turnMs: 1_000, telemetryPerS: 100, messagesPerS: 10, kvBytes: 4_096 },
      isolate: false,
      fleetScope: false,
      requires: [],
      httpHosts: [],
      links: null,
      offline: null,
    },
    ...changes,
  }
}

export function makeRelease(changes: Partial<Release> = {}): Release {
  return {
    fleet: 'garden',
    app: 'greenhouse',
    number: 1,
    label: '1.0.0',
    createdMs: startMs,
    floor: 0,
    modules: [makeModule()],
    files: null,
    rollout: null,
    follow: null,
    ...changes,
  }
}

export const signRoot = (root: RootMetadata, signers = [keys.root]) =>
  signMany(rootMetadata.encode(root), 'root', signers)
export const signRelease = (value: Release, signers = [keys.release]) =>
  signMany(release.encode(value), 'release', signers)
export const signDirective = (value: Directive, by = keys.gateway, kind: EnvelopeKind = 'directive') =>
  signOne(directive.encode(value), kind, by)

export const identity = (bytes: Uint8Array) => ({
  ...artifact(bytes),
  transfer: { encoding: 'identity' as const, base: null, via: null, ...artifact(bytes) },
})

/** The section that asks for a release's core forms, one instance of each module. */
export function makeSection(value: Release, envelope = signRelease(value), changes: Partial<Section> = {}): Section {
  return {
    app: value.app,
    epoch: 1,
    release: crypto.sha256(release.encode(value)),
    envelope: crypto.sha256(envelope),
    phase: 'run',
    wave: null,
    chosenMs: null,
    served: null,
    leased: null,
    devices: null,
    states: null,
    instances: value.modules.map(({ name }) => ({ module: name, home: null, form: 'core', links: [], config: {} })),
    contents: [identity(envelope), identity(artifactBytes)],
    ...changes,
  }
}

export function makeDirective(changes: Partial<Directive> = {}): Directive {
  return {
    fleet: 'garden',
    node: 'pi-7',
    version: 1,
    issuedMs: startMs,
    expiresMs: startMs + 30 * dayMs,
    sections: [makeSection(makeRelease())],
    leave: false,
    ...changes,
  }
}

/** The commit of a section to prepare. */
export function makeCommit(section: Section, changes: Partial<Commit> = {}): Commit {
  const { app, epoch, release, wave } = section
  return {
    fleet: 'garden',
    app,
    epoch,
    release,
    wave: wave ?? 0,
    instantMs: startMs + 10_000,
    issuedMs: startMs,
    ...changes,
  }
}

export const signCommit = (value: Commit, by = keys.gateway, kind: EnvelopeKind = 'commit') =>
  signOne(commit.encode(value), kind, by)

/** What `pi-7` says of a flip. */
export function makeReceipt(changes: Partial<Receipt> = {}): Receipt {
  return {
    fleet: 'garden',
    node: 'pi-7',
    app: 'greenhouse',
    incarnation: new Uint8Array(8).fill(8),
    from: { epoch: 1, release: crypto.sha256(artifactBytes) },
    to: { epoch: 2, release: crypto.sha256(componentBytes) },
    wave: 0,
    instantMs: startMs + 10_000,
    flippedMs: startMs + 10_000.25,
    errorMs: 0.5,
    pauseMs: 1.75,
    inputs: { before: 1_000, carried: 3, after: 3, lost: 0, doubled: 0 },
    late: false,
    attested: null,
    ...changes,
  }
}

export const signReceipt = (value: Receipt, by = nodeKey) => signOne(receipt.encode(value), 'receipt', by)

/** What a node trusts that has just joined. */
export function joined(root: RootMetadata = makeRoot(), signers = [keys.root]) {
  const envelope = signRoot(root, signers)
  return trustFirstRoot(envelope, { digest: crypto.sha256(envelope), fleet: 'garden', node: 'pi-7' }, crypto)
}

export const rulesOf = (snapshot = joined()) => new TrustRules(snapshot, crypto)

/** Expects `run` to throw a `HyphaError` with this code. */
export function expectCode(code: ErrorCode, run: () => unknown): void {
  let thrown: unknown = null
  try {
    run()
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(HyphaError)
  expect((thrown as HyphaError).code, (thrown as HyphaError).message).toBe(code)
}
