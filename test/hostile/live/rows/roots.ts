import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { keyId, type Signer, signMany } from '@hypha/core/trust/cose.ts'
import { type RootMetadata, rootMetadata } from '@hypha/core/trust/root.ts'
import { ack } from '@hypha/core/wire/messages/ack.ts'
import { only } from '../forge.ts'
import type { Row } from '../row.ts'
import type { Victim } from '../victim.ts'

// Root metadata says whom to believe: who could replace it would have everything. The attacker has the CA's key, and the keys that the row names.

type NodeRow = Omit<Row<Victim>, 'at'>
const dayMs = 86_400_000

/** Root metadata 2 as someone would like it, after the genuine first. */
const root = (
  name: string,
  sent: string,
  code: string,
  make: (victim: Victim) => Uint8Array,
  threats: readonly string[] = [],
): NodeRow => ({
  name,
  sent,
  code,
  threats,
  run(victim) {
    victim.skipLog()
    victim.evil.sendRoots(victim.firstRoot, make(victim))
    return victim.logged()
  },
})

const next = (victim: Victim, changes: Partial<RootMetadata> = {}): RootMetadata => ({
  ...victim.root,
  version: 2,
  expiresMs: Date.now() + 365 * dayMs,
  ...changes,
})

const takeover = (victim: Victim): RootMetadata => next(victim, { release: only(victim.forge.stranger) })

const firstRootRows: NodeRow[] = [
  root(
    'arbitrary/root-by-stranger',
    "root metadata that names a stranger's keys, by him",
    'threshold-not-met',
    (victim) => victim.forge.signRoot(takeover(victim), [victim.forge.stranger]),
    ['THREAT.KEY.EXPOSURE'],
  ),
  root(
    'key-compromise/gateway-key-roots',
    'root metadata by the stolen gateway key',
    'threshold-not-met',
    (victim) => victim.forge.signRoot(takeover(victim), [victim.forge.gateway]),
    ['THREAT.KEY.EXPOSURE'],
  ),
  root(
    'side-door/gateway-key-raises-itself',
    'the stolen gateway key as a root key, by itself',
    'threshold-not-met',
    (victim) => {
      const { gateway } = victim.forge
      const value = next(victim, { root: only(gateway), gateway: only(victim.forge.newKey(21)) })
      return victim.forge.signRoot(value, [gateway])
    },
    ['THREAT.KEY.EXPOSURE'],
  ),
  root(
    'key-compromise/release-key-roots',
    'root metadata by the stolen release key',
    'threshold-not-met',
    (victim) => victim.forge.signRoot(takeover(victim), [victim.forge.release]),
    ['THREAT.KEY.EXPOSURE'],
  ),
  root(
    'key-compromise/root-by-its-own-alone',
    'a new root key, signed by itself alone',
    'threshold-not-met',
    (victim) => {
      const { stranger } = victim.forge
      return victim.forge.signRoot(next(victim, { root: only(stranger) }), [stranger])
    },
    ['THREAT.KEY.EXPOSURE'],
  ),
  root(
    'key-compromise/root-unproven-key',
    "a new root key that hasn't signed, root key stolen",
    'threshold-not-met',
    (victim) => victim.forge.signRoot(next(victim, { root: only(victim.forge.stranger) }), [victim.forge.root]),
  ),
  root(
    'key-compromise/one-key-in-two-roles',
    "the gateway's key as a release key, root key stolen",
    'root-unusable',
    (victim) => {
      const value = next(victim, { release: only(victim.forge.gateway) })
      return signMany(rootMetadata.encode(value), 'root', [victim.forge.root])
    },
    ['THREAT.KEY.EXPOSURE'],
  ),
  root('key-compromise/weak-key', 'a public key of small order, root key stolen', 'root-unusable', (victim) => {
    const weak = new Uint8Array(32)
    weak[0] = 1
    return victim.forge.signRoot(next(victim, { release: { threshold: 1, keys: [weak] } }), [victim.forge.root])
  }),
  root('key-compromise/key-listed-twice', 'two of one release key listed twice', 'root-unusable', (victim) => {
    const { publicKey } = victim.forge.release
    return victim.forge.signRoot(next(victim, { release: { threshold: 2, keys: [publicKey, publicKey] } }), [
      victim.forge.root,
    ])
  }),
  root('fast-forward/root-jump', 'root metadata 4,000,000 by the stolen root key', 'root-version', (victim) =>
    victim.forge.signRoot(next(victim, { version: 4_000_000 }), [victim.forge.root]),
  ),
  root(
    'freeze/root-expired',
    'root metadata that has expired, by the root key',
    'metadata-expired',
    (victim) => victim.forge.signRoot(next(victim, { expiresMs: Date.now() - dayMs }), [victim.forge.root]),
    ['THREAT.IMG.EXPIRED.OFFLINE'],
  ),
  root('wrong/root-of-other-fleet', 'root metadata of another fleet, same root key', 'wrong-fleet', (victim) =>
    victim.forge.signRoot(next(victim, { fleet: 'orchard' }), [victim.forge.root]),
  ),
  {
    name: 'endless/root-over-cap',
    sent: 'root metadata of 60,001 bytes',
    code: 'bytes-too-long',
    run(victim) {
      victim.skipLog()
      victim.evil.sendRootsRaw(new Uint8Array(60_001))
      return victim.logged()
    },
  },
  {
    name: 'fast-forward/acknowledgement',
    sent: 'an acknowledgement of what was never sent',
    code: 'ack-beyond-sent',
    run(victim) {
      victim.skipLog()
      victim.evil.sendAck(ack.encode({ incarnation: victim.evil.incarnation!, upTo: 2 ** 40, anew: null }))
      return victim.logged()
    },
  },
  {
    name: 'endless/inputs',
    sent: 'inputs that announce 4 billion items',
    code: 'bytes-truncated',
    run(victim) {
      victim.skipLog()
      victim.evil.sendInput(new Uint8Array([0xa1, 1, 0x9a, 0xff, 0xff, 0xff, 0xff]))
      return victim.logged()
    },
  },
]

