import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:tls'
import { ed25519Pkcs8 } from '@hypha/core/bytes/ed25519.ts'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import { loadIdentity } from '../../../agent/home.ts'
import { patience, words } from './row.ts'

/** A certificate and its key, PEM; none for a stranger who has nothing. */
export interface Credentials {
  readonly certificate: string
  readonly key: string
}

export const pemOfSeed = (seed: Uint8Array): string =>
  createPrivateKey({ key: Buffer.from(ed25519Pkcs8(seed)), format: 'der', type: 'pkcs8' }).export({
    format: 'pem',
    type: 'pkcs8',
  }) as string

/** The certificate and key of a node that has joined from a folder. */
export function stolenFrom(home: string): Credentials {
  const { certificate, seed } = loadIdentity(home)
  return { certificate, key: pemOfSeed(seed) }
}

/** An MQTT client that keeps to no rule of Hypha's. */
export class MqttAttacker {
  readonly #client: MqttClient
  /** mqtt.js forgets callbacks when a connection ends: here each is answered. */
  readonly #outstanding = new Set<(error: Error) => void>()
  #ended = false
  readonly heard: { readonly topic: string; readonly text: string }[] = []

  private constructor(client: MqttClient) {
    this.#client = client
    client.on('error', () => undefined)
    client.on('close', () => this.#end())
    client.on('message', (topic, payload) => this.heard.push({ topic, text: payload.toString('latin1') }))
  }

  /** A connection, or in which way it was refused. */
  static async connect(
    port: number,
    credentials: Credentials | null,
    clientId: string,
    options: IClientOptions = {},
  ): Promise<MqttAttacker | string> {
    const client = mqtt.connect({
      protocol: 'mqtts',
      host: '127.0.0.1',
      port,
      // Attackers don't ask whom they attack.
      rejectUnauthorized: false,
      ...(credentials === null ? {} : { cert: credentials.certificate, key: credentials.key }),
      clientId,
      clean: true,
      reconnectPeriod: 0,
      ...options,
    })
    const attacker = new MqttAttacker(client)
    const refused = await new Promise<string | null>((resolve) => {
      client.once('connect', () => resolve(null))
      client.once('error', (error: Error & { code?: unknown }) =>
        resolve(typeof error.code === 'number' ? `connack-${error.code}` : words.tls),
      )
      client.once('close', () => resolve(words.tls))
    })
    if (refused === null) return attacker
    client.end(true)
    return refused
  }

  /** As `connect` for a connection that must be let in. */
  static async letIn(...args: Parameters<typeof MqttAttacker.connect>): Promise<MqttAttacker> {
    const connected = await MqttAttacker.connect(...args)
    if (typeof connected === 'string') throw new Error(`${args[2]} was not let in: ${connected}`)
    return connected
  }

  /** Resolves with the broker's PUBACK. */
  async publish(topic: string, payload: Uint8Array | string, retain = false): Promise<void> {
    const bytes = typeof payload === 'string' ? payload : Buffer.from(payload)
    await this.#track<void>((done) =>
      this.#client.publish(topic, bytes, { qos: 1, retain }, (error) => done(error ?? null)),
    )
  }

  /** The refusal, or null where it was granted. */
  subscribe(filter: string): Promise<string | null> {
    return this.#track<string | null>((done) => {
      this.#client.subscribe(filter, { qos: 1 }, (_error, _requested, packet) => {
        const granted = (packet as { granted?: readonly number[] } | undefined)?.granted?.[0]
        done(null, granted === 128 || granted === undefined ? words.suback : null)
      })
    })
  }

  #track<T>(start: (done: (error: Error | null, value?: T) => void) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#ended) return reject(ended())
      this.#outstanding.add(reject)
      start((error, value) => {
        this.#outstanding.delete(reject)
        if (error) reject(error)
        else resolve(value as T)
      })
    })
  }

  #end(): void {
    this.#ended = true
    for (const reject of this.#outstanding) reject(ended())
    this.#outstanding.clear()
  }

  hasHeard(topic: string, text: string): boolean {
    return this.heard.some((each) => each.topic === topic && each.text === text)
  }

  close(): void {
    this.#client.end(true)
  }
}

const ended = () => new Error('the connection was ended')

/** Bytes on a TLS connection: how the other side ended it, or null if it didn't in good time. */
export async function sendBytes(
  port: number,
  { certificate, key }: Credentials,
  parts: readonly Uint8Array[],
): Promise<string | null> {
  const socket = connect({ host: '127.0.0.1', port, cert: certificate, key, rejectUnauthorized: false })
  socket.on('error', () => undefined)
  await once(socket, 'secureConnect')
  for (const part of parts) socket.write(part)
  const ended = await Promise.race([
    once(socket, 'close').then(() => words.closed),
    new Promise<null>((resolve) => setTimeout(resolve, patience.refused, null).unref()),
  ])
  socket.destroy()
  return ended
}
