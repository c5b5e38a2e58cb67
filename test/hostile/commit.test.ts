import { maxCommitBytes } from '@hypha/core/trust/commit.ts'
import { describe, expect, it } from 'vitest'
import {
  expectCode,
  keys,
  makeCommit,
  makeDirective,
  makeRelease,
  makeSection,
  rulesOf,
  signCommit,
  signDirective,
  signRelease,
  startMs,
  thief,
} from '../support/signed.ts'

// Who can make a node run what it has prepared at a time of his choosing can take a fleet apart, also without code of his own.

const one = makeRelease({ number: 1 })
const two = makeRelease({ number: 2 })
const section = makeSection(two, signRelease(two), { epoch: 2, phase: 'prepare', wave: 0 })
const good = makeCommit(section)

function prepared() {
  const rules = rulesOf()
  const sections = [makeSection(one, signRelease(one)), section]
  rules.updateDirective(signDirective(makeDirective({ sections })), startMs)
  return rules
}

const accept = (envelope: Uint8Array, app = 'greenhouse') => prepared().acceptCommit(app, envelope, startMs)

describe('A commit is refused that', () => {
  it('a stranger has signed', () => expectCode('threshold-not-met', () => accept(signCommit(good, thief))))

  it('the release role has signed: it says what is authentic, not what runs', () =>
    expectCode('threshold-not-met', () => accept(signCommit(good, keys.release))))

  it('the root role has signed', () => expectCode('threshold-not-met', () => accept(signCommit(good, keys.root))))

  it("a stranger has signed under the gateway's name", () => {
    const borrowed = { ...thief, kid: keys.gateway.kid }
    expectCode('signature-invalid', () => accept(signCommit(good, borrowed)))
  })

  it('was signed as something else, or is something else that the gateway has signed', () => {
    expectCode('envelope-kind', () => accept(signCommit(good, keys.gateway, 'directive')))
    expectCode('envelope-kind', () => accept(signDirective(makeDirective({ sections: [] }))))
  })

  it('is of another fleet', () => expectCode('wrong-fleet', () => accept(signCommit({ ...good, fleet: 'orchard' }))))

  it('is of another app than the topic says', () => {
    expectCode('wrong-app', () => accept(signCommit({ ...good, app: 'cellar' })))
    expectCode('wrong-app', () => accept(signCommit(good), 'cellar'))
  })

  it('names another release in the epoch that is prepared', () =>
    expectCode('commit-mismatch', () => accept(signCommit({ ...good, release: new Uint8Array(32).fill(6) }))))

  it('is longer than any commit, before a byte of it is read', () =>
    expectCode('bytes-too-long', () => accept(new Uint8Array(maxCommitBytes + 1))))

  it('was altered in any one byte', () => {
    const envelope = signCommit(good)
    const rules = prepared()
    for (let at = 0; at < envelope.length; at++) {
      const altered = Uint8Array.from(envelope, (byte, index) => (index === at ? byte ^ 1 : byte))
      expect(() => rules.acceptCommit('greenhouse', altered, startMs), `byte ${at}`).toThrow()
    }
  })
})

describe('A commit that is played again', () => {
  it('does nothing once its epoch runs, or another one is prepared', () => {
    const rules = prepared()
    const run = { ...section, phase: 'run' as const, wave: null }
    const third = makeSection(two, signRelease(two), { epoch: 3, phase: 'prepare', wave: 0 })
    rules.updateDirective(signDirective(makeDirective({ version: 2, sections: [run, third] })), startMs)
    expect(rules.acceptCommit('greenhouse', signCommit(good), startMs).kind).toBe('over')
  })

  it('does nothing after its section was dropped, and nothing where the same release is prepared in a later epoch', () => {
    const rules = prepared()
    const running = makeSection(one, signRelease(one))
    rules.updateDirective(signDirective(makeDirective({ version: 2, sections: [running] })), startMs)
    expect(rules.acceptCommit('greenhouse', signCommit(good), startMs).kind).toBe('waits')
    const again = { ...section, epoch: 3 }
    rules.updateDirective(signDirective(makeDirective({ version: 3, sections: [running, again] })), startMs)
    expect(rules.acceptCommit('greenhouse', signCommit(good), startMs).kind).toBe('over')
  })
})
