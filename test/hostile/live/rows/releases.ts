import { toHex } from '@hypha/core/bytes/text.ts'
import type { Content, DirectiveInstance, Link, Section } from '@hypha/core/trust/directive.ts'
import { type Signed, sha256, whole } from '../forge.ts'
import type { Row } from '../row.ts'
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

/** The core form, which the node holds already, under another size. */
function grown(victim: Victim, content: Content): Content {
  const size = content.size + 1
  const isCore = toHex(content.digest) === toHex(sha256(victim.forge.core))
  return isCore ? { ...content, size, transfer: { ...content.transfer, size } } : content
}

export const releaseRows: readonly Row<Victim>[] = rows.map((row) => ({ ...row, at: 'node' }))
