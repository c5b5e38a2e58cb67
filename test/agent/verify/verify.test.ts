import { decodeCbor, encodeCbor } from '@hypha/core/bytes/cbor.ts'
import { toHex, toUtf8 } from '@hypha/core/bytes/text.ts'
import { signMany } from '@hypha/core/trust/cose.ts'
import type { DirectiveInstance, Section } from '@hypha/core/trust/directive.ts'
import { type Release, release } from '@hypha/core/trust/release.ts'
import { makeBoxKeys, seal } from '@hypha/core/trust/seal.ts'
import { describe, expect, it } from 'vitest'
import { openWith, runnable } from '../../../agent/verify/runnable.ts'
import { type VerifiedRelease, Verifier } from '../../../agent/verify/verifier.ts'
import {
  artifactBytes,
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
  signDirective,
  signRelease,
  signRoot,
  startMs,
} from '../../support/signed.ts'

const boxKeys = makeBoxKeys(crypto)
const open = openWith(boxKeys.secretKey)

const sensor = { name: 'hypha:host/sensor@0.1.0', funcs: [] }
const alarm = { name: 'greenhouse:app/alarm@0.1.0', funcs: [] }
const hostLink = { interface: sensor.name, provider: { kind: 'host' as const } }
const alarmLink = (node: string, module = 'alarm') => ({
  interface: alarm.name,
  provider: { kind: 'instance' as const, node, module, home: null },
})

/** A release of two modules: the sampler reads a sensor and calls the alarm. */
const linked = makeRelease({
  modules: [
    makeModule({ world: { imports: [alarm, sensor], exports: [] } }),
    makeModule({ name: 'alarm', world: { imports: [], exports: [alarm] } }),
  ],
})

const samplerOf = (changes: Partial<DirectiveInstance> = {}): DirectiveInstance => ({
  module: 'sampler',
  home: 'pi-7',
  form: 'core',
  links: [hostLink, alarmLink('pi-7')],
  config: {},
  ...changes,
})
const alarmInstance = samplerOf({ module: 'alarm', home: null, links: [] })

function setUp(release: Release, changes: Partial<Section> = {}) {
  const envelope = signRelease(release)
  const section = makeSection(release, envelope, changes)
  const store = new Map([envelope, artifactBytes].map((bytes) => [toHex(crypto.sha256(bytes)), bytes as Uint8Array]))
  const contentOf = (digest: Uint8Array) => store.get(toHex(digest)) ?? null
  const verifier = new Verifier({ snapshot: joined(), crypto, nowMs: () => startMs })
  const { directive } = verifier.verifyDirective(signDirective(makeDirective({ sections: [section] })))
  const verify = () => verifier.verifyRelease(directive.sections[0]!, contentOf)
  return { verifier, store, contentOf, verify, run: () => runnable(verify(), contentOf, open, crypto) }
}

const withInstances = (...instances: DirectiveInstance[]) => setUp(linked, { instances })

