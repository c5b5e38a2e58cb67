import { encodeCbor, tagged } from '@hypha/core/bytes/cbor.ts'
import { fromHex } from '@hypha/core/bytes/text.ts'
import { openEnvelope, signMany } from '@hypha/core/trust/cose.ts'
import { maxDirectiveBytes, maxReleaseBytes, maxRootBytes } from '@hypha/core/trust/snapshot.ts'
import { describe, it } from 'vitest'
import {
  artifactBytes,
  crypto,
  expectCode,
  keys,
  makeDirective,
  makeRelease,
  rulesOf,
  signDirective,
  signRelease,
  startMs,
} from '../support/signed.ts'

// TUF specification, 1.5.2: an attacker answers with data without end, or that takes memory or time without end to read.

const ready = () => {
  const rules = rulesOf()
  rules.updateDirective(signDirective(makeDirective()), startMs)
  return rules
}

describe('Endless data', () => {
  it('is refused by its size before a byte of it is read', () => {
    expectCode('bytes-too-long', () => rulesOf().updateDirective(new Uint8Array(maxDirectiveBytes + 1), startMs))
    expectCode('bytes-too-long', () => rulesOf().updateRoot([new Uint8Array(maxRootBytes + 1)], startMs))
    expectCode('bytes-too-long', () => ready().acceptRelease('greenhouse', new Uint8Array(maxReleaseBytes + 1)))
  })

  it('in a content is refused by the size that was signed', () => {
    const rules = ready()
    rules.acceptRelease('greenhouse', signRelease(makeRelease()))
    const digest = crypto.sha256(artifactBytes)
    expectCode('size-mismatch', () => rules.acceptContent('greenhouse', digest, new Uint8Array(1_000_000)))
  })

  it('announced by a few bytes is refused before memory is spent on it', () => {
    // A COSE_Sign of four billion items; one whose payload announces 2^53 bytes; one of indefinite length.
    for (const hex of ['d8629affffffff', 'd8628441a0a05b001fffffffffffff', 'd8629f']) {
      const codes = hex.endsWith('9f') ? ('bytes-malformed' as const) : ('bytes-truncated' as const)
      expectCode(codes, () => openEnvelope(fromHex(hex), 'root', maxRootBytes))
    }
  })

  it('nested without end is refused', () => {
    const deep = new Uint8Array(5_000).fill(0x81)
    deep.set([0xd8, 0x62])
    expectCode('bytes-malformed', () => openEnvelope(deep, 'root', maxRootBytes))
  })

  it('in the number of signatures is refused before one of them is verified', () => {
    const body = encodeCbor(new Map([[3, 'application/vnd.hypha.root+cbor']]))
    const header = (index: number) =>
      encodeCbor(
        new Map<number, unknown>([
          [1, -8],
          [4, new Uint8Array(8).fill(index)],
        ]),
      )
    const parts = Array.from({ length: 17 }, (_, index) => [header(index), new Map(), new Uint8Array(64)])
    const envelope = encodeCbor(tagged(98, [body, new Map(), Uint8Array.of(1), parts]))
    expectCode('envelope-malformed', () => openEnvelope(envelope, 'root', maxRootBytes))
    expectCode('envelope-malformed', () => signMany(Uint8Array.of(1), 'root', Array(17).fill(keys.root)))
  })
})
