import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { TrustRules } from '@hypha/core/trust/rules.ts'
import { trustSnapshot } from '@hypha/core/trust/snapshot.ts'
import { describe, expect, it } from 'vitest'
import {
  artifact,
  artifactBytes,
  componentBytes,
  crypto,
  dayMs,
  expectCode,
  joined,
  keys,
  makeDirective,
  makeModule,
  makeRelease,
  makeRoot,
  makeSection,
  rulesOf,
  signDirective,
  signer,
  signRelease,
  signRoot,
  startMs,
} from '../../support/signed.ts'

const digest = crypto.sha256(artifactBytes)

describe('The order of the checks of trust', () => {
  it('leads from root metadata over a directive, a release and its contents to a section that may run', () => {
    const rules = rulesOf()
    rules.updateDirective(signDirective(makeDirective()), startMs)
    rules.acceptRelease('greenhouse', signRelease(makeRelease()))
    rules.acceptContent('greenhouse', digest, artifactBytes)
    const { section, release } = rules.complete('greenhouse')
    expect(section).toEqual(makeDirective().sections[0])
    expect(release).toEqual(makeRelease())
  })

  it('throws when a release comes before a directive', () => {
    expectCode('rules-order', () => rulesOf().acceptRelease('greenhouse', signRelease(makeRelease())))
  })

  it('throws when a content comes before its release', () => {
    const rules = rulesOf()
    rules.updateDirective(signDirective(makeDirective()), startMs)
    expectCode('rules-order', () => rules.acceptContent('greenhouse', digest, artifactBytes))
  })

  it('throws when a section is taken before its release, or before all its contents', () => {
    const rules = rulesOf()
    rules.updateDirective(signDirective(makeDirective()), startMs)
    expectCode('rules-order', () => rules.complete('greenhouse'))
    rules.acceptRelease('greenhouse', signRelease(makeRelease()))
    expectCode('rules-order', () => rules.complete('greenhouse'))
  })

  it('throws for an app that the directive has no section for', () => {
    const rules = rulesOf()
    rules.updateDirective(signDirective(makeDirective()), startMs)
    expectCode('rules-order', () => rules.acceptRelease('cellar', signRelease(makeRelease())))
  })

  it('begins again with each directive', () => {
    const rules = rulesOf()
    rules.updateDirective(signDirective(makeDirective()), startMs)
    rules.acceptRelease('greenhouse', signRelease(makeRelease()))
    rules.updateDirective(signDirective(makeDirective({ version: 2 })), startMs)
    expectCode('rules-order', () => rules.acceptContent('greenhouse', digest, artifactBytes))
  })

  it('begins again when the release role changes', () => {
    const rules = rulesOf()
    rules.updateDirective(signDirective(makeDirective()), startMs)
    rules.acceptRelease('greenhouse', signRelease(makeRelease()))
    rules.updateRoot(
      [signRoot(makeRoot({ version: 2, release: { threshold: 1, keys: [keys.release2.publicKey] } }))],
      startMs,
    )
    expectCode('rules-order', () => rules.acceptContent('greenhouse', digest, artifactBytes))
    expectCode('threshold-not-met', () => rules.acceptRelease('greenhouse', signRelease(makeRelease())))
  })
})

