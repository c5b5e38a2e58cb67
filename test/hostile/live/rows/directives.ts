import { decodeCbor, encodeCbor, tagged, untag } from '@hypha/core/bytes/cbor.ts'
import { fromHex, toUtf8 } from '@hypha/core/bytes/text.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { seedSigner, signMany, signOne } from '@hypha/core/trust/cose.ts'
import { type Directive, directive } from '@hypha/core/trust/directive.ts'
import { directiveMessage } from '@hypha/core/wire/messages/directive.ts'
import { thief } from '../fixture.ts'
import type { Row } from '../row.ts'
import type { Victim } from '../victim.ts'

// Directives that the node must not follow. The attacker has the CA's key, so that the node takes him for its broker, and where the row says so other keys too.

type NodeRow = Omit<Row<Victim>, 'at'>

/** A directive that would change nothing, so that only who signed it and what it says of itself counts. */
const signed = (
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
  run: (victim) => victim.refusal(make(victim)),
})

const changed = (
  name: string,
  sent: string,
  code: string,
  changes: (victim: Victim) => Partial<Directive>,
  threats: readonly string[] = [],
) => signed(name, sent, code, (victim) => victim.forge.signDirective(victim.next(changes(victim))), threats)

/** Bytes on the directive's topic that are not even a message. */
const raw = (name: string, sent: string, code: string, bytes: () => Uint8Array): NodeRow => ({
  name,
  sent,
  code,
  async run(victim) {
    victim.evil.sendRaw(bytes())
    return await victim.refusalOfDirective()
  },
})

const message = (envelope: Uint8Array) => directiveMessage.encode({ envelope, attachments: [] })
const dayMs = 86_400_000

/** The one directive that was genuine, and is not the newest any more. */
const replayed: NodeRow = {
  name: 'rollback/replayed',
  sent: 'a genuine directive of before, once more',
  code: 'directive-rollback',
  threats: ['THREAT.IMG.EXPIRED'],
  async run(victim) {
    const before = victim.forge.signDirective(victim.next())
    victim.evil.sendDirective(before)
    const { version } = victim.next()
    await victim.evil.stateThat((state) => state.directive === version || undefined)
    victim.version = version
    await victim.obey()
    return await victim.refusal(before)
  },
}