describe('A verified section', () => {
  it('becomes modules and instances that can be run', () => {
    const section = withInstances(samplerOf(), alarmInstance).run()
    expect(section).toMatchObject({ app: 'greenhouse', epoch: 1, releaseNumber: 1 })
    expect([...section.modules.keys()]).toEqual(['sampler', 'alarm'])
    expect(section.modules.get('sampler')).toMatchObject({ form: 'core', bytes: artifactBytes, timerMs: 1_000 })
    expect(section.instances[0]!.links.get(sensor.name)).toEqual({ kind: 'host' })
    expect(section.instances[0]!.links.get(alarm.name)).toMatchObject({
      kind: 'instance',
      node: 'pi-7',
      module: 'alarm',
    })
  })

  it('is refused when a content is not there', () => {
    const { store, verify } = setUp(makeRelease())
    store.delete(toHex(crypto.sha256(artifactBytes)))
    expectCode('content-missing', verify)
  })

  it('is refused when its content was changed after it was verified', () => {
    const { store, contentOf, verify } = setUp(makeRelease())
    const verified = verify()
    store.set(toHex(crypto.sha256(artifactBytes)), Uint8Array.of(1, 2, 3))
    expectCode('digest-mismatch', () => runnable(verified, contentOf, open, crypto))
  })

  it('is refused once a newer directive asks for something else', () => {
    const { verifier, contentOf } = setUp(makeRelease())
    const old = verifier.held!.directive.sections[0]!
    const next = makeDirective({ version: 2, sections: [{ ...old, epoch: 2 }] })
    verifier.verifyDirective(signDirective(next))
    expectCode('section-superseded', () => verifier.verifyRelease(old, contentOf))
  })

  it("can't be made by a cast", () => {
    const { verify, contentOf } = setUp(makeRelease())
    const forged = { ...verify() } as VerifiedRelease
    expectCode('internal', () => runnable(forged, contentOf, open, crypto))
  })

  it('starts again from its record, whatever directive is held by then and however late it is', () => {
    const { verifier, contentOf, verify } = setUp(makeRelease())
    const verified = verify()
    const record = verifier.recordOf(verified)
    verifier.verifyDirective(signDirective(makeDirective({ version: 2, sections: [] })))
    const later = new Verifier({ snapshot: verifier.snapshot, crypto, nowMs: () => startMs + 5_000 * dayMs })
    expect(later.held!.directive.version).toBe(2)
    const reopened = later.reopen(record, contentOf)
    expect(reopened).toEqual(verified)
    expect(runnable(reopened, contentOf, open, crypto).releaseNumber).toBe(1)
  })

  it('is kept with the bytes that were signed, also where they hold more than this version knows', () => {
    const known = makeRelease()
    const item = decodeCbor(release.encode(known), 'release') as Map<number, unknown>
    const payload = encodeCbor(new Map([...item, [99, 'of a later version']]))
    const envelope = signMany(payload, 'release', [keys.release])
    const section = makeSection(known, envelope, { release: crypto.sha256(payload) })
    const store = new Map([envelope, artifactBytes].map((bytes) => [toHex(crypto.sha256(bytes)), bytes as Uint8Array]))
    const contentOf = (digest: Uint8Array) => store.get(toHex(digest)) ?? null
    const verifier = new Verifier({ snapshot: joined(), crypto, nowMs: () => startMs })
    const { directive } = verifier.verifyDirective(signDirective(makeDirective({ sections: [section] })))
    const verified = verifier.verifyRelease(directive.sections[0]!, contentOf)
    expect(verifier.reopen(verifier.recordOf(verified), contentOf)).toEqual(verified)
  })

  it('does not start from a record whose contents have rotted', () => {
    const { verifier, store, contentOf, verify } = setUp(makeRelease())
    const record = verifier.recordOf(verify())
    store.set(toHex(crypto.sha256(artifactBytes)), Uint8Array.of(0))
    expectCode('digest-mismatch', () => verifier.reopen(record, contentOf))
  })
})

describe('The links of an instance', () => {
  it('are refused where an import is not linked', () => {
    const { run } = withInstances(samplerOf({ links: [hostLink] }), alarmInstance)
    expectCode('import-not-linked', run)
  })

  it.each([
    [
      'link something that is not imported',
      [hostLink, alarmLink('pi-7'), { ...hostLink, interface: 'hypha:host/http@0.1.0' }],
    ],
    ['let a module stand in for the node', [{ ...alarmLink('pi-7'), interface: sensor.name }, alarmLink('pi-7')]],
    ['let the node stand in for a module', [hostLink, { interface: alarm.name, provider: { kind: 'host' as const } }]],
    ['name a module that does not export the interface', [hostLink, alarmLink('pi-7', 'sampler')]],
    ['name a module that the release has not', [hostLink, alarmLink('pi-8', 'spy')]],
  ])('are refused where they %s', (_, links) => {
    expectCode('link-invalid', withInstances(samplerOf({ links }), alarmInstance).run)
  })

  it('are refused where they lead to an instance that should run here and does not', () => {
    expectCode('link-invalid', withInstances(samplerOf()).run)
  })

  it('may lead to an instance on another node', () => {
    const section = withInstances(samplerOf({ links: [hostLink, alarmLink('edge')] })).run()
    expect(section.instances[0]!.links.get(alarm.name)).toMatchObject({ node: 'edge' })
  })

  it('are refused where one module is to run in two forms', () => {
    const two = [
      samplerOf({ module: 'alarm', links: [] }),
      samplerOf({ module: 'alarm', links: [], home: null, form: 'component' }),
    ]
    // Both forms of this release are the same bytes: only the directive contradicts itself.
    const [alarmModule] = linked.modules.slice(1)
    const release = makeRelease({ modules: [{ ...alarmModule!, component: alarmModule!.core! }] })
    expectCode('metadata-invalid', setUp(release, { instances: two }).run)
  })
})

