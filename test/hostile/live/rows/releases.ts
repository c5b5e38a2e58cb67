import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import { decodeCbor, encodeCbor } from '@hypha/core/bytes/cbor.ts'
import { toHex } from '@hypha/core/bytes/text.ts'
import { signMany, signOne } from '@hypha/core/trust/cose.ts'
import {
  type Content,
  type DirectiveInstance,
  directive,
  type Link,
  type Section,
} from '@hypha/core/trust/directive.ts'
import { eventually } from '../../../../examples/demo/processes.ts'
import { type Signed, sha256, whole } from '../forge.ts'
import { type Row, words } from '../row.ts'
import type { Victim } from '../victim.ts'

// The attacker has the CA's key and the gateway's: the node follows his directives. What it must not do is run anything that the release role didn't sign.

type NodeRow = Omit<Row<Victim>, 'at'>

/** A release, and a section that asks for it as a gateway would, but for `changes`; all that it needs comes with the directive. */
const release = (
  name: string,
  sent: string,
  code: string,
  make: (victim: Victim) => Signed,
  changes: (victim: Victim, signed: Signed) => Partial<Section> = () => ({}),
  threats: readonly string[] = [],
): NodeRow => ({
  name,
  sent,
  code,
  threats,
  run(victim) {
    const signed = make(victim)
    const section = victim.forge.section(signed, changes(victim, signed))
    return victim.sectionRefusal(section, [signed.envelope, victim.forge.core, foreign])
  },
})

/** The author's own release for another app: it is signed, and may run where it is asked for rightly. */
const second = ({ forge }: Victim): Signed => forge.spyware([forge.release])

const withInstance = (
  victim: Victim,
  signed: Signed,
  changes: (instance: DirectiveInstance) => Partial<DirectiveInstance>,
) => {
  const [instance] = victim.forge.section(signed).instances
  return { instances: [{ ...instance!, ...changes(instance!) }] }
}

const toHost = (name: string): Link => ({ interface: name, provider: { kind: 'host' } })

const foreign = new TextEncoder().encode('\0asm\x01\0\0\0 what nobody has signed')