const rows: NodeRow[] = [
  signed(
    'arbitrary/stranger',
    "a directive by a stranger's key",
    'threshold-not-met',
    (victim) => victim.forge.signDirective(victim.next(), victim.forge.stranger),
    ['THREAT.IMG.NON_AUTH', 'THREAT.NET.ONPATH'],
  ),
  signed(
    'arbitrary/altered',
    'a directive altered after it was signed',
    'signature-invalid',
    (victim) => {
      const envelope = victim.forge.signDirective(victim.next())
      // The name stands in the payload; another of the same length keeps the form whole.
      const at = Buffer.from(envelope).indexOf('pi-7')
      envelope[at + 3] = 0x38
      return envelope
    },
    ['THREAT.IMG.NON_AUTH', 'THREAT.NET.ONPATH'],
  ),
  signed('arbitrary/borrowed-kid', "a stranger's signature under the gateway key's id", 'signature-invalid', (victim) =>
    withKid(victim.version, victim.forge),
  ),
  {
    name: 'arbitrary/unsigned-header',
    sent: 'a genuine directive with an unsigned header added',
    code: 'envelope-malformed',
    async run(victim) {
      const envelope = victim.forge.signDirective(victim.next())
      // The empty unprotected map behind the protected header of the COSE_Sign1.
      const at = Buffer.from(envelope).indexOf(Buffer.from([0xa0, 0x59]))
      const more = encodeCbor(new Map([[4, toUtf8('x')]]))
      const grown = Buffer.concat([envelope.subarray(0, at), more, envelope.subarray(at + 1)])
      return await victim.refusal(new Uint8Array(grown))
    },
  },

  raw(
    'endless/message-over-cap',
    'a directive message of 66,000 bytes',
    'bytes-too-long',
    () => new Uint8Array(66_000),
  ),
  raw('endless/envelope-over-cap', 'an envelope of 60,001 bytes', 'message-malformed', () =>
    encodeCbor(
      new Map<number, unknown>([
        [1, new Uint8Array(60_001)],
        [2, []],
      ]),
    ),
  ),
  raw('endless/cbor-length', 'an envelope that announces 4 billion items', 'bytes-truncated', () =>
    message(fromHex('d2849affffffff')),
  ),
  raw('endless/cbor-bytes', 'an envelope that announces 2^53 bytes', 'bytes-truncated', () =>
    message(fromHex('d28441a0a05b001fffffffffffff')),
  ),
  raw('endless/cbor-nesting', 'an envelope nested 5,000 deep', 'bytes-malformed', () =>
    message(new Uint8Array(5_000).fill(0x81).fill(0xd2, 0, 1)),
  ),
  raw('endless/cbor-indefinite', 'an envelope of indefinite length', 'bytes-malformed', () => message(fromHex('d29f'))),
  raw('endless/signatures', 'an envelope with 17 signatures', 'envelope-malformed', manySignatures),
  changed(
    'endless/content-size',
    'a content of 4 GiB, signed by the stolen gateway key',
    'message-malformed',
    (victim) => {
      const [first] = victim.section().contents
      return { sections: [victim.section({ contents: [{ ...first!, size: 2 ** 32 }] })] }
    },
  ),

  signed('fast-forward/stranger', "version 4,294,967,295 by a stranger's key", 'threshold-not-met', (victim) =>
    victim.forge.signDirective(victim.next({ version: 0xffff_ffff }), victim.forge.stranger),
  ),
  changed('fast-forward/beyond-cap', 'version 4,294,967,296, gateway key stolen', 'message-malformed', () => ({
    version: 2 ** 32,
  })),

  changed(
    'freeze/expired',
    'a genuine directive that has expired',
    'metadata-expired',
    () => ({ issuedMs: Date.now() - 2 * dayMs, expiresMs: Date.now() - dayMs }),
    ['THREAT.IMG.EXPIRED.OFFLINE'],
  ),
  changed('freeze/impossible-times', 'a directive that expires before it was issued', 'metadata-invalid', () => ({
    issuedMs: Date.now() + 2 * dayMs,
    expiresMs: Date.now() + dayMs,
  })),

  replayed,
  changed(
    'rollback/same-version',
    'another directive with the version that is held',
    'directive-conflict',
    (victim) => ({ version: victim.version, issuedMs: Date.now() - 1 }),
    ['THREAT.IMG.EXPIRED'],
  ),
  changed('rollback/lower-version', 'a new directive with a lower version', 'directive-rollback', (victim) => ({
    version: victim.version - 1,
  })),

  changed('rollback/epoch', 'a newer directive with an older epoch of an app', 'directive-rollback', (victim) => ({
    sections: [victim.section({ epoch: victim.epoch - 1 })],
  })),

  changed('mix-and-match/two-sections', 'two sections for one app', 'metadata-invalid', (victim) => ({
    sections: [victim.section(), victim.section()],
  })),
  changed('mix-and-match/two-instances', 'one instance twice', 'metadata-invalid', (victim) => {
    const section = victim.section()
    return { sections: [{ ...section, instances: [...section.instances, ...section.instances] }] }
  }),
  changed('mix-and-match/leave-and-run', 'leave the fleet, and run this', 'metadata-invalid', () => ({ leave: true })),

  changed('wrong/node', `the directive of ${thief}`, 'wrong-node', () => ({ node: thief }), [
    'THREAT.IMG.INCOMPATIBLE',
    'THREAT.UPD.UNAPPROVED',
  ]),
  changed(
    'wrong/fleet',
    'a directive of another fleet with the same key',
    'wrong-fleet',
    () => ({ fleet: 'orchard' }),
    ['THREAT.IMG.INCOMPATIBLE', 'THREAT.UPD.UNAPPROVED'],
  ),

  signed(
    'key-compromise/release-key-directs',
    'a directive by the stolen release key',
    'threshold-not-met',
    (victim) => victim.forge.signDirective(victim.next(), victim.forge.release),
    ['THREAT.KEY.EXPOSURE', 'THREAT.UPD.UNAPPROVED'],
  ),
  signed(
    'key-compromise/root-key-directs',
    'a directive by the stolen root key',
    'threshold-not-met',
    (victim) => victim.forge.signDirective(victim.next(), victim.forge.root),
    ['THREAT.KEY.EXPOSURE'],
  ),
  signed(
    'key-compromise/other-kind',
    "the gateway key's signature for another kind of word",
    'envelope-kind',
    (victim) => signOne(directive.encode(victim.next()), 'release', victim.forge.gateway),
  ),
]

/** A stranger signs, and says that it was the gateway's key. */
function withKid(version: number, forge: Victim['forge']): Uint8Array {
  const { kid, publicKey } = forge.gateway
  const impostor = { publicKey, kid, sign: (bytes: Uint8Array) => forge.stranger.sign(bytes) }
  return forge.signDirective(forge.directive({ version: version + 1 }), impostor)
}

function manySignatures(): Uint8Array {
  const signers = Array.from({ length: 16 }, (_, index) => seedSigner(new Uint8Array(32).fill(index + 1), nodeCrypto))
  const envelope = signMany(new Uint8Array([1]), 'directive', signers)
  const [body, , payload, parts] = decodeParts(envelope)
  const more = [...parts, parts[0]]
  return message(encodeCbor(tagged(98, [body, new Map(), payload, more])))
}

function decodeParts(envelope: Uint8Array): [Uint8Array, unknown, Uint8Array, unknown[]] {
  return untag(decodeCbor(envelope, 'envelope', 98))!.item as [Uint8Array, unknown, Uint8Array, unknown[]]
}

export const directiveRows: readonly Row<Victim>[] = rows.map((row) => ({ ...row, at: 'node' }))
