import { HyphaError } from '@hypha/core/errors.ts'
import { openEnvelope, signMany, signOne } from '@hypha/core/trust/cose.ts'
import type { Directive } from '@hypha/core/trust/directive.ts'
import { directive } from '@hypha/core/trust/directive.ts'
import type { Release } from '@hypha/core/trust/release.ts'
import { type RootMetadata, rootMetadata } from '@hypha/core/trust/root.ts'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { Asked, buildChecked } from '../../support/firmware.ts'
import {
  artifactBytes,
  componentBytes,
  crypto,
  identity,
  joined,
  keys,
  makeDirective,
  makeModule,
  makeRelease,
  makeRoot,
  makeSection,
  rulesOf,
  signDirective,
  signRelease,
  signRoot,
  startMs,
  thief,
} from '../../support/signed.ts'

// Whatever comes, the board's rules and those of the other tiers say the same, to the code.

const board = new Asked(buildChecked('trust-check'))
afterAll(() => board.end())

const text = (word: string) => new TextEncoder().encode(word)
const none = new Uint8Array()
const firstWord = (answer: string) => answer.split(' ')[0]

/**
 * Whether two sides mean the same. Bytes that are no CBOR at all behind a right head (a simple value that isn't one) the board takes for a field of the wrong type.
 */
const agree = (mine: string, theirs: string | undefined) =>
  mine === theirs || (mine === 'bytes-malformed' && ['envelope-malformed', 'message-malformed'].includes(theirs ?? ''))

/** The code that the other tiers refuse with. */
function here(run: () => unknown): string {
  try {
    run()
    return 'ok'
  } catch (error) {
    if (error instanceof HyphaError) return error.code
    throw error
  }
}

/** Asks both sides about new root metadata; answers what both say. */
async function onRoot(held: RootMetadata, signers: Parameters<typeof signRoot>[1], next: Uint8Array): Promise<string> {
  const rules = rulesOf(joined(held, signers))
  const code = here(() => rules.updateRoot([next], startMs))
  const answer = await board.ask('root', text('pi-7'), rootMetadata.encode(held), none, next)
  expect(firstWord(answer)).toBe(code)
  return answer
}

async function onDirective(next: Uint8Array, held?: Uint8Array, root = makeRoot()): Promise<string> {
  const rules = rulesOf(joined(root))
  if (held) rules.updateDirective(held, startMs)
  const code = here(() => rules.updateDirective(next, startMs))
  const answer = await board.ask('directive', text('pi-7'), rootMetadata.encode(root), held ?? none, next)
  expect([code, firstWord(answer)]).toSatisfy(([mine, theirs]) => agree(mine, theirs))
  return answer
}

/** A release under a directive that names it (or `named` in its place). */
async function onRelease(
  value: Release,
  envelope: Uint8Array<ArrayBuffer> = signRelease(value),
  named = makeSection(value, envelope),
  floor = 0,
) {
  const root = makeRoot()
  const rules = rulesOf({ ...joined(root), floors: [{ app: value.app, floor }] })
  const held = signDirective(makeDirective({ sections: [named] }))
  rules.updateDirective(held, startMs)
  const code = here(() => rules.acceptRelease(named.app, envelope))
  const floorBytes = Uint8Array.of(floor & 255, floor >> 8, 0, 0)
  const answer = await board.ask('release', text('pi-7'), rootMetadata.encode(root), held, envelope, floorBytes)
  expect(firstWord(answer)).toBe(code)
  return code
}

describe('Root metadata on a board', () => {
  const next = (changes: Partial<RootMetadata> = {}) => makeRoot({ version: 2, ...changes })

  it('is followed where the one before and the new one have signed it', async () => {
    expect(await onRoot(makeRoot(), [keys.root], signRoot(next()))).toBe('ok 000')
    expect(await onRoot(makeRoot(), [keys.root], signRoot(makeRoot()))).toBe('ok 100')
    const two = { threshold: 2, keys: [keys.root.publicKey, keys.root2.publicKey] }
    expect(await onRoot(makeRoot(), [keys.root], signRoot(next({ root: two }), [keys.root, keys.root2]))).toBe('ok 000')
  })

  it('takes with it what a role that lost a key had counted', async () => {
    const gateway = { threshold: 1, keys: [thief.publicKey] }
    const release = { threshold: 1, keys: [keys.release2.publicKey] }
    expect(await onRoot(makeRoot(), [keys.root], signRoot(next({ gateway })))).toBe('ok 010')
    expect(await onRoot(makeRoot(), [keys.root], signRoot(next({ release })))).toBe('ok 001')
    const more = { threshold: 1, keys: [keys.release.publicKey, keys.release2.publicKey] }
    expect(await onRoot(makeRoot(), [keys.root], signRoot(next({ release: more })))).toBe('ok 000')
  })

  it.each<[string, Uint8Array]>([
    ['threshold-not-met', signRoot(next(), [thief])],
    ['threshold-not-met', signRoot(next({ root: { threshold: 1, keys: [thief.publicKey] } }), [keys.root])],
    [
      'threshold-not-met',
      signRoot(next({ root: { threshold: 2, keys: [keys.root.publicKey, thief.publicKey] } }), [keys.root]),
    ],
    ['root-version', signRoot(makeRoot({ version: 3 }))],
    ['root-version', signRoot(makeRoot({ version: 1, expiresMs: startMs + 5_000 }))],
    ['wrong-fleet', signRoot(next({ fleet: 'orchard' }))],
    ['root-unusable', signRoot(next({ release: { threshold: 2, keys: [keys.release.publicKey] } }))],
    ['root-unusable', signRoot(next({ gateway: { threshold: 1, keys: [keys.release.publicKey] } }))],
    ['root-unusable', signRoot(next({ release: { threshold: 1, keys: [new Uint8Array(32)] } }))],
    ['root-unusable', signRoot(next({ gateway: { threshold: 2, keys: [keys.gateway.publicKey, thief.publicKey] } }))],
    [
      'root-unusable',
      signRoot(next({ release: { threshold: 1, keys: [keys.release.publicKey, keys.release.publicKey] } })),
    ],
    ['root-unusable', signRoot(next({ authorities: [new Uint8Array(32), new Uint8Array(32)] }))],
    ['envelope-kind', signMany(rootMetadata.encode(next()), 'release', [keys.root])],
    ['envelope-kind', signDirective(makeDirective())],
  ])('is refused with %s', async (code, envelope) => {
    expect(firstWord(await onRoot(makeRoot(), [keys.root], envelope))).toBe(code)
  })
})