describe('Root metadata', () => {
  const both = { threshold: 1, keys: [keys.root2.publicKey] }

  it('is followed when the old threshold and the new one have signed', () => {
    const rules = rulesOf()
    rules.updateRoot([signRoot(makeRoot({ version: 2, root: both }), [keys.root, keys.root2])], startMs)
    expect(rules.root.version).toBe(2)
  })

  it('is refused without the signature of the root before', () => {
    expectCode('threshold-not-met', () =>
      rulesOf().updateRoot([signRoot(makeRoot({ version: 2, root: both }), [keys.root2])], startMs),
    )
  })

  it('is refused without a signature of its own role', () => {
    expectCode('threshold-not-met', () =>
      rulesOf().updateRoot([signRoot(makeRoot({ version: 2, root: both }), [keys.root])], startMs),
    )
  })

  it('is refused when a version is left out', () => {
    expectCode('root-version', () => rulesOf().updateRoot([signRoot(makeRoot({ version: 3 }))], startMs))
  })

  it('is refused when its version is the same and its text is not', () => {
    expectCode('root-version', () => rulesOf().updateRoot([signRoot(makeRoot({ expiresMs: startMs }))], startMs))
  })

  it('that is held already is passed over', () => {
    const rules = rulesOf()
    rules.updateRoot([signRoot(makeRoot()), signRoot(makeRoot({ version: 2 }))], startMs)
    expect(rules.root.version).toBe(2)
  })

  it('may have expired where a newer version follows in the same chain', () => {
    const rules = rulesOf()
    const expired = signRoot(makeRoot({ version: 2, expiresMs: startMs }))
    rules.updateRoot([expired, signRoot(makeRoot({ version: 3 }))], startMs + dayMs)
    expect(rules.root.version).toBe(3)
  })

  it('changes nothing when a later version of its chain is refused', () => {
    const rules = rulesOf()
    expectCode('root-version', () =>
      rules.updateRoot([signRoot(makeRoot({ version: 2 })), signRoot(makeRoot({ version: 4 }))], startMs),
    )
    expect(rules.root.version).toBe(1)
  })

  it.each([
    ['a role asks for more keys than it has', { release: { threshold: 2, keys: [keys.release.publicKey] } }],
    ['a role lists a key twice', { release: { threshold: 2, keys: [keys.release.publicKey, keys.release.publicKey] } }],
    [
      'directives would need two signatures',
      { gateway: { threshold: 2, keys: [keys.gateway.publicKey, signer(9).publicKey] } },
    ],
    ['the gateway holds a release key', { gateway: { threshold: 1, keys: [keys.release.publicKey] } }],
    ['a key is of small order', { release: { threshold: 1, keys: [new Uint8Array(32)] } }],
  ])('is refused when %s', (_, changes) => {
    expectCode('root-unusable', () => rulesOf().updateRoot([signRoot(makeRoot({ version: 2, ...changes }))], startMs))
  })

  it('needs two signers where the threshold is two', () => {
    const root = { threshold: 2, keys: [keys.root.publicKey, keys.root2.publicKey] }
    const rules = rulesOf(joined(makeRoot({ root }), [keys.root, keys.root2]))
    const next = makeRoot({ root, version: 2 })
    expectCode('threshold-not-met', () => rules.updateRoot([signRoot(next)], startMs))
    rules.updateRoot([signRoot(next, [keys.root, keys.root2])], startMs)
    expect(rules.root.version).toBe(2)
  })
})

describe('A directive', () => {
  it('that is held is answered again, also after it expired', () => {
    const rules = rulesOf()
    const envelope = signDirective(makeDirective())
    const held = rules.updateDirective(envelope, startMs)
    expect(rules.updateDirective(envelope, startMs + 1_000 * dayMs)).toBe(held)
  })

  it('is refused when another one with its version is held', () => {
    const rules = rulesOf()
    rules.updateDirective(signDirective(makeDirective()), startMs)
    expectCode('directive-conflict', () =>
      rules.updateDirective(signDirective(makeDirective({ sections: [] })), startMs),
    )
  })

  it('is refused when it goes back to a release that was chosen earlier, whatever its version and its epochs', () => {
    const rules = rulesOf()
    const asking = (version: number, chosenMs: number | null) =>
      signDirective(
        makeDirective({ version, sections: [makeSection(makeRelease(), undefined, { epoch: version, chosenMs })] }),
      )
    rules.updateDirective(asking(1, null), startMs)
    rules.updateDirective(asking(2, 20), startMs)
    expectCode('directive-rollback', () => rules.updateDirective(asking(3, 10), startMs))
    expectCode('directive-rollback', () => rules.updateDirective(asking(3, null), startMs))
    rules.updateDirective(asking(3, 20), startMs)
    rules.updateDirective(asking(4, 30), startMs)
    expect(rules.directive!.version).toBe(4)
  })

  it('is refused when the epoch of an app falls, whatever its version', () => {
    const rules = rulesOf()
    const asking = (version: number, epoch: number) =>
      signDirective(makeDirective({ version, sections: [makeSection(makeRelease(), undefined, { epoch })] }))
    rules.updateDirective(asking(1, 5), startMs)
    expectCode('directive-rollback', () => rules.updateDirective(asking(2, 4), startMs))
    expect(rules.directive!.version).toBe(1)
    rules.updateDirective(asking(2, 5), startMs)
    rules.updateDirective(asking(3, 6), startMs)
    rules.updateDirective(signDirective(makeDirective({ version: 4, sections: [] })), startMs)
    expect(rules.directive!.version).toBe(4)
  })

  it.each([
    ['two sections of an app', { sections: [makeSection(makeRelease()), makeSection(makeRelease())] }],
    ['an end before its beginning', { expiresMs: startMs - 1 }],
    ['sections and the word to leave', { leave: true }],
  ])('is refused with %s', (_, changes) => {
    expectCode('metadata-invalid', () => rulesOf().updateDirective(signDirective(makeDirective(changes)), startMs))
  })

  it('is refused when one module has two instances with one home', () => {
    const section = makeSection(makeRelease())
    const [instance] = section.instances
    const twice = makeDirective({ sections: [{ ...section, instances: [instance!, instance!] }] })
    expectCode('metadata-invalid', () => rulesOf().updateDirective(signDirective(twice), startMs))
  })
})

