import { once } from 'node:events'
import { connect as connectPlain } from 'node:net'
import { join } from 'node:path'
import { connect, createServer } from 'node:tls'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { parseJoinUrl } from '@hypha/core/wire/join-url.ts'
import { rootChain } from '@hypha/core/wire/messages/root-chain.ts'
import { siteJoinProof, siteJoinRequest } from '@hypha/core/wire/messages/site-join.ts'
import { type SiteWord, siteWord, uplinkProtocol, upstreamWord } from '@hypha/core/wire/messages/uplink.ts'
import type { Upstream } from '../../../../gateway/uplink/upstream-file.ts'
import { UpstreamLink } from '../../../../gateway/uplink/upstream-link.ts'
import { followUpstream } from '../../../../gateway/uplink/upstream-trust.ts'
import { UplinkSpeaker } from '../../../support/uplink-speaker.ts'
import { app, rogue, victim } from '../fixture.ts'
import { Forge, only } from '../forge.ts'
import { type Credentials, MqttAttacker, pemOfSeed, stolenFrom } from '../mqtt-attacker.ts'
import { patience, type Row, words } from '../row.ts'
import type { World } from '../world.ts'
import { atFake, strangersCa } from './joining.ts'

// Two gateways have joined as sites; the attacker has what one of them has, or stands in the place of the upstream.

export interface Uplinks {
  readonly world: World
  patienceMs: number
}

export const openUplinks = (world: World): Uplinks => ({ world, patienceMs: patience.refused })

type UplinkRow = Omit<Row<Uplinks>, 'at'>

const incarnation = new Uint8Array(8).fill(3)
const hello: SiteWord = { kind: 'hello', incarnation, begin: 0 }
const nothing = { series: [], samples: [], events: [], logs: [] }

const dial = ({ gateway }: World, { certificate, key }: Credentials): UplinkSpeaker =>
  new UplinkSpeaker(
    connect({
      host: '127.0.0.1',
      port: gateway.mqttPort,
      cert: certificate,
      key,
      rejectUnauthorized: false,
      ALPNProtocols: [uplinkProtocol],
    }),
  )

/** A site that is let in. */
async function greeted(world: World, site: 'north' | 'south'): Promise<UplinkSpeaker> {
  const speaker = dial(world, world.facts.sites[site])
  speaker.say(hello)
  await speaker.heard('welcome')
  return speaker
}

/** How a connection was ended; null where what it should not have come to comes before, or nothing in good time. */
async function refusal(speaker: UplinkSpeaker, through: Promise<unknown>, ms: number): Promise<string | null> {
  const late = new Promise<null>((resolve) => setTimeout(resolve, ms, null).unref())
  // What is awaited doesn't come any more where the connection ends.
  const reached = through.then(
    () => null,
    () => new Promise<never>(() => undefined),
  )
  const ended = speaker.ended.then(() => {
    const said = speaker.words.find((word) => word.kind === 'ended')
    return said?.kind === 'ended' ? said.code : words.closed
  })
  const outcome = await Promise.race([ended, reached, late])
  speaker.socket.destroy()
  return outcome
}

/** Who comes with a certificate and greets as a site. */
const comes = (
  name: string,
  sent: string,
  code: string,
  who: (world: World) => Promise<Credentials> | Credentials,
): UplinkRow => ({
  name,
  sent,
  code,
  async run({ world, patienceMs }) {
    const speaker = dial(world, await who(world))
    speaker.say(hello)
    return refusal(speaker, speaker.heard('welcome'), patienceMs)
  },
})

/** What a site says that is let in; a `ping` behind it is answered where it was taken. */
const says = (name: string, sent: string, code: string, say: (speaker: UplinkSpeaker) => void): UplinkRow => ({
  name,
  sent,
  code,
  async run({ world, patienceMs }) {
    const speaker = await greeted(world, 'north')
    say(speaker)
    speaker.say({ kind: 'ping' })
    return refusal(speaker, speaker.heard('pong'), patienceMs)
  },
})

/** A site's certificate by the stolen CA, for a key of the attacker's own. */
async function forged(by: World['gateway']['authority'], site: string): Promise<Credentials> {
  const seed = nodeCrypto.random(32)
  const { certificate } = await by.issueSite({ site, publicKey: nodeCrypto.publicKey(seed) })
  return { certificate, key: pemOfSeed(seed) }
}

/** The code by which an invitation is refused to a key. */
const asks = (
  name: string,
  sent: string,
  code: string,
  { invite, site, signedBy }: { invite: 'open' | 'used'; site?: string; signedBy?: Uint8Array },
): UplinkRow => ({
  name,
  sent,
  code,
  async run({ world }) {
    const seed = new Uint8Array(32).fill(73)
    const url = parseJoinUrl(world.facts.siteInvites[invite])
    const request = { site: site ?? url.node, token: url.token, publicKey: nodeCrypto.publicKey(seed) }
    const proof = nodeCrypto.sign(signedBy ?? seed, siteJoinProof(url.fleet, request))
    return world.gateway.refusal('/v1/join-site', { cbor: siteJoinRequest.encode({ ...request, proof }) })
  },
})

