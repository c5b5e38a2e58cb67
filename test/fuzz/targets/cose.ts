import { toHex } from '@hypha/core/bytes/text.ts'
import {
  addSignature,
  type EnvelopeKind,
  mergeSignatures,
  openEnvelope,
  verifyThreshold,
} from '@hypha/core/trust/cose.ts'
import type { Role } from '@hypha/core/trust/root.ts'
import {
  crypto,
  keys,
  makeDirective,
  makeRelease,
  makeRoot,
  signDirective,
  signRelease,
  signRoot,
  thief,
} from '../../support/signed.ts'
import { insist, outcome, reads, type Target } from '../target.ts'

/** Bytes that are accepted carry a payload that was signed: no mutation ever makes another. */
function coseTarget(kind: EnvelopeKind, role: Role, seeds: readonly Uint8Array[]): Target {
  const maxBytes = 60_000
  const open = (input: Uint8Array) => openEnvelope(input, kind, maxBytes)
  return {
    name: `cose-${kind}`,
    about: `a signed ${kind}: form and signatures`,
    short: 1_000,
    prepare() {
      const signed = new Set(seeds.map((seed) => toHex(open(seed).unverifiedPayload)))
      return {
        seeds,
        run(input) {
          const added = reads(() => addSignature(input, kind, thief, maxBytes))
          const merged = reads(() => mergeSignatures(seeds[0]!, input, { kind, role, maxBytes, crypto }))
          const result = reads(() => verifyThreshold(open(input), kind, role, kind, crypto))
          if ('value' in merged) reads(() => verifyThreshold(open(merged.value), kind, role, kind, crypto))
          if ('value' in added) open(added.value)
          if ('value' in result) insist(signed.has(toHex(result.value)), 'a payload was accepted that nobody signed')
          return outcome(result)
        },
      }
    },
  }
}

const roleOf = (...by: (typeof thief)[]): Role => ({ threshold: by.length, keys: by.map((each) => each.publicKey) })

export const coseTargets: readonly Target[] = [
  coseTarget('root', roleOf(keys.root, keys.root2), [
    signRoot(makeRoot(), [keys.root, keys.root2]),
    signRoot(makeRoot(), [keys.root, keys.root2, thief]),
  ]),
  coseTarget('release', roleOf(keys.release), [signRelease(makeRelease()), signRelease(makeRelease({ number: 2 }))]),
  coseTarget('directive', roleOf(keys.gateway), [
    signDirective(makeDirective()),
    signDirective(makeDirective({ leave: true })),
  ]),
]
