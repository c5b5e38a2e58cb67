import type { ErrorCode } from '@hypha/core/errors.ts'
import { rootMetadata } from '@hypha/core/trust/root.ts'
import { restOfChain, verifyFirstRoot, verifyNextRoot } from '@hypha/core/trust/root-chain.ts'
import { encodeNewest, rootChain } from '@hypha/core/wire/messages/root-chain.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crypto, expectCode, keys, makeRoot, signRoot, startMs, thief } from '../../support/signed.ts'

const replaced = { threshold: 1, keys: [keys.root2.publicKey] }
const chain = [
  signRoot(makeRoot()),
  signRoot(makeRoot({ version: 2, root: replaced }), [keys.root, keys.root2]),
  signRoot(makeRoot({ version: 3, root: replaced }), [keys.root2]),
  signRoot(makeRoot({ version: 4, root: replaced, expiresMs: startMs }), [keys.root2]),
]
const payloads = [1, 2, 3, 4].map((version) =>
  rootMetadata.encode(
    makeRoot({ version, ...(version > 1 ? { root: replaced } : {}), ...(version === 4 ? { expiresMs: startMs } : {}) }),
  ),
)

describe('The first root metadata', () => {
  it('is signed by itself, for its fleet', () => {
    expect(verifyFirstRoot(chain[0]!, 'garden', crypto).root).toEqual(makeRoot())
  })

  it.each<[string, Uint8Array, ErrorCode]>([
    ['another fleet', signRoot(makeRoot({ fleet: 'cellar' })), 'wrong-fleet'],
    ['a signature of none of its keys', signRoot(makeRoot(), [thief]), 'threshold-not-met'],
    [
      'a role that can not be met',
      signRoot(makeRoot({ release: { threshold: 2, keys: [keys.release.publicKey] } })),
      'root-unusable',
    ],
  ])('is refused with %s', (_, envelope, code) => {
    expectCode(code, () => verifyFirstRoot(envelope, 'garden', crypto))
  })
})

describe('The root metadata that follows', () => {
  const current = makeRoot()

  it('is the next version, also where it has expired', () => {
    const { root } = verifyNextRoot(makeRoot({ version: 3, root: replaced }), chain[3]!, crypto)
    expect(root.version).toBe(4)
  })

  it.each<[string, Uint8Array, ErrorCode]>([
    [
      'without the signature of the one before',
      signRoot(makeRoot({ version: 2, root: replaced }), [keys.root2]),
      'threshold-not-met',
    ],
    ['without its own', signRoot(makeRoot({ version: 2, root: replaced })), 'threshold-not-met'],
    ['of the same version', signRoot(makeRoot()), 'root-version'],
    ['of the version after the next', signRoot(makeRoot({ version: 3 })), 'root-version'],
    ['of another fleet', signRoot(makeRoot({ version: 2, fleet: 'cellar' })), 'wrong-fleet'],
  ])('is refused %s', (_, envelope, code) => {
    expectCode(code, () => verifyNextRoot(current, envelope, crypto))
  })
})

describe('What of a chain comes after what is held', () => {
  it('is what follows it there, from wherever the chain begins', () => {
    const indices = fc.record({ held: fc.integer({ min: 0, max: 3 }), from: fc.integer({ min: 0, max: 3 }) })
    fc.assert(
      fc.property(indices, ({ held, from }) => {
        const given = chain.slice(from)
        if (from > held + 1) expectCode('root-version', () => restOfChain(payloads[held]!, given))
        else expect(restOfChain(payloads[held]!, given)).toEqual(chain.slice(held + 1))
      }),
    )
  })

  it('is refused where the chain ends before it, or has another version in its place', () => {
    expectCode('root-version', () => restOfChain(payloads[3]!, chain.slice(0, 2)))
    const other = signRoot(makeRoot({ version: 2 }))
    expectCode('root-version', () => restOfChain(payloads[1]!, [chain[0]!, other]))
  })
})

describe('The message that carries a chain', () => {
  it('holds as many of the newest as fit, and no more', () => {
    const envelopes = fc.array(
      fc.integer({ min: 1, max: 12_000 }).map((size) => new Uint8Array(size)),
      { maxLength: 400 },
    )
    fc.assert(
      fc.property(envelopes, (all) => {
        const { envelopes: sent } = rootChain.decode(encodeNewest(all))
        expect(sent).toEqual(all.slice(all.length - sent.length))
        const next = all.at(-sent.length - 1)
        const room = 60_000 - sent.reduce((sum, { length }) => sum + length + 3, 6)
        if (sent.length < Math.min(all.length, 256)) expect(next!.length + 3).toBeGreaterThan(room)
      }),
      { numRuns: 30 },
    )
  })
})
