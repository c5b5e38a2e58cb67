import { toHex } from '@hypha/core/bytes/text.ts'
import type { ErrorCode } from '@hypha/core/errors.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { signMany } from '@hypha/core/trust/cose.ts'
import { type ModuleSpec, type Release, release } from '@hypha/core/trust/release.ts'
import { beforeAll, expect, test } from 'vitest'
import { accept } from '../../../gateway/push/accept.ts'
import { makeRelease, releasePayload, signRelease } from '../../../gateway/push/release.ts'
import { crypto, keys, makeModule, thief } from '../../support/signed.ts'
import { componentOf, dummyComponent, wat } from '../../support/wasm-guest.ts'

// Real components, made once.
let sampler: Uint8Array
let other: Uint8Array
let files: Uint8Array
let bounded: Uint8Array

const kvWit =
  'package hypha:host@0.1.0; interface kv { get: func(key: string) -> option<string>; } world w { import kv; }'

beforeAll(async () => {
  const reader = `(module (import "hypha:host/kv@0.1.0" "get" (func (param i32 i32 i32))) (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))`
  sampler = await componentOf(await wat(reader), kvWit)
  other = await dummyComponent(kvWit.replace('option<string>', 'string'))
  files = await dummyComponent(
    'package wasi:filesystem@0.2.3; interface types { now: func() -> u64; } world w { import types; }',
  )
  const core = '(module (memory (export "memory") 1) (global (export "hypha_memory_end") i32 (i32.const 20000)))'
  bounded = await componentOf(await wat(core), 'package a:b; world w {}')
})

const spec = (memoryBytes = 100_000): ModuleSpec => ({
  ...makeModule().spec,
  limits: { ...makeModule().spec.limits, memoryBytes },
})

const made = (changes: Partial<Release> = {}): Release => ({
  ...makeRelease(
    {
      fleet: 'garden',
      app: 'greenhouse',
      number: 1,
      label: '1.0.0',
      createdMs: 1,
      floor: 0,
      modules: [{ name: 'sampler', component: sampler, spec: spec() }],
    },
    crypto,
  ),
  ...changes,
})

const unknown = { number: 0, digest: null as string | null, floor: 0 }

function accepted(wanted: Release, components = [sampler], known = unknown, signers = [keys.release]) {
  const role = { threshold: 1, keys: [keys.release.publicKey, keys.release2.publicKey] }
  const envelope = signRelease(releasePayload(wanted), signers)
  return accept(envelope, components, { fleet: 'garden', role, crypto, known: () => known })
}

function refusal(run: () => unknown): { code: ErrorCode; message: string } {
  try {
    run()
  } catch (error) {
    if (error instanceof HyphaError) return { code: error.code, message: error.message }
    throw error
  }
  throw new Error('nothing was refused')
}

test('what the author built and signed is accepted, with every content that nodes will ask for', () => {
  const result = accepted(made())
  expect(result.release).toEqual(made())
  expect(toHex(result.digest)).toBe(toHex(crypto.sha256(release.encode(made()))))
  const [module] = made().modules
  expect([...result.contents.keys()].sort()).toEqual(
    [toHex(module!.component.digest), toHex(module!.core!.digest)].sort(),
  )
  for (const [digest, bytes] of result.contents) expect(toHex(crypto.sha256(bytes))).toBe(digest)
})

test('the limit of memory is in whole pages, or to the byte where the module promises an end', () => {
  expect(made().modules[0]!.spec.limits.memoryBytes).toBe(131_072)
  const tiny = makeRelease({ ...made(), modules: [{ name: 'm', component: bounded, spec: spec() }] }, crypto)
  expect(tiny.modules[0]!.spec.limits.memoryBytes).toBe(20_000)
  expect(accepted(tiny, [bounded]).release).toEqual(tiny)
})

test('a module that asks for more at first than it may have is refused when the release is made', () => {
  const small = { ...made(), modules: [{ name: 'sampler', component: sampler, spec: spec(0) }] }
  const wide = async () => componentOf(await wat('(module (memory (export "memory") 2))'), 'package a:b; world w {}')
  return wide().then((component) => {
    const wanted = { ...small, modules: [{ name: 'wide', component, spec: spec(65_536) }] }
    expect(refusal(() => makeRelease(wanted, crypto))).toEqual({
      code: 'wasm-memory',
      message: 'wide: it asks for 131072 bytes of memory at first, and may have 65536',
    })
  })
})

test('a release that the release role did not sign is refused', () => {
  expect(refusal(() => accepted(made(), [sampler], unknown, [thief])).code).toBe('threshold-not-met')
  expect(refusal(() => accepted(made(), [sampler], unknown, [keys.gateway])).code).toBe('threshold-not-met')
})

test('one signature of the role is enough to be looked at, and as many as its threshold to run', () => {
  const role = { threshold: 2, keys: [keys.release.publicKey, keys.release2.publicKey] }
  const deps = { fleet: 'garden', role, crypto, known: () => unknown }
  const signedBy = (...signers: (typeof thief)[]) => signRelease(releasePayload(made()), signers)
  expect(accept(signedBy(keys.release, thief), [sampler], deps).enough).toBe(false)
  expect(accept(signedBy(keys.release, keys.release2), [sampler], deps).enough).toBe(true)
  expect(refusal(() => accept(signedBy(thief, keys.gateway), [sampler], deps)).code).toBe('threshold-not-met')
  // What waits is checked no less than what runs.
  expect(refusal(() => accept(signedBy(keys.release), [], deps)).code).toBe('push-incomplete')
})

