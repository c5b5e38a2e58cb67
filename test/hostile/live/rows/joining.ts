import { once } from 'node:events'
import { createServer } from 'node:https'
import { join as joinPath } from 'node:path'
import { asHyphaError } from '@hypha/core/errors.ts'
import { systemClock } from '@hypha/core/platform/clock.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { boxKeysOf, makeBoxKeys } from '@hypha/core/trust/seal.ts'
import { type JoinUrl, parseJoinUrl } from '@hypha/core/wire/join-url.ts'
import { joinAnswer, joinProof, joinRequest, renewProof, renewRequest } from '@hypha/core/wire/messages/join.ts'
import { loadIdentity } from '../../../../agent/home.ts'
import { join, renew } from '../../../../agent/join/join.ts'
import { createLink } from '../../../../agent/link/mqtt-link.ts'
import { type Authority, loadAuthority } from '../../../../gateway/enrol/ca.ts'
import { neighbour, thief } from '../fixture.ts'
import { Forge, only } from '../forge.ts'
import { pemOfSeed } from '../mqtt-attacker.ts'
import type { Place, Row } from '../row.ts'
import type { World } from '../world.ts'

// Coming in: with invitations and proofs that aren't one's own, and to gateways that aren't the invited node's.

const seeds = { own: new Uint8Array(32).fill(71), other: new Uint8Array(32).fill(72) }
const boxKeys = boxKeysOf(makeBoxKeys({ random: (length) => new Uint8Array(length).fill(7) }).secretKey)

const identityOf = (seed: Uint8Array) => ({
  publicKey: nodeCrypto.publicKey(seed),
  boxKey: boxKeys.publicKey,
  sign: (message: Uint8Array) => nodeCrypto.sign(seed, message),
})

interface Asked {
  readonly url: JoinUrl
  /** Whose key signs; the one that is named where nothing is said. */
  readonly signedBy?: Uint8Array
  readonly fleet?: string
}

/** The body of a join request, with a proof that may not be one. */
function joinBody({ url, signedBy = seeds.own, fleet = url.fleet }: Asked): Uint8Array {
  const { publicKey, boxKey } = identityOf(seeds.own)
  const request = { node: url.node, token: url.token, publicKey, boxKey }
  return joinRequest.encode({ ...request, proof: nodeCrypto.sign(signedBy, joinProof(fleet, request)) })
}

const asks = (name: string, sent: string, code: string, make: (world: World) => Asked): Row<World> => ({
  name,
  sent,
  code,
  at: 'gateway',
  run: (world) => world.gateway.refusal('/v1/join', { cbor: joinBody(make(world)) }),
})

const renews = (name: string, sent: string, code: string, make: (world: World) => Uint8Array): Row<World> => ({
  name,
  sent,
  code,
  at: 'gateway',
  run: (world) => world.gateway.refusal('/v1/renew', { cbor: make(world) }),
})

const renewBody = (world: World, node: string, keyOf: string): Uint8Array => {
  const { seed } = loadIdentity(joinPath(world.folder, keyOf))
  return renewRequest.encode({ node, proof: nodeCrypto.sign(seed, renewProof(world.facts.fleet, node)) })
}

const urlOf = ({ facts, gateway }: World, invite: keyof World['facts']['invites']): JoinUrl => ({
  ...parseJoinUrl(facts.invites[invite]),
  port: gateway.httpPort,
})

export const strangersCa = ({ facts }: World): Promise<Authority> =>
  loadAuthority(facts.fleet, { certificate: facts.stranger.certificate, key: facts.stranger.key })

export interface Fake {
  readonly certificate: string
  readonly key: string
  /** What it answers. */
  readonly answer?: Uint8Array
}

