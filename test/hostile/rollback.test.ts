import { TrustRules } from '@hypha/core/trust/rules.ts'
import { trustSnapshot } from '@hypha/core/trust/snapshot.ts'
import { describe, expect, it } from 'vitest'
import {
  crypto,
  expectCode,
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

// TUF specification, 1.5.2: an attacker presents metadata and files older than what the node has seen.

const asking = (version: number, number: number, floor = 0) => {
  const value = makeRelease({ number, floor })
  return {
    release: signRelease(value),
    directive: signDirective(makeDirective({ version, sections: [makeSection(value)] })),
  }
}

describe('Rollback', () => {
  it('of root metadata fails', () => {
    const rules = rulesOf()
    const second = signRoot(makeRoot({ version: 2 }))
    rules.updateRoot([second, signRoot(makeRoot({ version: 3 }))], startMs)
    expectCode('root-version', () => rules.updateRoot([second], startMs))
  })

  it('of a directive fails, also after a restart of the node', () => {
    const rules = rulesOf()
    rules.updateDirective(asking(7, 1).directive, startMs)
    const restarted = new TrustRules(trustSnapshot.decode(trustSnapshot.encode(rules.snapshot)), crypto)
    expectCode('directive-rollback', () => restarted.updateDirective(asking(6, 1).directive, startMs))
    expect(restarted.directive?.version).toBe(7)
  })

  it("of a release below the app's floor fails, although the gateway asks for it", () => {
    const rules = rulesOf()
    const safe = asking(1, 5, 4)
    rules.updateDirective(safe.directive, startMs)
    rules.acceptRelease('greenhouse', safe.release)
    const vulnerable = asking(2, 3)
    rules.updateDirective(vulnerable.directive, startMs)
    expectCode('release-below-floor', () => rules.acceptRelease('greenhouse', vulnerable.release))
  })

  it('of a release below a floor that a third release has set fails, and nothing lowers the floor', () => {
    const rules = rulesOf()
    for (const step of [asking(1, 5, 4), asking(2, 6, 2)]) {
      rules.updateDirective(step.directive, startMs)
      rules.acceptRelease('greenhouse', step.release)
    }
    expect(rules.floor('greenhouse')).toBe(4)
    const vulnerable = asking(3, 3)
    rules.updateDirective(vulnerable.directive, startMs)
    expectCode('release-below-floor', () => rules.acceptRelease('greenhouse', vulnerable.release))
  })

  it('of a release to one at or above the floor is an operator going back, and works', () => {
    const rules = rulesOf()
    for (const step of [asking(1, 5, 4), asking(2, 4)]) {
      rules.updateDirective(step.directive, startMs)
      expect(rules.acceptRelease('greenhouse', step.release).app).toBe('greenhouse')
    }
  })

  it("of one app is not stopped by another app's floor", () => {
    const rules = rulesOf()
    const safe = asking(1, 5, 5)
    rules.updateDirective(safe.directive, startMs)
    rules.acceptRelease('greenhouse', safe.release)
    const other = makeRelease({ app: 'cellar' })
    rules.updateDirective(signDirective(makeDirective({ version: 2, sections: [makeSection(other)] })), startMs)
    expect(rules.acceptRelease('cellar', signRelease(other)).number).toBe(1)
  })
})