// From here on the fleet has changed its keys. Root metadata 2: two of three root keys, and two release keys. Root metadata 3: another gateway key, another release key.

const keysOf = ({ forge }: Victim) => ({
  root2: forge.newKey(11),
  root3: forge.newKey(12),
  release2: forge.newKey(13),
  gateway2: forge.newKey(14),
})

const role = (threshold: number, ...signers: readonly Signer[]) => ({
  threshold,
  keys: signers.map(({ publicKey }) => publicKey),
})

function secondRoot(victim: Victim): Uint8Array {
  const { root2, root3, release2 } = keysOf(victim)
  const { forge } = victim
  const value = next(victim, {
    root: role(2, forge.root, root2, root3),
    release: role(2, forge.release, release2),
    expiresMs: 4_000_000_000_000,
  })
  return forge.signRoot(value, [forge.root, root2])
}

function thirdRoot(victim: Victim, signers?: readonly Signer[], changes: Partial<RootMetadata> = {}): Uint8Array {
  const { root2, root3, release2, gateway2 } = keysOf(victim)
  const { forge } = victim
  const value = next(victim, {
    version: 3,
    root: role(2, forge.root, root2, root3),
    release: only(release2),
    gateway: only(gateway2),
    expiresMs: 4_000_000_000_000,
    ...changes,
  })
  return forge.signRoot(value, signers ?? [root2, root3])
}

/** Brings the node to a version of root metadata, unless it is there. */
function reach(victim: Victim, version: 2 | 3): void {
  if (victim.rootVersion < 2) victim.evil.sendRoots(victim.firstRoot, secondRoot(victim))
  if (victim.rootVersion < 3 && version === 3) {
    victim.evil.sendRoots(victim.firstRoot, secondRoot(victim), thirdRoot(victim))
    // Another key: what was said by the one before counts no more, its numbers too.
    victim.gatewayKey = keysOf(victim).gateway2
    victim.version = 0
  }
  victim.rootVersion = Math.max(victim.rootVersion, version)
}

const rotated = (
  version: 2 | 3,
  name: string,
  sent: string,
  code: string,
  run: (victim: Victim) => Promise<string | null>,
  threats: readonly string[] = [],
): NodeRow => ({
  name,
  sent,
  code,
  threats,
  async run(victim) {
    reach(victim, version)
    await victim.obey()
    victim.skipLog()
    return await run(victim)
  },
})

