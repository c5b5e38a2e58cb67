import { describe, it } from 'vitest'
import {
  artifactBytes,
  crypto,
  expectCode,
  identity,
  makeDirective,
  makeModule,
  makeRelease,
  makeSection,
  rulesOf,
  signDirective,
  signRelease,
  startMs,
} from '../support/signed.ts'

// TUF specification, 1.5.2: an attacker combines files that were all signed, and never together.

const otherBytes = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 0)
const first = makeRelease()
const second = makeRelease({
  number: 2,
  modules: [makeModule({ core: { digest: crypto.sha256(otherBytes), size: otherBytes.length } })],
})

const rulesAsking = (section: ReturnType<typeof makeSection>) => {
  const rules = rulesOf()
  rules.updateDirective(signDirective(makeDirective({ sections: [section] })), startMs)
  return rules
}

describe('Mix and match', () => {
  it('of a directive with another release of the same app fails', () => {
    const rules = rulesAsking(makeSection(second))
    expectCode('digest-mismatch', () => rules.acceptRelease('greenhouse', signRelease(first)))
  })

  it('of an envelope with the digest of another release fails', () => {
    const envelope = signRelease(first)
    const section = { ...makeSection(second), envelope: crypto.sha256(envelope) }
    expectCode('digest-mismatch', () => rulesAsking(section).acceptRelease('greenhouse', envelope))
  })

  it('of a release with contents of another release fails', () => {
    const envelope = signRelease(second)
    const section = makeSection(second, envelope, { contents: [identity(envelope), identity(artifactBytes)] })
    expectCode('content-unlisted', () => rulesAsking(section).acceptRelease('greenhouse', envelope))
  })

  it('of a section of one app with a release of another fails', () => {
    const envelope = signRelease(first)
    const section = { ...makeSection(first, envelope), app: 'cellar' }
    expectCode('wrong-app', () => rulesAsking(section).acceptRelease('cellar', envelope))
  })

  it("of a release with another section's contents fails at the content", () => {
    const rules = rulesAsking(makeSection(first))
    rules.acceptRelease('greenhouse', signRelease(first))
    expectCode('content-unlisted', () => rules.acceptContent('greenhouse', crypto.sha256(otherBytes), otherBytes))
  })
})
