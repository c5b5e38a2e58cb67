import { fromHex, toUtf8 } from '@hypha/core/bytes/text.ts'
import { boxKeysOf, makeBoxKeys, openSealed, seal } from '@hypha/core/trust/seal.ts'
import { openWithKey, sealWithKey } from '@hypha/core/trust/secret-box.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crypto, expectCode } from '../../support/signed.ts'

const node = makeBoxKeys(crypto)

describe('A sealed secret', () => {
  it('is read by the node that it was sealed to', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (plain) => {
        expect(openSealed(seal(plain, node.publicKey, crypto), node.secretKey)).toEqual(Uint8Array.from(plain))
      }),
      { numRuns: 10 },
    )
  })

  it('is read by no other node, and not once it was changed', () => {
    const sealed = seal(toUtf8('hunter2'), node.publicKey, crypto)
    expect(openSealed(sealed, makeBoxKeys(crypto).secretKey)).toBeNull()
    const box = Uint8Array.from(sealed.box)
    box[3]! ^= 1
    expect(openSealed({ ...sealed, box }, node.secretKey)).toBeNull()
    expect(openSealed({ ...sealed, nonce: new Uint8Array(3) }, node.secretKey)).toBeNull()
    expect(openSealed({ ...sealed, box: new Uint8Array(2) }, node.secretKey)).toBeNull()
  })

  it('is never sealed to a key with which everyone could read it', () => {
    const order8 = fromHex('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800')
    for (const key of [new Uint8Array(32), order8, new Uint8Array(31)]) {
      expectCode('box-key-invalid', () => seal(toUtf8('hunter2'), key, crypto))
    }
  })

  it('is opened with keys that were read back from their secret half', () => {
    expect(boxKeysOf(node.secretKey)).toEqual(node)
    expectCode('bytes-malformed', () => boxKeysOf(new Uint8Array(31)))
  })
})

describe('A box with one key', () => {
  it('opens with that key only, and only unchanged', () => {
    const key = crypto.random(32)
    const sealed = sealWithKey(toUtf8('seed'), key, crypto)
    expect(openWithKey(sealed, key)).toEqual(toUtf8('seed'))
    expect(openWithKey(sealed, crypto.random(32))).toBeNull()
    expect(openWithKey({ ...sealed, box: sealed.box.map((byte) => byte ^ 1) }, key)).toBeNull()
  })
})