const rows: NodeRow[] = [
  release(
    'arbitrary/release-by-stranger',
    "spyware by a stranger's key, gateway key stolen",
    'threshold-not-met',
    ({ forge }) => forge.spyware([forge.stranger]),
    undefined,
    ['THREAT.IMG.NON_AUTH', 'THREAT.MFST.OVERRIDE'],
  ),
  release(
    'arbitrary/release-altered',
    'a genuine release altered after it was signed',
    'signature-invalid',
    (victim) => {
      const signed = second(victim)
      const envelope = Uint8Array.from(signed.envelope)
      envelope[Buffer.from(envelope).indexOf('666')]! ^= 1
      const payload = Uint8Array.from(signed.payload)
      payload[Buffer.from(payload).indexOf('666')]! ^= 1
      return { ...signed, payload, envelope }
    },
    undefined,
    ['THREAT.IMG.NON_AUTH', 'THREAT.MFST.OVERRIDE'],
  ),
  {
    name: 'arbitrary/other-bytes',
    sent: "other bytes in a signed content's place",
    code: 'content-mismatch',
    threats: ['THREAT.IMG.NON_AUTH', 'THREAT.NET.REDIRECT', 'THREAT.IMG.EXTRA'],
    run: (victim) => compressed(victim, (core) => core.map((byte, at) => (at === core.length - 1 ? byte ^ 1 : byte))),
  },
  {
    name: 'arbitrary/forged-chunk',
    sent: "a chunk of the attacker's own, then the signed one",
    code: words.passedOver,
    threats: ['THREAT.IMG.NON_AUTH', 'THREAT.NET.ONPATH'],
    async run(victim) {
      const { section, digest, core } = unheard(victim)
      await untilAsked(victim, digest)
      await victim.evil.sendChunk(digest, 0, new Uint8Array(core.length))
      // It is asked for anew; that the forged one came shows in it.
      await untilAsked(victim, digest, 2)
      await victim.evil.sendChunk(digest, 0, core)
      return await passedOver(victim, section)
    },
  },
  {
    name: 'arbitrary/forged-chunks',
    sent: "nothing but chunks of the attacker's own",
    code: 'content-mismatch',
    threats: ['THREAT.IMG.NON_AUTH', 'THREAT.NET.ONPATH'],
    async run(victim) {
      const { section, digest, core } = unheard(victim)
      for (let attempt = 1; attempt <= 3; attempt++) {
        await untilAsked(victim, digest, attempt)
        await victim.evil.sendChunk(digest, 0, new Uint8Array(core.length).fill(attempt))
      }
      return await victim.sectionRefusalOf(section)
    },
  },

  {
    name: 'endless/brotli-bomb',
    sent: '16 MiB of zeros in a few bytes of brotli',
    code: 'bytes-too-long',
    run: (victim) => compressed(victim, () => new Uint8Array(16 * 1024 * 1024)),
  },
  {
    name: 'endless/chunk-over-size',
    sent: 'a chunk longer than its content, and one beyond it',
    code: words.passedOver,
    threats: ['THREAT.IMG.EXTRA'],
    async run(victim) {
      const { section, digest, core } = unheard(victim)
      await untilAsked(victim, digest)
      const send = async () => {
        await victim.evil.sendChunk(digest, 0, new Uint8Array(core.length + 1))
        await victim.evil.sendChunk(digest, 1, core)
        // What was too long is as if it had never come: the genuine chunk still finds its place.
        await victim.evil.sendChunk(digest, 0, core)
      }
      const timer = setInterval(() => void send(), 20)
      const answer = await passedOver(victim, section)
      clearInterval(timer)
      return answer
    },
  },

  release(
    'extraneous/content',
    'a content that no release lists, beside those that do',
    'content-unlisted',
    second,
    (victim, signed) => ({ contents: [...victim.forge.section(signed).contents, whole(foreign)] }),
    ['THREAT.IMG.NON_AUTH', 'THREAT.MFST.OVERRIDE'],
  ),
  release(
    'extraneous/module',
    'an instance of a module that the release lacks',
    'content-unlisted',
    second,
    (victim, signed) => withInstance(victim, signed, () => ({ module: 'spy' })),
    ['THREAT.MFST.OVERRIDE'],
  ),
  release(
    'extraneous/link',
    'a link to an interface that the module lacks',
    'link-invalid',
    second,
    (victim, signed) =>
      withInstance(victim, signed, ({ links }) => ({ links: [...links, toHost('hypha:host/actuator@0.1.0')] })),
    ['THREAT.MFST.OVERRIDE'],
  ),
  release(
    'extraneous/module-for-host',
    "a module in the place of the node's own interface",
    'link-invalid',
    second,
    (victim, signed) =>
      withInstance(victim, signed, ({ links }) => ({
        links: links.map((link) => ({
          ...link,
          provider: { kind: 'instance' as const, node: 'pi-3', module: 'tick', home: null },
        })),
      })),
    ['THREAT.MFST.OVERRIDE'],
  ),

  release(
    'mix-and-match/release-and-envelope',
    "one release's digest with another's envelope",
    'digest-mismatch',
    second,
    () => ({ release: sha256(foreign) }),
    ['THREAT.MFST.OVERRIDE'],
  ),
  release('mix-and-match/size', 'a signed content with another size', 'size-mismatch', second, (victim, signed) => ({
    contents: victim.forge.section(signed).contents.map((content) => grown(victim, content)),
  })),
  release(
    'mix-and-match/unlinked',
    'a module without a link that it imports',
    'import-not-linked',
    second,
    (victim, signed) => withInstance(victim, signed, () => ({ links: [] })),
  ),
  release(
    'mix-and-match/missing-content',
    'a release without the content that it runs',
    'content-missing',
    second,
    (_victim, { envelope }) => ({ contents: [whole(envelope)] }),
  ),
  release(
    'mix-and-match/module-twice',
    'a signed release with two modules of one name',
    'metadata-invalid',
    ({ forge }) => {
      const [module] = forge.genuine.get(3)!.release.modules
      return forge.spyware([forge.release], { modules: [module!, module!] })
    },
  ),
  release(
    'mix-and-match/patch',
    "a patch for what the node doesn't hold",
    'content-mismatch',
    second,
    (victim, signed) => ({
      contents: victim.forge.section(signed).contents.map((content) => ({
        ...content,
        transfer: { ...content.transfer, base: sha256(foreign) },
      })),
    }),
    ['THREAT.UPD.WRONG_PRECURSOR'],
  ),
  release(
    'mix-and-match/identity-of-another',
    'a plain transfer of another digest',
    'content-mismatch',
    second,
    (victim, signed) => ({
      contents: victim.forge.section(signed).contents.map((content) => ({
        ...content,
        transfer: { ...content.transfer, digest: sha256(foreign) },
      })),
    }),
    ['THREAT.IMG.FORMAT'],
  ),
  release(
    'mix-and-match/setting-of-another',
    'a secret that is sealed to another node',
    'setting-sealed-wrong',
    second,
    (victim, signed) =>
      withInstance(victim, signed, () => ({
        config: {
          secret: { kind: 'sealed', senderKey: new Uint8Array(32).fill(9), nonce: new Uint8Array(24), box: foreign },
        },
      })),
    ['THREAT.MFST.EXPOSURE'],
  ),

  release(
    'rollback/below-floor',
    "release 1, below the author's floor of 2",
    'release-below-floor',
    ({ forge }) => forge.genuine.get(1)!,
    (victim) => ({ epoch: victim.epoch + 1 }),
    ['THREAT.IMG.EXPIRED'],
  ),
  {
    name: 'rollback/floor-lowered-first',
    sent: 'a signed release 4 with floor 0, then release 1',
    code: 'release-below-floor',
    threats: ['THREAT.IMG.EXPIRED', 'THREAT.KEY.EXPOSURE'],
    async run(victim) {
      const { forge } = victim
      const lower = forge.signRelease({ number: 4, floor: 0 })
      if ((await victim.sectionRefusal(following(victim, lower), [lower.envelope, forge.core])) !== null) {
        throw new Error('release 4 was refused')
      }
      const old = forge.genuine.get(1)!
      return await victim.sectionRefusal(following(victim, old), [old.envelope, forge.core])
    },
  },

  release(
    'wrong/release-of-other-fleet',
    'a release of another fleet, same release key',
    'wrong-fleet',
    ({ forge }) => forge.spyware([forge.release], { fleet: 'orchard' }),
    undefined,
    ['THREAT.IMG.INCOMPATIBLE', 'THREAT.UPD.UNAPPROVED'],
  ),
  release('wrong/app', "one app's release under another's name", 'wrong-app', second, () => ({ app: 'watcher' }), [
    'THREAT.IMG.LOCATION',
    'THREAT.IMG.INCOMPATIBLE',
  ]),
  release(
    'wrong/form',
    'a form that the release lacks',
    'content-unlisted',
    (victim) => {
      const [module] = victim.forge.genuine.get(3)!.release.modules
      return victim.forge.spyware([victim.forge.release], { modules: [{ ...module!, core: null }] })
    },
    undefined,
    ['THREAT.IMG.FORMAT'],
  ),
  release(
    'wrong/kind',
    'a root envelope in the place of a release',
    'envelope-kind',
    (victim) => {
      const signed = second(victim)
      return { ...signed, envelope: victim.rootAsRelease(signed.payload) }
    },
    undefined,
    ['THREAT.IMG.FORMAT'],
  ),

  release(
    'key-compromise/gateway-key-releases',
    'spyware signed by the stolen gateway key',
    'threshold-not-met',
    ({ forge }) => forge.spyware([forge.gateway]),
    undefined,
    ['THREAT.KEY.EXPOSURE'],
  ),
  release(
    'key-compromise/root-key-releases',
    'spyware signed by the stolen root key',
    'threshold-not-met',
    ({ forge }) => forge.spyware([forge.root]),
    undefined,
    ['THREAT.KEY.EXPOSURE'],
  ),
  {
    name: 'side-door/command-in-directive',
    sent: 'a command for a sensor, in a directive',
    code: words.passedOver,
    threats: ['THREAT.KEY.EXPOSURE'],
    run: (victim) => {
      const signed = second(victim)
      const section = victim.forge.section(signed)
      const asked = victim.next({ sections: [victim.section(), section] })
      const item = decodeCbor(directive.encode(asked), 'directive') as Map<number, unknown>
      const payload = encodeCbor(withCommands(victim, item))
      return bindsNothing(victim, section, signOne(payload, 'directive', victim.forge.gateway), signed.envelope)
    },
  },
  {
    name: 'side-door/command-in-release',
    sent: 'a command for a sensor, in a signed release',
    code: words.passedOver,
    run: (victim) => {
      const signed = second(victim)
      const item = decodeCbor(signed.payload, 'release') as Map<number, unknown>
      const payload = encodeCbor(withCommands(victim, item))
      const envelope = signMany(payload, 'release', [victim.forge.release])
      const section = victim.forge.section({ ...signed, payload, envelope })
      const asked = victim.next({ sections: [victim.section(), section] })
      return bindsNothing(victim, section, victim.forge.signDirective(asked, victim.gatewayKey), envelope)
    },
  },
  release(
    'side-door/network',
    'a link of a module to the network that it lacks',
    'link-invalid',
    second,
    (victim, signed) =>
      withInstance(victim, signed, ({ links }) => ({ links: [...links, toHost('hypha:host/http@0.1.0')] })),
  ),
]