const chain = (victim: Victim, ...envelopes: readonly Uint8Array[]): Promise<string | null> => {
  victim.evil.sendRoots(...envelopes)
  return victim.logged()
}

const spyware = (victim: Victim, signers: readonly Signer[]): Promise<string | null> => {
  const signed = victim.forge.spyware(signers)
  return victim.sectionRefusal(victim.forge.section(signed), [signed.envelope, victim.forge.core])
}

const rotationRows: NodeRow[] = [
  rotated(
    2,
    'key-compromise/one-of-two-release-keys',
    'spyware by one stolen key of two release keys',
    'threshold-not-met',
    (victim) => spyware(victim, [victim.forge.release]),
    ['THREAT.KEY.EXPOSURE', 'THREAT.MFST.MODIFICATION'],
  ),
  rotated(
    2,
    'key-compromise/one-of-three-root-keys',
    'root metadata by one stolen key of three, two needed',
    'threshold-not-met',
    (victim) => chain(victim, victim.firstRoot, secondRoot(victim), thirdRoot(victim, [victim.forge.root])),
    ['THREAT.KEY.EXPOSURE'],
  ),
  rotated(
    2,
    'key-compromise/one-key-signs-twice',
    'two signatures by the one stolen root key',
    'envelope-malformed',
    (victim) => {
      const { root } = victim.forge
      // The second signature says another name, and is then given the first one's.
      const alias = {
        ...root,
        kid: keyId(victim.forge.stranger.publicKey, nodeCrypto),
        sign: (bytes: Uint8Array) => root.sign(bytes),
      }
      const envelope = Buffer.from(thirdRoot(victim, [root, alias]))
      envelope.set(root.kid, envelope.indexOf(alias.kid))
      return chain(victim, victim.firstRoot, secondRoot(victim), new Uint8Array(envelope))
    },
  ),
  rotated(
    2,
    'rollback/root-withheld',
    'the chain without the newest root metadata',
    'root-version',
    (victim) => chain(victim, victim.firstRoot),
    ['THREAT.IMG.EXPIRED'],
  ),
  rotated(2, 'rollback/root-other-second', 'another root metadata 2, by enough keys', 'root-version', (victim) => {
    const { root2 } = keysOf(victim)
    const { forge } = victim
    const other = next(victim, { root: role(2, forge.root, root2), expiresMs: 4_100_000_000_000 })
    return chain(victim, victim.firstRoot, forge.signRoot(other, [forge.root, root2]))
  }),
  {
    name: 'fast-forward/stolen-gateway-key',
    sent: 'version 4,294,967,295 in 2100, until root replaces it',
    code: 'threshold-not-met',
    threats: ['THREAT.KEY.EXPOSURE'],
    async run(victim) {
      reach(victim, 2)
      const { forge } = victim
      const issuedMs = Date.UTC(2100, 0)
      const sections = [victim.section()]
      const far = forge.directive({ version: 0xffff_ffff, issuedMs, expiresMs: issuedMs + dayMs, sections })
      victim.evil.sendDirective(forge.signDirective(far))
      const believed = await victim.evil.stateThat((state) => state.directive === 0xffff_ffff || undefined)
      if (!believed) throw new Error('the stolen key had no power to begin with')
      // Numbers and time of the stolen key are forgotten with it: a directive with number 1, issued now, is followed.
      reach(victim, 3)
      await victim.obey()
      return await victim.refusal(forge.signDirective({ ...far, version: 0xffff_fffe }))
    },
  },
  rotated(
    3,
    'key-compromise/replaced-gateway-key',
    'a directive by the gateway key that was replaced',
    'threshold-not-met',
    (victim) => victim.refusal(victim.forge.signDirective(victim.next())),
    ['THREAT.KEY.EXPOSURE'],
  ),
  rotated(
    3,
    'key-compromise/replaced-release-key',
    'spyware by the release key that was replaced',
    'threshold-not-met',
    (victim) => spyware(victim, [victim.forge.release]),
    ['THREAT.KEY.EXPOSURE'],
  ),
]
export const rootRows: readonly Row<Victim>[] = [...firstRootRows, ...rotationRows].map((row) => ({
  ...row,
  at: 'node',
}))