/** Joins at a gateway that only looks like one; the code with which the joining node turns away. */
export async function atFake(fake: Fake, run: (port: number) => Promise<unknown>): Promise<string | null> {
  const server = createServer({ cert: fake.certificate, key: fake.key }, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/cbor' }).end(fake.answer ?? '')
  })
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await run((server.address() as { port: number }).port)
    return null
  } catch (thrown) {
    return asHyphaError(thrown).code
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const joins = (
  name: string,
  sent: string,
  code: string,
  make: (world: World) => Promise<Fake>,
  at: Place = 'joining',
): Row<World> => ({
  name,
  sent,
  code,
  at,
  threats: ['THREAT.NET.REDIRECT', 'THREAT.NET.ONPATH'],
  run: async (world) =>
    atFake(await make(world), (port) =>
      join({ ...urlOf(world, 'fresh'), port }, identityOf(seeds.own), { timeoutMs: 5_000 }),
    ),
})

/** An answer with root metadata of the attacker's own. */
async function otherRoot(world: World): Promise<Uint8Array> {
  const forge = new Forge(world.facts)
  const role = only(forge.stranger)
  const root = forge.signRoot({ ...world.victim.root, root: role, release: role }, [forge.stranger])
  const { authority, mqttPort } = world.gateway
  const { certificate } = await authority.issueNode({ id: 'pi-fresh', publicKey: identityOf(seeds.own).publicKey })
  return joinAnswer.encode({
    fleet: world.facts.fleet,
    tier: 'device',
    certificate,
    ca: authority.certificate,
    root,
    brokerHost: '127.0.0.1',
    brokerPort: mqttPort,
  })
}

export const joiningRows: readonly Row<World>[] = [
  asks('join/wrong-token', 'a token that nobody was given', 'join-token-unknown', (world) => ({
    url: { ...urlOf(world, 'open'), token: 'A'.repeat(43) },
  })),
  asks('join/token-of-another', "another node's token", 'join-token-unknown', (world) => ({
    url: { ...urlOf(world, 'open'), node: 'pi-other' },
  })),
  asks('join/withdrawn', 'an invitation that was withdrawn', 'join-token-unknown', (world) => ({
    url: urlOf(world, 'withdrawn'),
  })),
  asks('join/expired', 'an invitation that has expired', 'join-token-expired', (world) => ({
    url: urlOf(world, 'expired'),
  })),
  asks('join/used', 'an invitation that another key has used', 'join-token-used', (world) => ({
    url: urlOf(world, 'used'),
  })),
  asks('join/unproven-key', "someone else's public key", 'join-proof-invalid', (world) => ({
    url: urlOf(world, 'open'),
    signedBy: seeds.other,
  })),
  asks('join/proof-for-other-fleet', "a node's proof for another fleet", 'join-proof-invalid', (world) => ({
    url: urlOf(world, 'open'),
    fleet: 'orchard',
  })),
  {
    name: 'join/replayed',
    sent: 'the join request of a removed node, once more',
    code: 'join-token-unknown',
    at: 'gateway',
    run: (world) => {
      const url = urlOf(world, 'gone')
      const { seed, boxSecret } = loadIdentity(joinPath(world.folder, 'pi-gone'))
      const keys = { publicKey: nodeCrypto.publicKey(seed), boxKey: boxKeysOf(boxSecret).publicKey }
      const request = { node: url.node, token: url.token, ...keys }
      const proof = nodeCrypto.sign(seed, joinProof(url.fleet, request))
      return world.gateway.refusal('/v1/join', { cbor: joinRequest.encode({ ...request, proof }) })
    },
  },
  {
    name: 'renew/replayed',
    sent: 'a renewal of before, again and again',
    code: 'too-many-attempts',
    at: 'gateway',
    run: async (world) => {
      const cbor = renewBody(world, 'pi-again', 'pi-again')
      for (let tries = 0; tries < 12; tries++) {
        const code = await world.gateway.refusal('/v1/renew', { cbor })
        if (code !== null) return code
      }
      return null
    },
  },
  renews('renew/by-another', `${neighbour}'s certificate, by the key of ${thief}`, 'join-proof-invalid', (world) =>
    renewBody(world, neighbour, thief),
  ),
  renews('renew/removed', 'a certificate for a node that was removed', 'join-proof-invalid', (world) =>
    renewBody(world, 'pi-gone', 'pi-gone'),
  ),
  renews('renew/revoked', 'a certificate for a node that was revoked', 'node-revoked', (world) =>
    renewBody(world, 'pi-lost', 'pi-lost'),
  ),
  joins('mirrors/other-ca', "a gateway with a stranger's CA of the same name", 'join-ca-mismatch', async (world) =>
    (await strangersCa(world)).issueServer({ names: ['127.0.0.1'] }),
  ),
  joins('mirrors/borrowed-ca', "a stranger's certificate beside the CA's own", 'join-ca-mismatch', async (world) => {
    const { certificate, key } = await (await strangersCa(world)).issueServer({ names: ['127.0.0.1'] })
    const [leaf] = certificate.split(/(?<=-----END CERTIFICATE-----\n)/)
    return { certificate: leaf + world.gateway.authority.certificate, key }
  }),
  joins('mirrors/other-name', "a gateway's certificate for another address", 'join-ca-mismatch', ({ gateway }) =>
    gateway.authority.issueServer({ names: ['gateway.example'] }),
  ),
  joins('mirrors/other-root', 'other root metadata, CA key stolen', 'join-root-mismatch', async (world) => ({
    ...(await world.gateway.authority.issueServer({ names: ['127.0.0.1'] })),
    answer: await otherRoot(world),
  })),
  {
    name: 'mirrors/renewal',
    sent: "a joined node's renewal at a stranger's gateway",
    code: 'join-ca-mismatch',
    at: 'node',
    threats: ['THREAT.NET.REDIRECT'],
    run: async (world) => {
      const fake = await (await strangersCa(world)).issueServer({ names: ['127.0.0.1'] })
      const { seed, node, fleet, ca } = loadIdentity(joinPath(world.folder, neighbour))
      const from = { host: '127.0.0.1', fleet, node, ca }
      return atFake(fake, (port) =>
        renew({ ...from, port }, (message) => nodeCrypto.sign(seed, message), { timeoutMs: 5_000 }),
      )
    },
  },
  {
    name: 'mirrors/broker',
    sent: "a broker with a stranger's CA of the same name",
    code: 'link-refused',
    at: 'node',
    threats: ['THREAT.NET.REDIRECT', 'THREAT.NET.ONPATH'],
    run: async (world) => {
      const fake = await (await strangersCa(world)).issueServer({ names: ['127.0.0.1'] })
      return atFake(fake, (port) => linkError(world, port))
    },
  },
]

/** Rejects with what a node's link says of a broker. */
function linkError({ folder }: World, port: number): Promise<void> {
  const { fleet, node, ca, certificate, seed } = loadIdentity(joinPath(folder, neighbour))
  return new Promise((resolve, reject) => {
    const link = createLink({
      fleet,
      node,
      host: '127.0.0.1',
      port,
      ca,
      certificate,
      key: pemOfSeed(seed),
      run: new Uint8Array(8),
      nextConnection: () => 1,
      clock: systemClock,
      random: Math.random,
      onError: (error) => void link.close().then(() => reject(error)),
    })
    link.onState((state) => {
      if (state === 'online') void link.close().then(resolve)
    })
  })
}
