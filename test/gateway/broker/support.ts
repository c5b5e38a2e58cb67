import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { connect, type TLSSocket } from 'node:tls'
import Database from 'better-sqlite3'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import type { Grants } from '../../../gateway/broker/access.ts'
import { createBroker } from '../../../gateway/broker/aedes-broker.ts'
import type { Broker, BrokerLimits, BrokerOptions, ClientEvent, Denial } from '../../../gateway/broker/broker.ts'
import type { ClientIdentity } from '../../../gateway/broker/identity.ts'
import { type Authority, createAuthority } from '../../../gateway/enrol/ca.ts'
import { broadcastMigration, brokerMigration, SqliteBrokerStore } from '../../../gateway/store/broker-store.ts'

export interface Credentials {
  readonly id: string
  readonly ca: string
  readonly cert: string
  readonly key: string
}

interface Heard {
  readonly from: ClientIdentity
  readonly topic: string
  readonly text: string
}

/** A broker of fleet "greens" on a real port, and all that it said. */
export interface TestBroker {
  readonly authority: Authority
  readonly db: Database.Database
  readonly broker: Broker
  readonly port: number
  readonly heard: Heard[]
  readonly events: ClientEvent[]
  readonly denials: Denial[]
  readonly dropped: [client: string, count: number][]
  readonly errors: unknown[]
  /** By client. */
  readonly grants: Map<string, Grants>
  readonly removed: Set<string>
  /** Replaces what is done with messages. */
  handle: (from: ClientIdentity, topic: string, payload: Uint8Array) => void | Promise<void>
  close(): Promise<void>
}

export interface Former {
  readonly authority: Authority
  readonly db: Database.Database
}

function openBrokerDatabase(path = ':memory:'): Database.Database {
  const db = new Database(path)
  db.exec(brokerMigration + broadcastMigration)
  return db
}

/** With `former`, as after a restart: the same authority and database. */
export async function startBroker({
  limits = {},
  former,
  options = {},
}: {
  limits?: Partial<BrokerLimits>
  former?: Former
  options?: Partial<Pick<BrokerOptions, 'ticketKeys' | 'mayReceive' | 'now'>>
} = {}): Promise<TestBroker> {
  const authority = former?.authority ?? (await createAuthority('greens'))
  const db = former?.db ?? openBrokerDatabase()
  const served = await authority.issueServer({ names: ['localhost', '127.0.0.1'] })
  const test = {
    authority,
    db,
    heard: [] as Heard[],
    events: [] as ClientEvent[],
    denials: [] as Denial[],
    dropped: [] as [string, number][],
    errors: [] as unknown[],
    grants: new Map<string, Grants>(),
    removed: new Set<string>(),
    handle: (from: ClientIdentity, topic: string, payload: Uint8Array): void | Promise<void> => {
      test.heard.push({ from, topic, text: Buffer.from(payload).toString() })
    },
  }
  const broker = await createBroker(
    {
      fleet: 'greens',
      host: '127.0.0.1',
      port: 0,
      tls: { key: served.key, certificate: served.certificate, ca: authority.certificate },
      grantsOf: (client) => test.grants.get(client) ?? null,
      admits: (client) => !test.removed.has(client.id),
      onDenied: (denial) => test.denials.push(denial),
      onDropped: (client, count) => test.dropped.push([client, count]),
      onError: (error) => test.errors.push(error),
      limits,
      ...options,
    },
    new SqliteBrokerStore(db, 'greens'),
  )
  broker.onMessage((from, topic, payload) => test.handle(from, topic, payload))
  broker.onClient((event) => test.events.push(event))
  const { port } = await broker.listen()
  return Object.assign(test, { broker, port, close: () => broker.close() })
}

export async function nodeCredentials(authority: Authority, id: string, days?: number): Promise<Credentials> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))
  const issued = await authority.issueNode({ id, publicKey: raw, ...(days === undefined ? {} : { days }) })
  return { id, ca: authority.certificate, cert: issued.certificate, key: pem(privateKey) }
}

const pem = (key: KeyObject) => key.export({ format: 'pem', type: 'pkcs8' }).toString()

export async function clientCredentials(authority: Authority, name: string): Promise<Credentials> {
  const issued = await authority.issueClient({ name })
  return { id: name, ca: authority.certificate, cert: issued.certificate, key: issued.key }
}

const open = new Set<MqttClient>()

/** A plain mqtt.js client, connected. Rejects when it is refused. */
export async function connectClient(
  port: number,
  { id, ca, cert, key }: Credentials,
  options: IClientOptions = {},
): Promise<MqttClient> {
  const client = mqtt.connect({
    protocol: 'mqtts',
    host: '127.0.0.1',
    port,
    ca,
    cert,
    key,
    clientId: id,
    reconnectPeriod: 0,
    ...options,
  })
  open.add(client)
  await new Promise<void>((resolve, reject) => {
    client.once('connect', () => resolve())
    client.once('error', reject)
    client.once('close', () => reject(new Error('closed before CONNACK')))
  })
  client.on('error', () => undefined)
  return client
}

export async function endClients(): Promise<void> {
  await Promise.all([...open].map((client) => client.endAsync(true)))
  open.clear()
}

/** A socket after its TLS handshake, to speak to the broker by the byte. */
export function connectTls(port: number, { ca, cert, key }: Credentials, session?: Buffer): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca, cert, key, ...(session ? { session } : {}) })
    socket.once('secureConnect', () => resolve(socket))
    socket.once('error', reject)
  })
}

/** What a client receives, as "topic payload", with an exclamation mark before retained ones. */
export function inbox(client: MqttClient): string[] {
  const received: string[] = []
  client.on('message', (topic, payload, packet) => received.push(`${packet.retain ? '!' : ''}${topic} ${payload}`))
  return received
}
