import { connect, type Socket } from 'node:net'
import { connect as connectTls, type SecureContext } from 'node:tls'
import { fleet } from './messages.ts'

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes])
}

const packet = (first: number, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts)
  if (body.length > 127) throw new RangeError('a short packet')
  return Buffer.concat([Buffer.from([first, body.length]), body])
}

/** MQTT 3.1.1, a session that stays, an hour's keepalive. */
const connectPacket = (id: string) => packet(0x10, text('MQTT'), Buffer.from([4, 0, 0x0e, 0x10]), text(id))
/** Two of a node's own topics beside the one that counts, QoS 1. */
const subscribePacket = (id: string, filter: string, messageId: number) =>
  packet(0x82, Buffer.from([0, messageId]), text(filter.replace('<me>', id)), Buffer.from([1]))
const filters = [`hypha/${fleet}/b/commit/+`, `hypha/${fleet}/b/root`, `hypha/${fleet}/n/<me>/down/directive`]

export interface NodePorts {
  readonly id: string
  readonly port: number
  readonly localAddress: string
  readonly secureContext: SecureContext | null
  readonly mqtt: boolean
  /** Subscribed. */
  onReady(): void
  onMessage(number: number): void
}

/** A node of a few hundred bytes: CONNECT, SUBSCRIBE, then it counts what is published and acknowledges it. */
export class LightNode {
  readonly #ports: NodePorts
  #socket: Socket | null = null
  #rest: Buffer = Buffer.alloc(0)

  constructor(ports: NodePorts) {
    this.#ports = ports
  }

  open(): void {
    const { port, localAddress, secureContext, mqtt, id } = this.#ports
    const at = { host: '127.0.0.1', port, localAddress }
    const opened = () => {
      if (mqtt) socket.write(connectPacket(id))
      else this.#ports.onReady()
    }
    const socket = secureContext ? connectTls({ ...at, secureContext }, opened) : connect(at, opened)
    socket.setNoDelay(true)
    socket.on('error', (error) => {
      if (this.#socket === socket) throw error
    })
    socket.on('data', (data) => this.#read(data))
    this.#rest = Buffer.alloc(0)
    this.#socket = socket
  }

  cut(): void {
    const socket = this.#socket
    this.#socket = null
    socket?.destroy()
  }

  #read(data: Buffer): void {
    let bytes = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data])
    for (;;) {
      const length = lengthOf(bytes)
      if (length === null || bytes.length < length) break
      this.#take(bytes.subarray(0, length))
      bytes = bytes.subarray(length)
    }
    this.#rest = bytes
  }

  #take(bytes: Buffer): void {
    const socket = this.#socket
    const type = bytes[0]! >> 4
    if (type === 2) {
      if (bytes[3] !== 0) throw new Error(`CONNACK ${bytes[3]}`)
      for (const [index, filter] of filters.entries()) socket?.write(subscribePacket(this.#ports.id, filter, index + 1))
    } else if (type === 9 && bytes[3] === filters.length) this.#ports.onReady()
    else if (type === 3) {
      const qos = (bytes[0]! >> 1) & 3
      const at = headerBytes(bytes) + 2
      const topicEnd = at + bytes.readUInt16BE(at - 2)
      if (qos > 0) socket?.write(Buffer.from([0x40, 2, bytes[topicEnd]!, bytes[topicEnd + 1]!]))
      this.#ports.onMessage(bytes.readUInt32BE(topicEnd + (qos > 0 ? 2 : 0)))
    }
  }
}

const headerBytes = (bytes: Buffer): number => {
  let at = 1
  while (bytes[at]! > 127) at++
  return at + 1
}

/** Of the packet that begins here, all told; null if that can't be seen yet. */
function lengthOf(bytes: Buffer): number | null {
  let length = 0
  for (let at = 1; at < bytes.length; at++) {
    length += (bytes[at]! & 127) * 128 ** (at - 1)
    if (bytes[at]! < 128) return length + at + 1
  }
  return null
}
