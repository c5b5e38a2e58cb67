import { describe, expect, it } from 'vitest'
import {
  artifactBytes,
  crypto,
  expectCode,
  makeCommit,
  makeDirective,
  makeRelease,
  makeRoot,
  makeSection,
  rulesOf,
  signCommit,
  signDirective,
  signer,
  signRelease,
  signRoot,
  startMs,
} from '../../support/signed.ts'

const one = makeRelease({ number: 1 })
const two = makeRelease({ number: 2 })
const three = makeRelease({ number: 3 })
const running = makeSection(one, signRelease(one), { epoch: 1 })
const preparing = makeSection(two, signRelease(two), { epoch: 2, phase: 'prepare', wave: 1 })
const directiveOf = (version: number, ...sections: readonly (typeof running)[]) =>
  signDirective(makeDirective({ version, sections: [...sections] }))

function rulesHolding(...sections: readonly (typeof running)[]) {
  const rules = rulesOf()
  rules.updateDirective(directiveOf(1, ...sections), startMs)
  return rules
}

describe('A commit', () => {
  const judge = (rules: ReturnType<typeof rulesOf>, changes: Parameters<typeof makeCommit>[1] = {}) =>
    rules.acceptCommit('greenhouse', signCommit(makeCommit(preparing, changes)), startMs).kind

  it('acts on the section to prepare with its epoch and release, of its wave or an earlier one', () => {
    const rules = rulesHolding(running, preparing)
    expect(rules.acceptCommit('greenhouse', signCommit(makeCommit(preparing)), startMs)).toMatchObject({
      kind: 'acts',
      section: preparing,
    })
    expect(judge(rules, { wave: 3 })).toBe('acts')
  })

  it('waits while the node is in a later wave', () => {
    expect(judge(rulesHolding(running, preparing), { wave: 0 })).toBe('waits')
  })

  it('waits for its directive', () => {
    expect(judge(rulesOf())).toBe('waits')
    const rules = rulesHolding(running)
    expect(judge(rules)).toBe('waits')
    rules.updateDirective(directiveOf(2, running, preparing), startMs)
    expect(judge(rules)).toBe('acts')
  })

  it('is over once its epoch is to be run, or another took its place', () => {
    expect(judge(rulesHolding({ ...preparing, phase: 'run', wave: null }))).toBe('over')
    const next = makeSection(three, signRelease(three), { epoch: 3, phase: 'prepare', wave: 0 })
    expect(judge(rulesHolding(running, next))).toBe('over')
    expect(judge(rulesHolding({ ...next, phase: 'run', wave: null }))).toBe('over')
  })

  it('of another release in the same epoch is refused', () => {
    const rules = rulesHolding(running, preparing)
    expectCode('commit-mismatch', () => judge(rules, { release: crypto.sha256(artifactBytes) }))
  })

  it('is judged by the root metadata that is held: an expired one, or another key, says nothing', () => {
    const rules = rulesHolding(running, preparing)
    const envelope = signCommit(makeCommit(preparing))
    expectCode('metadata-expired', () => rules.acceptCommit('greenhouse', envelope, makeRoot().expiresMs))
    rules.updateRoot(
      [signRoot(makeRoot({ version: 2, gateway: { threshold: 1, keys: [signer(9).publicKey] } }))],
      startMs,
    )
    expectCode('threshold-not-met', () => rules.acceptCommit('greenhouse', envelope, startMs))
  })

  it('raises the time that the node judges by where it acts', () => {
    const rules = rulesHolding(running, preparing)
    judge(rules, { issuedMs: startMs + 5_000, epoch: 9 })
    expect(rules.timeMs(0)).toBe(startMs)
    judge(rules, { issuedMs: startMs + 5_000 })
    expect(rules.timeMs(0)).toBe(startMs + 5_000)
  })
})

describe('A section to prepare', () => {
  it('is checked on its own, beside the one to run', () => {
    const rules = rulesHolding(running, preparing)
    rules.acceptRelease('greenhouse', signRelease(two), 'prepare')
    expectCode('rules-order', () => rules.complete('greenhouse', 'prepare'))
    rules.acceptContent('greenhouse', crypto.sha256(artifactBytes), artifactBytes, 'prepare')
    expect(rules.complete('greenhouse', 'prepare').release.number).toBe(2)
    expectCode('rules-order', () => rules.complete('greenhouse'))
    expectCode('digest-mismatch', () => rules.acceptRelease('greenhouse', signRelease(two)))
  })

  it('may go away again, or make room for another', () => {
    const rules = rulesHolding(running, preparing)
    rules.updateDirective(directiveOf(2, running), startMs)
    rules.updateDirective(directiveOf(3, running, { ...preparing, epoch: 3 }), startMs)
    expect(rules.directive?.version).toBe(3)
  })

  it('comes after what is to run: of the same epoch, or a lower one, it is a rollback', () => {
    const rules = rulesHolding({ ...running, epoch: 5 })
    for (const epoch of [4, 5]) {
      expectCode('directive-rollback', () => rules.updateDirective(directiveOf(2, { ...preparing, epoch }), startMs))
    }
  })

  it('becomes the section to run in its own epoch', () => {
    const rules = rulesHolding(running, preparing)
    rules.updateDirective(directiveOf(2, { ...preparing, phase: 'run', wave: null }), startMs)
    expectCode('directive-rollback', () => rules.updateDirective(directiveOf(3, running), startMs))
  })
})
