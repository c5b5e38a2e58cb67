import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { connect, type TLSSocket } from 'node:tls'
import { ed25519Pkcs8 } from '@hypha/core/bytes/ed25519.ts'
import type { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { type SiteWord, uplinkProtocol } from '@hypha/core/wire/messages/uplink.ts'
import { onTestFinished } from 'vitest'
import { createBroker } from '../../../gateway/broker/aedes-broker.ts'
import { createAuthority } from '../../../gateway/enrol/ca.ts'
import type { HubLimits } from '../../../gateway/uplink/hub-ports.ts'
import { SiteHub } from '../../../gateway/uplink/site-hub.ts'
import { UplinkSpeaker } from '../../support/uplink-speaker.ts'
import { t0, temporaryStore } from '../store/support.ts'

export interface Keys {
  readonly cert?: string
  readonly key?: string
}

const pem = (seed: Uint8Array): string =>
  createPrivateKey({ key: Buffer.from(ed25519Pkcs8(seed)), format: 'der', type: 'pkcs8' }).export({
    format: 'pem',
    type: 'pkcs8',
  }) as string

/** An upstream of fleet "company" on a real port, its hub and its store; agents are a list of what was asked of them. */
export async function startUpstream(limits: Partial<HubLimits> = {}) {
  const authority = await createAuthority('company')
  const store = temporaryStore({ fleet: 'company' })
  const problems: HyphaError[] = []
  const asked: string[] = []
  const changes: string[] = []
  const hub: SiteHub = new SiteHub({
    fleet: 'company',
    sites: store.sites,
    now: () => t0,
    authority,
    certify: (site, publicKey) => authority.issueSite({ site, publicKey }),
    wantsInvite: () => true,
    invited: (site, url) => asked.push(`${site} invites ${url}`),
    left: (site) => asked.push(`${site} leaves`),
    changed: (site, online) => changes.push(`${site} ${online ? 'on' : 'off'}`),
    onProblem: (error) => problems.push(error),
    limits,
  })
  const served = await authority.issueServer({ names: ['127.0.0.1'] })
  const broker = await createBroker(
    {
      fleet: 'company',
      host: '127.0.0.1',
      port: 0,
      tls: { key: served.key, certificate: served.certificate, ca: authority.certificate },
      other: { protocol: uplinkProtocol, onConnection: (socket) => hub.accept(socket) },
      grantsOf: () => null,
      admits: () => true,
      onDenied: () => undefined,
      onDropped: () => undefined,
      onError: () => undefined,
    },
    store.broker,
  )
  const { port } = await broker.listen()
  onTestFinished(async () => {
    hub.close()
    await broker.close()
  })
  return {
    authority,
    store,
    hub,
    broker,
    port,
    problems,
    asked,
    changes,
    /** A site that has joined. */
    async joined(site: string): Promise<Keys> {
      const seed = nodeCrypto.random(32)
      const publicKey = nodeCrypto.publicKey(seed)
      store.sites.invite({ tokenDigest: `${site} ${Math.random()}`, site, expiresAt: t0 }, 1, t0)
      const digest = (
        store.db
          .prepare('SELECT token_digest AS d FROM site_invites WHERE site = ? AND public_key IS NULL')
          .get(site) as { d: string }
      ).d
      store.sites.redeem(digest, site, publicKey, t0, t0)
      const { certificate } = await authority.issueSite({ site, publicKey })
      return { cert: certificate, key: pem(seed) }
    },
    async node(id: string): Promise<Keys> {
      const seed = nodeCrypto.random(32)
      const { certificate } = await authority.issueNode({ id, publicKey: nodeCrypto.publicKey(seed) })
      return { cert: certificate, key: pem(seed) }
    },
    dial: (keys: Keys, protocols = [uplinkProtocol]) =>
      connect({
        host: '127.0.0.1',
        port,
        ca: authority.certificate,
        ...keys,
        ALPNProtocols: protocols,
        minVersion: 'TLSv1.3',
      }),
  }
}

export type TestUpstream = Awaited<ReturnType<typeof startUpstream>>

/** As `UplinkSpeaker`, for as long as the test lasts. */
export class Speaker extends UplinkSpeaker {
  constructor(socket: TLSSocket) {
    super(socket)
    onTestFinished(() => void socket.destroy())
  }
}

export const incarnation = new Uint8Array(8).fill(1)
export const hello: SiteWord = { kind: 'hello', incarnation, begin: 0 }
export const empty = { series: [], samples: [], events: [], logs: [] }

/** A site that is connected. */
export async function connected(upstream: TestUpstream, keys: Keys): Promise<Speaker> {
  const speaker = new Speaker(upstream.dial(keys))
  speaker.say(hello)
  await speaker.heard('welcome')
  return speaker
}

export const read = async (stream: Duplex): Promise<string> => {
  const first = once(stream, 'data')
  stream.resume()
  return String((await first)[0])
}