describe('A directive on a board', () => {
  const envelope = signDirective(makeDirective({ version: 5 }))

  it('is taken, and once more the same one', async () => {
    expect(await onDirective(envelope)).toBe('ok 0')
    expect(await onDirective(envelope, envelope)).toBe('ok 1')
    expect(await onDirective(signDirective(makeDirective({ version: 6 })), envelope)).toBe('ok 0')
  })

  const section = makeSection(makeRelease())
  const changed = (changes: Partial<Directive>) => signDirective(makeDirective({ version: 6, ...changes }))
  const prepared = { ...section, phase: 'prepare' as const, wave: 0, epoch: 2 }

  it.each<[string, Uint8Array]>([
    ['ok', changed({ sections: [section, prepared] })],
    ['ok', changed({ sections: [], leave: true })],
    ['signature-invalid', damagedPayload(signDirective(makeDirective({ version: 6 })))],
    ['threshold-not-met', signDirective(makeDirective({ version: 6 }), thief)],
    ['threshold-not-met', signDirective(makeDirective({ version: 6 }), keys.release)],
    ['envelope-kind', signDirective(makeDirective({ version: 6 }), keys.gateway, 'release')],
    ['wrong-node', changed({ node: 'pi-8' })],
    ['wrong-fleet', changed({ fleet: 'orchard' })],
    ['directive-rollback', changed({ version: 4 })],
    ['directive-conflict', changed({ version: 5, issuedMs: startMs + 1 })],
    ['directive-rollback', changed({ sections: [{ ...section, epoch: 2 }] })],
    ['directive-rollback', changed({ sections: [{ ...section, epoch: 3, chosenMs: 6 }] })],
    ['directive-rollback', changed({ sections: [{ ...prepared, epoch: 3, chosenMs: 7 }] })],
    ['metadata-invalid', changed({ expiresMs: startMs - 1 })],
    ['metadata-invalid', changed({ leave: true })],
    ['metadata-invalid', changed({ sections: [section, section] })],
    ['metadata-invalid', changed({ sections: [{ ...section, phase: 'prepare' }] })],
    ['metadata-invalid', changed({ sections: [{ ...section, wave: 1 }] })],
    ['metadata-invalid', changed({ sections: [section, { ...prepared, epoch: 1 }] })],
    [
      'metadata-invalid',
      changed({ sections: [{ ...section, instances: [...section.instances, ...section.instances] }] }),
    ],
    ['metadata-invalid', changed({ sections: [{ ...section, contents: [...section.contents, ...section.contents] }] })],
    ['message-malformed', changed({ node: 'Pi 7' as never })],
    ['message-malformed', changed({ version: 0 })],
    ['message-malformed', changed({ sections: [{ ...section, epoch: 0 }] })],
    ['message-malformed', changed({ sections: [{ ...section, release: new Uint8Array(31) }] })],
  ])('is answered with %s', async (code, next) => {
    const rolled = ['directive-rollback', 'ok'].includes(code)
    const heldSection = rolled && code !== 'ok' ? { ...section, epoch: 3, chosenMs: 7 } : section
    const held = signDirective(makeDirective({ version: 5, sections: [heldSection] }))
    expect(firstWord(await onDirective(next, held))).toBe(code)
  })

  it('is judged alike whatever byte of it was changed or cut off', async () => {
    const change = fc.record({ at: fc.nat(envelope.length - 1), byte: fc.nat(255), cut: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(change, async ({ at, byte, cut }) => {
        const bytes = cut ? envelope.slice(0, at) : Uint8Array.from(envelope)
        if (!cut) bytes[at] = byte
        await onDirective(bytes)
      }),
      { numRuns: 300 },
    )
  })

  it('is judged alike whatever the signed payload is', async () => {
    const payload = directive.encode(makeDirective())
    const change = fc.array(fc.record({ at: fc.nat(payload.length - 1), byte: fc.nat(255) }), { maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(change, async (changes) => {
        const bytes = Uint8Array.from(payload)
        for (const { at, byte } of changes) bytes[at] = byte
        const signed = signOne(bytes, 'directive', keys.gateway)
        const rules = rulesOf()
        const code = here(() => rules.updateDirective(signed, startMs))
        const theirs = firstWord(
          await board.ask('directive', text('pi-7'), rootMetadata.encode(makeRoot()), none, signed),
        )
        // Expiry is the agent's to judge; what serves others' links a board doesn't read.
        if (code === 'metadata-expired') return
        expect([code, theirs]).toSatisfy(() => agree(code, theirs))
      }),
      { numRuns: 300 },
    )
  })
})

describe('A release on a board', () => {
  const value = makeRelease({ number: 7 })

  it('is taken where the release role has signed it and the directive asks for it', async () => {
    expect(await onRelease(value)).toBe('ok')
    expect(await onRelease(value, signRelease(value), makeSection(value), 7)).toBe('ok')
  })

  const envelope = signRelease(value)
  const section = makeSection(value, envelope)
  const other = makeRelease({ number: 7, app: 'orchard' })
  const files = makeRelease({ number: 7, files: [] })
  const twice = makeRelease({ number: 7, modules: [makeModule(), makeModule()] })
  const high = makeRelease({ number: 7, floor: 8 })
  const elsewhere = makeRelease({ number: 7, fleet: 'orchard' })
  const swapped = (of: Release) => makeSection(of, signRelease(of), { app: 'greenhouse' })

  it.each<[string, Release, Uint8Array<ArrayBuffer>, ReturnType<typeof makeSection>]>([
    [
      'threshold-not-met',
      value,
      signRelease(value, [keys.gateway]),
      makeSection(value, signRelease(value, [keys.gateway])),
    ],
    ['threshold-not-met', value, signRelease(value, [thief]), makeSection(value, signRelease(value, [thief]))],
    ['digest-mismatch', value, signRelease(makeRelease({ number: 8 })), section],
    ['digest-mismatch', value, envelope, { ...section, release: new Uint8Array(32) }],
    ['wrong-app', other, signRelease(other), swapped(other)],
    ['wrong-fleet', elsewhere, signRelease(elsewhere), makeSection(elsewhere)],
    ['metadata-invalid', files, signRelease(files), makeSection(files)],
    ['metadata-invalid', twice, signRelease(twice), makeSection(twice, signRelease(twice), { instances: [] })],
    ['metadata-invalid', high, signRelease(high), makeSection(high)],
    ['content-unlisted', value, envelope, { ...section, contents: [...section.contents, identity(Uint8Array.of(1))] }],
    ['content-missing', value, envelope, { ...section, contents: [identity(envelope), identity(componentBytes)] }],
    [
      'content-unlisted',
      value,
      envelope,
      { ...section, instances: section.instances.map((each) => ({ ...each, module: 'stranger' })) },
    ],
    [
      'size-mismatch',
      value,
      envelope,
      { ...section, contents: [identity(envelope), { ...identity(artifactBytes), size: 9 }] },
    ],
  ])('is refused with %s', async (code, of, bytes, named) => {
    expect(await onRelease(of, bytes, named)).toBe(code)
  })

  it('is refused below the floor that was seen', async () => {
    expect(await onRelease(value, envelope, section, 8)).toBe('release-below-floor')
  })

  it('needs the threshold of the role, by keys of the role', async () => {
    const payload = openEnvelope(envelope, 'release', 65_536).unverifiedPayload
    const ask = async (
      threshold: number,
      signers: Parameters<typeof signMany>[2],
      roleKeys = [keys.release, keys.release2],
    ) => {
      const signed = signMany(payload, 'release', signers)
      const publicKeys = roleKeys.map(({ publicKey }) => publicKey)
      return firstWord(await board.ask('envelope', Uint8Array.of(1), Uint8Array.of(threshold), signed, ...publicKeys))
    }
    expect(await ask(2, [keys.release, keys.release2])).toBe('ok')
    expect(await ask(2, [keys.release, thief])).toBe('threshold-not-met')
    expect(await ask(1, [thief, keys.release2])).toBe('ok')
    expect(await ask(2, [keys.release], [keys.release, keys.release])).toBe('threshold-not-met')
  })
})

/** An envelope whose payload has one bit changed; its form is still right. */
function damagedPayload(envelope: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from(envelope)
  const { unverifiedPayload } = openEnvelope(envelope, 'directive', 65_536)
  const at = Buffer.from(bytes).indexOf(unverifiedPayload)
  bytes[at + unverifiedPayload.length - 1]! ^= 1
  expect(crypto.sha256(bytes)).not.toEqual(crypto.sha256(envelope))
  return bytes
}