describe('The settings of an instance', () => {
  const release = makeRelease({
    modules: [makeModule({ spec: { ...makeModule().spec, config: { unit: 'C', limit: '30' } } })],
  })
  const configured = (config: DirectiveInstance['config']) =>
    setUp(release, { instances: [samplerOf({ links: [], config })] })

  it("are the release's, overridden by the directive's, with secrets opened", () => {
    const secret = { kind: 'sealed' as const, ...seal(toUtf8('hunter2'), boxKeys.publicKey, crypto) }
    const section = configured({ limit: { kind: 'plain', value: '35' }, token: secret }).run()
    expect(section.instances[0]!.config).toEqual({ unit: 'C', limit: '35', token: 'hunter2' })
  })

  it('are refused with a secret that was sealed to another node', () => {
    const other = makeBoxKeys(crypto)
    const secret = { kind: 'sealed' as const, ...seal(toUtf8('hunter2'), other.publicKey, crypto) }
    expectCode('setting-sealed-wrong', configured({ token: secret }).run)
  })
})

describe('A chain of root metadata', () => {
  const verifier = () => new Verifier({ snapshot: joined(), crypto, nowMs: () => startMs })
  const replaced = { threshold: 1, keys: [keys.root2.publicKey] }
  const chain = [
    signRoot(makeRoot()),
    signRoot(makeRoot({ version: 2, expiresMs: startMs - 1 })),
    signRoot(makeRoot({ version: 3, root: replaced }), [keys.root, keys.root2]),
    signRoot(makeRoot({ version: 4, root: replaced }), [keys.root2]),
  ]

  it.each([
    ['from its beginning', 0],
    ['from the one after it', 1],
  ])('is followed to its end when it comes %s', (_, from) => {
    const node = verifier()
    expect(node.followRoot(chain.slice(from))).toBe(true)
    expect(node.root.version).toBe(4)
    expect(node.followRoot(chain)).toBe(false)
    expect(node.followRoot(chain.slice(3))).toBe(false)
  })

  it.each([
    ['begins too late', chain.slice(2), 'version 1 is held: 2 comes between'],
    ['is empty', [], 'nothing; version 1 is held'],
  ])('is refused with words that say why when it %s', (_, given, text) => {
    const node = verifier()
    expectCode('root-version', () => node.followRoot(given))
    expect(() => node.followRoot(given)).toThrow(text)
    expect(node.snapshot).toEqual(joined())
  })

  it('is refused when it ends before what is held', () => {
    const node = verifier()
    node.followRoot(chain)
    expectCode('root-version', () => node.followRoot(chain.slice(0, 2)))
    expect(node.root.version).toBe(4)
  })

  it('is refused as a whole when one in it is not signed by the one before', () => {
    const node = verifier()
    const stolen = signRoot(makeRoot({ version: 3, root: replaced }), [keys.root2])
    expectCode('threshold-not-met', () => node.followRoot([...chain.slice(0, 2), stolen]))
    expect(node.snapshot).toEqual(joined())
  })
})
