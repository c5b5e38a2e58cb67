import { describe, expect, it } from 'vitest'
import {
  dayMs,
  expectCode,
  joined,
  makeDirective,
  makeRoot,
  rulesOf,
  signDirective,
  signRoot,
  startMs,
} from '../support/signed.ts'

// TUF specification, 1.5.2, "indefinite freeze": an attacker goes on presenting metadata that was true once.

const bootedIn1970 = 0
const expired = () => makeDirective({ version: 2, issuedMs: startMs - 40 * dayMs, expiresMs: startMs - 10 * dayMs })

describe('Freeze', () => {
  it('with an expired directive fails', () => {
    expectCode('metadata-expired', () => rulesOf().updateDirective(signDirective(expired()), startMs))
  })

  it('ends at the very millisecond of the expiry', () => {
    const envelope = signDirective(makeDirective({ expiresMs: startMs + 1 }))
    expectCode('metadata-expired', () => rulesOf().updateDirective(envelope, startMs + 1))
    expect(rulesOf().updateDirective(envelope, startMs).version).toBe(1)
  })

  it('of a node that woke up in 1970 fails, because it remembers what the gateway has signed', () => {
    const rules = rulesOf()
    rules.updateDirective(signDirective(makeDirective()), startMs)
    expectCode('metadata-expired', () => rules.updateDirective(signDirective(expired()), bootedIn1970))
  })

  it('with expired root metadata fails: no directive is accepted under it', () => {
    const rules = rulesOf(joined(makeRoot({ expiresMs: startMs })))
    expectCode('metadata-expired', () => rules.updateDirective(signDirective(makeDirective()), startMs))
  })

  it('with newer root metadata that has expired too fails', () => {
    const stale = makeRoot({ version: 2, expiresMs: startMs - dayMs })
    expectCode('metadata-expired', () => rulesOf().updateRoot([signRoot(stale)], startMs))
  })

  it('never stops what runs: the directive that is held stays', () => {
    const rules = rulesOf()
    const envelope = signDirective(makeDirective())
    rules.updateDirective(envelope, startMs)
    const later = startMs + 5_000 * dayMs
    expect(rulesOf(rules.snapshot).directive?.version).toBe(1)
    expect(rules.updateDirective(envelope, later).version).toBe(1)
  })
})
