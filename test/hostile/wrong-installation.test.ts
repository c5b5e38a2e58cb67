import { openEnvelope, signMany, signOne } from '@hypha/core/trust/cose.ts'
import { directive } from '@hypha/core/trust/directive.ts'
import { release } from '@hypha/core/trust/release.ts'
import { rootMetadata } from '@hypha/core/trust/root.ts'
import { describe, it } from 'vitest'
import {
  expectCode,
  joined,
  keys,
  makeDirective,
  makeRelease,
  makeRoot,
  makeSection,
  rulesOf,
  signDirective,
  signRelease,
  signRoot,
  startMs,
} from '../support/signed.ts'

// TUF specification, 1.5.2, "wrong software installation": what is authentic, presented to whom it is not meant for.

describe('Wrong installation', () => {
  it("fails with another node's directive", () => {
    expectCode('wrong-node', () => rulesOf().updateDirective(signDirective(makeDirective({ node: 'pi-8' })), startMs))
  })

  it('fails with a directive, a release or root metadata of another fleet under the same keys', () => {
    const rules = rulesOf()
    expectCode('wrong-fleet', () => rules.updateDirective(signDirective(makeDirective({ fleet: 'farm' })), startMs))
    expectCode('wrong-fleet', () => rules.updateRoot([signRoot(makeRoot({ version: 2, fleet: 'farm' }))], startMs))
    const foreign = makeRelease({ fleet: 'farm' })
    rules.updateDirective(signDirective(makeDirective({ sections: [makeSection(foreign)] })), startMs)
    expectCode('wrong-fleet', () => rules.acceptRelease('greenhouse', signRelease(foreign)))
  })

  it('fails at joining a fleet that the join URL does not name', () => {
    expectCode('wrong-fleet', () => joined(makeRoot({ fleet: 'farm' })))
  })

  it('fails when something signed as one kind is presented as another', () => {
    const asRelease = signOne(directive.encode(makeDirective()), 'release', keys.gateway)
    expectCode('envelope-kind', () => rulesOf().updateDirective(asRelease, startMs))
    const asDirective = signMany(release.encode(makeRelease()), 'directive', [keys.release])
    expectCode('envelope-kind', () => openEnvelope(asDirective, 'release', 10_000))
    const asRoot = signOne(rootMetadata.encode(makeRoot({ version: 2 })), 'directive', keys.root)
    expectCode('envelope-kind', () => rulesOf().updateRoot([asRoot], startMs))
  })

  it('fails when only the content type of an envelope is made to fit: the kind is signed apart from it', () => {
    const envelope = Buffer.from(signDirective(makeDirective(), keys.gateway, 'release'))
    // "release" and "directive" differ in length, so the honest header is put in the place of the other with both lengths mended.
    const honest = Buffer.from(signDirective(makeDirective()))
    const headerEnd = (bytes: Buffer) => bytes.indexOf(keys.gateway.kid) + keys.gateway.kid.length
    const forged = Buffer.concat([honest.subarray(0, headerEnd(honest)), envelope.subarray(headerEnd(envelope))])
    expectCode('signature-invalid', () => rulesOf().updateDirective(new Uint8Array(forged), startMs))
  })
})