/** Has the upstream ask a site for a stream: its number. */
async function awaitedStream(world: World, control: UplinkSpeaker): Promise<Uint8Array> {
  const near = connectPlain(join(world.folder, 'hypha/sites/north/api.sock'))
  near.on('error', () => undefined)
  const { stream } = await control.heard('open')
  return stream
}

/** A connection that says it is a stream; it is one where it isn't ended. */
async function openStream(uplinks: Uplinks, site: 'north' | 'south', guess?: Uint8Array): Promise<string | null> {
  const { world, patienceMs } = uplinks
  const control = await greeted(world, 'north')
  try {
    const stream = guess ?? (await awaitedStream(world, control))
    const speaker = dial(world, world.facts.sites[site])
    speaker.say({ kind: 'stream', stream })
    return await refusal(speaker, new Promise(() => undefined), patienceMs)
  } finally {
    control.socket.destroy()
  }
}

interface Line {
  readonly text: string
}
const text = 'the attacker was here'
const event = (number: number) => ({
  number,
  at: Date.now(),
  node: victim,
  app,
  module: 'tick',
  home: victim,
  code: 'trap',
  text,
})

/** How the site's own end judges an upstream whose CA key is stolen. */
async function atSite({ gateway, facts }: World, answers: Uint8Array): Promise<string | null> {
  const { certificate: cert, key } = await gateway.authority.issueServer({ names: ['127.0.0.1'] })
  const server = createServer({ cert, key, ALPNProtocols: [uplinkProtocol] }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const seed = nodeCrypto.random(32)
  const { certificate } = await gateway.authority.issueSite({ site: 'north', publicKey: nodeCrypto.publicKey(seed) })
  const upstream = upstreamOf(facts.fleet, gateway.authority.certificate, null)
  const { port } = server.address() as { port: number }
  let link: UpstreamLink | null = null
  const outcome = await new Promise<string | null>((resolve) => {
    server.on('secureConnection', (socket) => {
      socket.on('error', () => socket.destroy())
      socket.once('data', () => socket.write(answers))
      // It goes on as if nothing were wrong.
      socket.on('data', (bytes: Buffer) => {
        if (siteWord.decode(bytes.subarray(4, 4 + bytes.readUInt32BE(0))).kind === 'ping') resolve(null)
      })
    })
    link = new UpstreamLink(
      { ...upstream, port, certificate, seed },
      {
        forwarder: {
          hello: { incarnation, begin: 0 },
          welcome: () => true,
          ack: () => false,
          offline: () => undefined,
        },
        local: { api: 9, broker: 9 },
        invite: async () => null,
        keep: () => undefined,
        follow: async (from) => from,
        changed: () => undefined,
        onProblem: ({ code }) => resolve(code),
        timing: { pingMs: 500 },
      },
    )
  })
  link!.close()
  server.close()
  return outcome
}

const upstreamOf = (fleet: string, ca: string, root: Uint8Array | null): Upstream => ({
  fleet,
  site: 'north',
  host: '127.0.0.1',
  port: 1,
  httpPort: 1,
  ca,
  certificate: '',
  seed: new Uint8Array(32),
  joinedMs: 0,
  node: 'cloud',
  root,
})

const frames = (...payloads: readonly Uint8Array[]): Uint8Array =>
  Buffer.concat(
    payloads.map((payload) => {
      const header = Buffer.alloc(4)
      header.writeUInt32BE(payload.length)
      return Buffer.concat([header, payload])
    }),
  )

const welcome = upstreamWord.encode({ kind: 'welcome', site: 'north', upTo: 0, wants: false, certificate: null })

const rows: readonly UplinkRow[] = [
  comes('uplink/other-ca', "a site's certificate by a stranger's CA of our CA's name", words.closed, async (world) =>
    forged(await strangersCa(world), 'north'),
  ),
  comes('uplink/node', "a node's certificate in place of a site's", words.closed, ({ folder }) =>
    stolenFrom(join(folder, rogue)),
  ),
  comes('uplink/other-key', "a new certificate in a site's name, CA key stolen", 'site-refused', ({ gateway }) =>
    forged(gateway.authority, 'north'),
  ),
  comes('uplink/never-joined', 'a certificate for a site that never joined, CA key stolen', 'site-refused', (world) =>
    forged(world.gateway.authority, 'ghost'),
  ),
  comes(
    'uplink/revoked',
    'the certificate of a site that was revoked',
    'site-revoked',
    ({ facts }) => facts.sites.lost,
  ),
  {
    name: 'uplink/mqtt-session',
    sent: "an MQTT session with a site's certificate",
    code: words.unauthorised,
    async run({ world }) {
      const made = await MqttAttacker.connect(world.gateway.mqttPort, world.facts.sites.north, 'north')
      if (typeof made === 'string') return made
      made.close()
      return null
    },
  },
  asks('uplink/used-invitation', 'an invitation that another gateway has used', 'join-token-used', { invite: 'used' }),
  asks('uplink/invitation-of-another', "another site's invitation", 'join-token-unknown', {
    invite: 'open',
    site: 'east',
  }),
  asks('uplink/unproven-key', "someone else's public key, as a site", 'join-proof-invalid', {
    invite: 'open',
    signedBy: new Uint8Array(32).fill(74),
  }),
  {
    name: 'uplink/rows-of-another',
    sent: `an event in the name of the upstream's own ${victim}`,
    code: words.passedOver,
    async run({ world, patienceMs }) {
      const speaker = await greeted(world, 'south')
      const { upTo } = speaker.words.find((word) => word.kind === 'welcome') as { upTo: number }
      speaker.say({ kind: 'batch', ...nothing, after: upTo, upTo: upTo + 1, events: [event(upTo + 1)] })
      const taken = await refusal(speaker, speaker.heard('ack'), patienceMs)
      const found = async (site?: string) =>
        (await world.gateway.api.request<Line[]>('GET', '/v1/events', { query: { site } })).some(
          (line) => line.text === text,
        )
      const elsewhere = (await found()) || (await found('north'))
      return taken === null && !elsewhere && (await found('south')) ? words.passedOver : null
    },
  },
  {
    name: 'uplink/replayed',
    sent: 'rows that were forwarded before, once more',
    code: words.closed,
    async run({ world, patienceMs }) {
      const speaker = await greeted(world, 'north')
      const { upTo } = speaker.words.find((word) => word.kind === 'welcome') as { upTo: number }
      const batch: SiteWord = { kind: 'batch', ...nothing, after: upTo, upTo: upTo + 1, events: [event(upTo + 1)] }
      speaker.say(batch)
      await speaker.heard('ack')
      speaker.words.length = 0
      speaker.say(batch)
      return refusal(speaker, speaker.heard('ack'), patienceMs)
    },
  },
  {
    name: 'uplink/stream-of-another',
    sent: 'a stream that another site was asked for',
    code: 'site-refused',
    run: (uplinks) => openStream(uplinks, 'south'),
  },
  {
    name: 'uplink/stream-unasked',
    sent: 'a stream that nobody was asked for',
    code: 'site-refused',
    run: (uplinks) => openStream(uplinks, 'north', new Uint8Array(16).fill(5)),
  },
  says('uplink/over-cap', 'a frame that announces 4 GiB', words.closed, (speaker) =>
    speaker.raw(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1)),
  ),
  says('uplink/garbage', 'bytes that are no word', words.closed, (speaker) =>
    speaker.raw(Uint8Array.of(0, 0, 0, 3, 0xff, 0xff, 0xff)),
  ),
  says('uplink/second-greeting', 'a greeting in the middle of an uplink', 'message-malformed', (speaker) =>
    speaker.say(hello),
  ),
  {
    name: 'uplink/no-greeting',
    sent: 'rows before any greeting',
    code: 'message-malformed',
    async run({ world, patienceMs }) {
      const speaker = dial(world, world.facts.sites.north)
      speaker.say({ kind: 'batch', ...nothing, after: 0, upTo: 1 })
      return refusal(speaker, speaker.heard('ack'), patienceMs)
    },
  },
  {
    name: 'uplink/acknowledged-unsent',
    sent: 'an upstream that acknowledges what was not sent',
    code: 'message-malformed',
    run: ({ world }) => atSite(world, frames(welcome, upstreamWord.encode({ kind: 'ack', upTo: 9 }))),
  },
  {
    name: 'uplink/opens-elsewhere',
    sent: "an upstream that asks for a stream to neither of a site's ports",
    code: 'message-malformed',
    run({ world }) {
      const elsewhere = upstreamWord.encode({ kind: 'open', stream: new Uint8Array(16), target: 'broker' })
      // The target's index is the last byte.
      elsewhere[elsewhere.length - 1] = 2
      return atSite(world, frames(welcome, elsewhere))
    },
  },
  {
    name: 'uplink/forged-authority',
    sent: "root metadata of a thief's own in the upstream's place",
    code: 'join-ca-mismatch',
    async run({ world }) {
      const { facts, victim: node, gateway } = world
      const thief = await strangersCa(world)
      const forge = new Forge(facts)
      const authorities = [new Uint8Array(Buffer.from(thief.fingerprint, 'hex'))]
      const made = { ...node.root, version: 2, root: only(forge.stranger), authorities }
      const answer = rootChain.encode({ envelopes: [node.firstRoot, forge.signRoot(made, [forge.stranger])] })
      const upstream = upstreamOf(facts.fleet, gateway.authority.certificate, node.firstRoot)
      return atFake({ ...(await thief.issueServer({ names: ['127.0.0.1'] })), answer }, (httpPort) =>
        followUpstream({ ...upstream, httpPort }, 5_000, () => undefined),
      )
    },
  },
]

export const uplinkRows: readonly Row<Uplinks>[] = rows.map((row) => ({ ...row, at: 'uplink' }))
