import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { connect, type TLSSocket } from 'node:tls'
import { ed25519Pkcs8 } from '@hypha/core/bytes/ed25519.ts'
import type { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import {
  type SiteWord,
  siteWord,
  type UpstreamWord,
  uplinkProtocol,
  upstreamWord,
} from '@hypha/core/wire/messages/uplink.ts'
import { onTestFinished } from 'vitest'
import { createBroker } from '../../../gateway/broker/aedes-broker.ts'
import { createAuthority } from '../../../gateway/enrol/ca.ts'
import type { HubLimits } from '../../../gateway/uplink/hub-ports.ts'
import { SiteHub } from '../../../gateway/uplink/site-hub.ts'
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

/** Someone at the site's end who says what a test has them say. */
export class Speaker {
  readonly socket: TLSSocket
  readonly words: UpstreamWord[] = []
  readonly ended: Promise<unknown>
  #bytes = Buffer.alloc(0)
  #wake: () => void = () => undefined

  constructor(socket: TLSSocket) {
    this.socket = socket
    this.ended = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => socket.destroy())
    socket.on('data', (piece: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, piece])
      while (this.#bytes.length >= 4 && this.#bytes.length >= 4 + this.#bytes.readUInt32BE(0)) {
        const end = 4 + this.#bytes.readUInt32BE(0)
        this.words.push(upstreamWord.decode(this.#bytes.subarray(4, end)))
        this.#bytes = this.#bytes.subarray(end)
        this.#wake()
      }
    })
    onTestFinished(() => void socket.destroy())
  }

  raw(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  say(word: SiteWord): void {
    const payload = siteWord.encode(word)
    const header = Buffer.alloc(4)
    header.writeUInt32BE(payload.length)
    this.raw(Buffer.concat([header, payload]))
  }

  /** The first word of a kind that has come or comes. */
  async heard<K extends UpstreamWord['kind']>(kind: K): Promise<Extract<UpstreamWord, { kind: K }>> {
    for (;;) {
      const found = this.words.find((word) => word.kind === kind)
      if (found) return found as Extract<UpstreamWord, { kind: K }>
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve
        this.ended.then(() => reject(new Error(`it ended before it said ${kind}`)))
      })
    }
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
