import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server, type TLSSocket } from 'node:tls'
import mqttPacket, { type IPublishPacket, type Packet } from 'mqtt-packet'
import type { Identity } from '../../agent/home.ts'
import type { Authority } from '../../gateway/enrol/ca.ts'
import { ed25519Pkcs8 } from '../../src/bytes/ed25519.ts'

/**
 * Between a node and its gateway, in both their names: what the gateway publishes on some topics is held back, and overtaken by all else, as no cut and no delay of a
 * connection can bring about.
 */
export class TopicRelay {
  readonly #server: Server
  readonly #sockets = new Set<TLSSocket>()
  readonly #held: (() => void)[] = []
  #holds: ((topic: string) => boolean) | null = null
  /** Topics of what has reached the node, in their order. */
  readonly passed: string[] = []

  private constructor(server: Server) {
    this.#server = server
  }

  /** For a node, by the keys that it joined with; the gateway's broker is on this port of this machine. */
  static async start(identity: Identity, authority: Authority, toPort: number): Promise<TopicRelay> {
    const { key, certificate } = await authority.issueServer({ names: ['127.0.0.1'] })
    const { ca, certificate: cert, seed } = identity
    const own = createPrivateKey({ key: Buffer.from(ed25519Pkcs8(seed)), format: 'der', type: 'pkcs8' })
    const asNode = { host: '127.0.0.1', port: toPort, ca, cert, key: own.export({ format: 'pem', type: 'pkcs8' }) }
    const server = createServer({ key, cert: certificate, ca: authority.certificate, requestCert: true })
    const relay = new TopicRelay(server)
    server.on('secureConnection', (node) => relay.#join(node, connect(asNode)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return relay
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** How much is held back. */
  get held(): number {
    return this.#held.length
  }

  /** Holds back what is published from now on on topics of which this is true. */
  hold(holds: (topic: string) => boolean): void {
    this.#holds = holds
  }

  /** Lets the oldest that is held back go on. */
  letOneGo(): void {
    this.#held.shift()?.()
  }

  /** Lets all go on, and holds nothing more. */
  letGo(): void {
    this.#holds = null
    for (const go of this.#held.splice(0)) go()
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }

  #join(node: TLSSocket, gateway: TLSSocket): void {
    for (const [from, to] of [
      [node, gateway],
      [gateway, node],
    ] as const) {
      this.#sockets.add(from)
      from.setNoDelay(true)
      from.on('error', () => from.destroy())
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
    }
    node.pipe(gateway)
    const parser = mqttPacket.parser({ protocolVersion: 4 })
    parser.on('packet', (packet) => this.#fromGateway(packet, node))
    gateway.on('data', (bytes) => parser.parse(bytes))
  }

  #fromGateway(packet: Packet, node: TLSSocket): void {
    const bytes = mqttPacket.generate(packet)
    const { topic } = packet as IPublishPacket
    if (packet.cmd !== 'publish') return void node.write(bytes)
    const go = () => {
      this.passed.push(topic)
      node.write(bytes)
    }
    if (this.#holds?.(topic)) this.#held.push(go)
    else go()
  }
}