/** The section of a newer epoch of the same app. */
const following = (victim: Victim, signed: Signed): Section => victim.forge.section(signed, { epoch: victim.epoch + 1 })

/** A signed section for another app whose core form the node hasn't seen: it has to be sent. */
function unheard(victim: Victim): { section: Section; digest: string; core: Uint8Array; signed: Signed } {
  const core = new Uint8Array([
    ...victim.forge.core,
    0,
    5,
    4,
    ...crypto.getRandomValues(new Uint8Array(4)).map((byte) => byte & 0x7f),
  ])
  core.set([0, 5, 1, 0x78], victim.forge.core.length)
  const [module] = victim.forge.genuine.get(3)!.release.modules
  const modules = [{ ...module!, core: { digest: sha256(core), size: core.length } }]
  const signed = victim.forge.spyware([victim.forge.release], { modules })
  const section = victim.forge.section(signed, { contents: [whole(signed.envelope), whole(core)] })
  victim.evil.sendDirective(victim.forge.signDirective(victim.next({ sections: [victim.section(), section] })), [
    signed.envelope,
  ])
  victim.version++
  return { section, digest: toHex(sha256(core)), core, signed }
}

const marker = (victim: Victim): string => join(victim.folder, 'owned')

/** Of a release's module: its world is written in a way of its own. */
const [worldKey, specKey] = [4, 7]