test('an envelope of another kind is refused, though its signature is good', () => {
  const envelope = signMany(releasePayload(made()), 'root', [keys.release])
  const deps = { fleet: 'garden', role: { threshold: 1, keys: [keys.release.publicKey] }, crypto, known: () => unknown }
  expect(refusal(() => accept(envelope, [sampler], deps)).code).toBe('envelope-kind')
})

test('a release for another fleet is refused', () => {
  expect(refusal(() => accepted(made({ fleet: 'meadow' })))).toEqual({
    code: 'wrong-fleet',
    message: 'The release is for the fleet meadow, this is garden',
  })
})

test('a component that was not pushed is missed', () => {
  expect(refusal(() => accepted(made(), [])).code).toBe('push-incomplete')
  expect(refusal(() => accepted(made(), [other])).code).toBe('push-incomplete')
})

const lies: [what: string, tell: (honest: Release) => Partial<Release['modules'][number]>, says: RegExp][] = [
  [
    'the core form',
    () => ({ core: { digest: new Uint8Array(32), size: 7 } }),
    /its core form is [0-9a-f]{64} of \d+ bytes, the release says 0{64} of 7 bytes/,
  ],
  [
    'its size',
    ({ modules: [m] }) => ({ component: { ...m!.component, size: 1 } }),
    /its size is \d+, the release says 1$/,
  ],
  [
    'memory',
    () => ({ memory: { initialBytes: 1, maximumBytes: null, endBytes: null } }),
    /its initial memory is \d+, the release says 1/,
  ],
  ['the limit of memory', () => ({ spec: spec(5) }), /its limit of memory is 65536, the release says 5/],
  ['features', () => ({ features: ['simd'] }), /what it uses of WebAssembly is .*, the release says simd/],
  [
    'imports',
    () => ({ world: { imports: [], exports: [] } }),
    /what it imports is hypha:host\/kv@0.1.0, the release says $/,
  ],
  [
    'the types of an interface',
    () => ({
      world: makeRelease({ ...made(), modules: [{ name: 'm', component: other, spec: spec() }] }, crypto).modules[0]!
        .world,
    }),
    /the types of its interfaces are others/,
  ],
]

test.each(lies)('a release that says something else of %s than the bytes do is refused', (_what, tell, says) => {
  const honest = made()
  const wanted = { ...honest, modules: [{ ...honest.modules[0]!, ...tell(honest) }] }
  const { code, message } = refusal(() => accepted(wanted))
  expect(code).toBe('release-mismatch')
  expect(message).toMatch(says)
})

test('files and sockets are refused with a sentence that says what to use', () => {
  const wanted = { ...made(), modules: [{ name: 'logger', component: files, spec: spec() }] }
  const { code, message } = refusal(() => makeRelease(wanted, crypto))
  expect(code).toBe('wasi-refused')
  expect(message).toContain(
    "logger: The module can't run anywhere: it imports wasi:filesystem/types@0.2.3#now: modules have no files",
  )
  // The gateway finds it too, whatever was signed.
  const signed = { ...made().modules[0]!, component: { digest: crypto.sha256(files), size: files.length } }
  expect(refusal(() => accepted(made({ modules: [signed] }), [files])).code).toBe('wasi-refused')
})

test('numbers rise; the very same release is accepted again', () => {
  const digest = toHex(accepted(made()).digest)
  const known = { number: 1, digest, floor: 0 }
  expect(accepted(made(), [sampler], known).release.number).toBe(1)
  expect(refusal(() => accepted(made({ label: 'another' }), [sampler], known))).toEqual({
    code: 'release-number',
    message: 'greenhouse has release 1 already, this one has the number 1',
  })
  expect(refusal(() => accepted(made(), [sampler], { ...known, number: 5 })).code).toBe('release-number')
  expect(accepted(made({ number: 2 }), [sampler], known).release.number).toBe(2)
})

test('a floor only rises, and no release is below it', () => {
  expect(
    refusal(() => accepted(made({ number: 3, floor: 1 }), [sampler], { number: 2, digest: null, floor: 2 })).code,
  ).toBe('metadata-invalid')
  expect(
    refusal(() => accepted(made({ number: 3, floor: 3 }), [sampler], { number: 2, digest: null, floor: 9 })).code,
  ).toBe('release-below-floor')
  expect(refusal(() => accepted(made({ floor: 2 }))).code).toBe('metadata-invalid')
})

test('bytes that are no component are refused by name', () => {
  const wanted = { ...made(), modules: [{ name: 'noise', component: Uint8Array.of(1, 2, 3), spec: spec() }] }
  expect(refusal(() => makeRelease(wanted, crypto)).message).toMatch(/^noise: /)
})

test('a window in a time zone that the gateway does not know could never open: it is refused', () => {
  const window = { label: null, days: [1], fromMinute: 60, toMinute: 120, zone: 'Europe/Atlantis' }
  const nothing = { waves: null, successPercent: null, failurePercent: null, soakMs: null, prepareMs: null }
  const policy = { ...nothing, approve: false, rollback: false, windows: [window], health: [] }
  expect(refusal(() => accepted(made({ rollout: policy })))).toEqual({
    code: 'metadata-invalid',
    message:
      'The rollout of greenhouse has a window in the time zone "Europe/Atlantis", which this gateway doesn\'t know',
  })
  const known = { ...policy, windows: [{ ...window, zone: 'Europe/Berlin' }] }
  expect(accepted(made({ rollout: known })).release.rollout).toEqual(known)
})
