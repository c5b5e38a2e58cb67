// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is source text.

import { type Mutation, one, unless } from './kit.ts'

const hub = 'gateway/uplink/site-hub.ts'
const siteJoin = 'gateway/uplink/site-join.ts'
const forwarded = 'gateway/store/forwarded.ts'

/** Sites and their upstream. */
export const uplinkMutations: readonly Mutation[] = [
  one(
    'kind of the certificate that opens an uplink',
    'gateway/uplink/site-identity.ts',
    " || OU !== 'site'",
    '',
    'uplink/node',
  ),
  one(
    'key of a site',
    hub,
    'record?.publicKey && bytesEqual(record.publicKey, publicKey)',
    'record?.publicKey',
    'uplink/other-key',
  ),
  unless('sites that were revoked', hub, 'record?.revokedAt', 'uplink/revoked'),
  one(
    'which site was asked for a stream',
    'gateway/uplink/site-streams.ts',
    'this.#pending.get(toHex(stream))?.site === site',
    'this.#pending.has(toHex(stream))',
    'uplink/stream-of-another',
  ),
  one(
    'in whose name the rows of a site are stored',
    forwarded,
    'openTelemetry(db, `${fleet}/${site}`)',
    'openTelemetry(db, fleet)',
    'uplink/rows-of-another',
  ),
  unless(
    'that the rows of a site follow each other',
    forwarded,
    'batch.after !== row.cursor || batch.upTo <= batch.after',
    'uplink/replayed',
  ),
  unless('cap of a frame', 'gateway/uplink/channel.ts', 'this.#needed > maxUplinkFrameBytes', 'uplink/over-cap'),
  unless(
    'acknowledgements that a site waits for',
    'gateway/uplink/upstream-link.ts',
    '!this.#ports.forwarder.ack(word.upTo)',
    'uplink/acknowledged-unsent',
  ),
  unless(
    'proof of the key of a site that joins',
    siteJoin,
    '!deps.crypto.verify(publicKey, siteJoinProof(deps.fleet, request), proof)',
    'uplink/unproven-key',
  ),
  unless('site of an invitation', siteJoin, 'invite?.site !== site', 'uplink/invitation-of-another'),
]