describe('A section', () => {
  const accept = (section: Parameters<typeof makeSection>[2], value = makeRelease()) => {
    const rules = rulesOf()
    const envelope = signRelease(value)
    const sections = [makeSection(value, envelope, section)]
    rules.updateDirective(signDirective(makeDirective({ sections })), startMs)
    return rules.acceptRelease(value.app, envelope)
  }
  const listed = (bytes: Uint8Array) => ({
    ...artifact(bytes),
    transfer: { encoding: 'identity' as const, base: null, via: null, ...artifact(bytes) },
  })
  const instance = { module: 'sampler', home: null, form: 'core' as const, links: [], config: {} }

  it('is refused with a module that the release has not', () => {
    expectCode('content-unlisted', () => accept({ instances: [{ ...instance, module: 'spy' }] }))
  })

  it('is refused with a form that the module has not', () => {
    const value = makeRelease({ modules: [makeModule({ core: null })] })
    expectCode('content-unlisted', () => accept({ contents: [listed(componentBytes)] }, value))
  })

  it('is refused when it leaves out what an instance needs', () => {
    expectCode('content-missing', () => accept({ contents: [] }))
    expectCode('content-missing', () => accept({ contents: [listed(componentBytes)] }))
  })

  it('is refused with a content that the release has not signed', () => {
    expectCode('content-unlisted', () => accept({ contents: [listed(artifactBytes), listed(Uint8Array.of(1))] }))
  })

  it('is refused when it names another size than the release', () => {
    expectCode('size-mismatch', () => accept({ contents: [{ ...listed(artifactBytes), size: 9 }] }))
  })
})

describe('A release', () => {
  it('is refused above its own number of a floor', () => {
    const rules = rulesOf()
    const value = makeRelease({ number: 3, floor: 4 })
    rules.updateDirective(signDirective(makeDirective({ sections: [makeSection(value)] })), startMs)
    expectCode('metadata-invalid', () => rules.acceptRelease('greenhouse', signRelease(value)))
  })

  it('needs as many release keys as the root metadata says', () => {
    const two = { threshold: 2, keys: [keys.release.publicKey, keys.release2.publicKey] }
    const rules = rulesOf(joined(makeRoot({ release: two })))
    const signed = signRelease(makeRelease(), [keys.release, keys.release2])
    const alone = signRelease(makeRelease())
    rules.updateDirective(signDirective(makeDirective({ sections: [makeSection(makeRelease(), alone)] })), startMs)
    expectCode('threshold-not-met', () => rules.acceptRelease('greenhouse', alone))
    const next = makeDirective({ version: 2, sections: [makeSection(makeRelease(), signed)] })
    rules.updateDirective(signDirective(next), startMs)
    expect(rules.acceptRelease('greenhouse', signed).number).toBe(1)
  })
})

describe('What a node trusts', () => {
  it('comes back the same from its stored form, the directive that it holds with it', () => {
    const rules = rulesOf()
    const value = makeRelease({ number: 5, floor: 4 })
    const envelope = signDirective(makeDirective({ sections: [makeSection(value)] }))
    rules.updateDirective(envelope, startMs)
    rules.acceptRelease('greenhouse', signRelease(value))

    const stored = trustSnapshot.encode(rules.snapshot)
    const restored = new TrustRules(trustSnapshot.decode(stored), crypto)
    expect(restored.directive).toEqual(rules.directive)
    expect(restored.floor('greenhouse')).toBe(4)
    expect(bytesEqual(restored.snapshot.directive!, envelope)).toBe(true)
    expect(restored.timeMs(0)).toBe(startMs)
    // The app starts from what is on the disk, with no network and with any clock.
    expect(restored.acceptRelease('greenhouse', signRelease(value)).number).toBe(5)
  })

  it('keeps its directive when the gateway is given a second key', () => {
    const rules = rulesOf()
    rules.updateDirective(signDirective(makeDirective()), startMs)
    const gateway = { threshold: 1, keys: [keys.gateway.publicKey, signer(9).publicKey] }
    rules.updateRoot([signRoot(makeRoot({ version: 2, gateway }))], startMs)
    expect(rules.directive?.version).toBe(1)
  })
})