/** A command wherever one could be read: no message has a place for it, and what a message has no place for is passed over. */
function withCommands(victim: Victim, item: unknown, isWorld = false): unknown {
  if (isWorld) return item
  if (Array.isArray(item)) return item.map((each) => withCommands(victim, each))
  if (!(item instanceof Map)) return item
  const isModule = item.has(worldKey) && item.get(specKey) instanceof Map
  const inner = new Map<unknown, unknown>(
    [...item].map(([key, value]) => [key, withCommands(victim, value, isModule && key === worldKey)]),
  )
  // A dictionary is no record.
  if (![...inner.keys()].some((key) => typeof key === 'number')) return inner
  const argv = ['/bin/sh', '-c', `touch ${marker(victim)}`]
  return inner.set(99, new Map([['sensors', new Map([['door', new Map<string, unknown>([['argv', argv]])]])]]))
}

/** Whether it is followed as if the commands weren't in it: the node has no sensor or actuator but those of its own file, and nothing was started. */
async function bindsNothing(
  victim: Victim,
  section: Section,
  envelope: Uint8Array,
  release: Uint8Array,
): Promise<string | null> {
  victim.evil.sendDirective(envelope, [release, victim.forge.core])
  victim.version++
  const answer = await passedOver(victim, section)
  const { sensors, actuators } = victim.evil.state!.inventory
  return sensors.length + actuators.length === 0 && !existsSync(marker(victim)) ? answer : null
}

async function untilAsked(victim: Victim, digest: string, times = 1): Promise<void> {
  const asked = () => victim.evil.wants.filter((want) => toHex(want.digest) === digest).length >= times
  await eventually('the node to ask for a content', () => asked() || undefined, victim.patienceMs)
}

/** Whether the section runs all the same, with what is signed. */
async function passedOver(victim: Victim, section: Section): Promise<string | null> {
  return await victim.evil.stateThat((state) => {
    const found = state.sections.find((each) => each.app === section.app)
    if (found?.status === 'refused') return found.code ?? undefined
    return found?.status === 'trial' || found?.status === 'confirmed' ? words.passedOver : undefined
  }, victim.patienceMs)
}

/** A signed content whose transfer is brotli of something else. */
async function compressed(victim: Victim, forge: (core: Uint8Array) => Uint8Array): Promise<string | null> {
  const core = new Uint8Array([...victim.forge.core, 0, 2, 1, 0x79])
  const bytes = new Uint8Array(brotliCompressSync(forge(core), { params: { [constants.BROTLI_PARAM_QUALITY]: 2 } }))
  const [module] = victim.forge.genuine.get(3)!.release.modules
  const modules = [{ ...module!, core: { digest: sha256(core), size: core.length } }]
  const signed = victim.forge.spyware([victim.forge.release], { modules })
  const content: Content = {
    digest: sha256(core),
    size: core.length,
    transfer: { encoding: 'brotli', base: null, via: null, digest: sha256(bytes), size: bytes.length },
  }
  const section = victim.forge.section(signed, { contents: [whole(signed.envelope), content] })
  return await victim.sectionRefusal(section, [signed.envelope, bytes])
}

/** The core form, which the node holds already, under another size. */
function grown(victim: Victim, content: Content): Content {
  const size = content.size + 1
  const isCore = toHex(content.digest) === toHex(sha256(victim.forge.core))
  return isCore ? { ...content, size, transfer: { ...content.transfer, size } } : content
}

export const releaseRows: readonly Row<Victim>[] = rows.map((row) => ({ ...row, at: 'node' }))
