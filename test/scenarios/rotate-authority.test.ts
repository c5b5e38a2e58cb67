import { copyFileSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import { join } from 'node:path'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { openEnvelope, seedSigner, signMany } from '@hypha/core/trust/cose.ts'
import { rootMetadata } from '@hypha/core/trust/root.ts'
import { maxRootBytes } from '@hypha/core/trust/snapshot.ts'
import { rootChain } from '@hypha/core/wire/messages/root-chain.ts'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { loadIdentity } from '../../agent/home.ts'
import { createBroker } from '../../gateway/broker/aedes-broker.ts'
import type { Broker } from '../../gateway/broker/broker.ts'
import { type Authority, certificateFingerprint, createAuthority, loadAuthority } from '../../gateway/enrol/ca.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { ask, lastValue, Stranger, steadySensor, writeApp } from './support.ts'

// The gateway's certificate authority was stolen, and is replaced while the fleet runs and one node is away. In between, the thief stands in the gateway's place.

const counter = (step: number) => `
import { names } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
let ticks: u32 = 0;
export function tick(nowMs: u64): void {
  if (names().length > 0) emit("ticks", <f64>(ticks += ${step}));
}
`

let fleet: Fleet
let thief: Thief | null = null
/** SHA-256 of the certificate that vouches for the gateway now. */
let current: string

const writeCounter = (step: number) =>
  writeApp(fleet, 'counter', '[module.count]\ntimer = "200ms"\n', { count: counter(step) })
const ticksOf = (node: string, accept: (value: number) => boolean) =>
  lastValue(fleet, { app: 'counter', metric: 'ticks' }, (value) => value.node === node && accept(value.value))
const goesOn = async (node: string) => {
  const { value } = await ticksOf(node, () => true)
  await ticksOf(node, (later) => later > value)
}
const caOf = (node: string) => certificateFingerprint(loadIdentity(fleet.agentHome(node)).ca)
const gatewayFile = (name: string) => join(fleet.folder, 'hypha/gateway', name)
const stolenFile = (name: string) => join(fleet.folder, `stolen-${name}`)

beforeAll(async () => {
  fleet = await Fleet.start()
  await Promise.all(['pi-1', 'pi-2'].map((node) => fleet.addNode(node, { nodeFile: steadySensor })))
  await fleet.hypha(['push', '--no-wait', writeCounter(1)])
  await Promise.all(['pi-1', 'pi-2'].map((node) => ticksOf(node, (value) => value > 0)))
  await fleet.hypha(['client', 'create', 'reader', '--subscribe', 'v/#', '--out', fleet.folder])
  for (const name of ['ca.pem', 'ca.key']) copyFileSync(gatewayFile(name), stolenFile(name))
})
afterEach(() => thief?.close())
afterAll(() => fleet.stop())

/** In the gateway's place, with certificates of an authority of his choice, and root metadata that he has signed himself. */
class Thief {
  readonly #broker: Broker
  readonly #https: Server
  /** Who came so far as to be believed: to publish, or to ask for a certificate. */
  readonly believedBy: string[]
  readonly asked: string[]

  private constructor(broker: Broker, https: Server, believedBy: string[], asked: string[]) {
    this.#broker = broker
    this.#https = https
    this.believedBy = believedBy
    this.asked = asked
  }

  static async start(authority: Authority): Promise<Thief> {
    await fleet.gateway!.end()
    const believedBy: string[] = []
    const asked: string[] = []
    const { key, certificate } = await authority.issueServer({ names: ['127.0.0.1'] })
    const broker = await createBroker(
      {
        fleet: fleet.name,
        host: '127.0.0.1',
        port: fleet.mqttPort,
        tls: { key, certificate, ca: authority.certificate + readFileSync(stolenFile('ca.pem'), 'utf8') },
        grantsOf: () => null,
        admits: ({ id }) => believedBy.push(id) > 0,
        onDenied: () => undefined,
        onDropped: () => undefined,
        onError: () => undefined,
      },
      {
        load: () => ({ retained: [], subscriptions: [], deliveries: [], broadcasts: [], wills: [] }),
        write: () => undefined,
      },
    )
    const chain = forgedChain(authority.fingerprint)
    const https = createServer({ key, cert: certificate }, ({ method, url }, response) => {
      asked.push(`${method} ${url}`)
      response.end(url === '/v1/root-chain' ? chain : '')
    })
    await broker.listen()
    await new Promise<void>((resolve) => https.listen(fleet.httpPort, '127.0.0.1', resolve))
    return new Thief(broker, https, believedBy, asked)
  }

  async close(): Promise<void> {
    thief = null
    this.#https.closeAllConnections()
    await new Promise((resolve) => this.#https.close(resolve))
    await this.#broker.close()
  }
}

/** The genuine root metadata so far, and one above it that names the thief's authority, and that his own key has signed. */
function forgedChain(authority: string): Uint8Array {
  const genuine = [1, 2].map(
    (version) => new Uint8Array(readFileSync(join(fleet.folder, `hypha/root/${version}.root`))),
  )
  const last = rootMetadata.decode(openEnvelope(genuine.at(-1)!, 'root', maxRootBytes).unverifiedPayload)
  const key = seedSigner(nodeCrypto.random(32), nodeCrypto)
  const authorities = [new Uint8Array(Buffer.from(authority, 'hex'))]
  const root = { threshold: 1, keys: [key.publicKey] }
  const forged = signMany(rootMetadata.encode({ ...last, version: 3, root, authorities }), 'root', [key])
  return rootChain.encode({ envelopes: [...genuine, forged] })
}

test('The authority is replaced while one node is away; the other comes back under the new one, and misses nothing', async () => {
  await fleet.agents.get('pi-2')!.end()
  const before = await fleet.json<{ fingerprint: string; named: boolean }[]>(['ca'])
  expect(before).toMatchObject([{ fingerprint: caOf('pi-1'), named: true }])
  const rotated = await fleet.json<{ ca: string; files: { key: string } }>(['ca', 'rotate'])
  expect(rotated).toMatchObject({ version: 2, takenBy: 'gateway' })
  expect(statSync(rotated.files.key).mode & 0o777).toBe(0o600)
  current = rotated.ca
  await fleet.agents.get('pi-1')!.line(/another certificate authority vouches for the gateway/)
  expect(caOf('pi-1')).toBe(current)
  await eventually('the node to be back', async () => {
    const { online } = await ask<{ online: boolean }>(fleet, '/v1/nodes/pi-1')
    return online || undefined
  })
  await goesOn('pi-1')
  const [found] = await fleet.json<{ history: { mean: number }[] }[]>([
    'values',
    '--node',
    'pi-1',
    '--history',
    '10min',
  ])
  const numbers = found!.history.map(({ mean }) => mean)
  // It counts in its memory alone: each once, and none is missing.
  expect(numbers).toEqual(numbers.map((_, index) => index + 1))
  expect(await fleet.json(['ca'])).toMatchObject([{ named: false }, { fingerprint: current, named: true }])
  expect(await fleet.json(['root'])).toMatchObject({ version: 2, authorities: [current] })
})

test('Who has stolen the authority of before is refused by a node that has followed, also after its restart', async () => {
  const read = (name: string) => readFileSync(stolenFile(name), 'utf8')
  thief = await Thief.start(await loadAuthority(fleet.name, { certificate: read('ca.pem'), key: read('ca.key') }))
  await fleet.agents.get('pi-1')!.line(/join-ca-mismatch/)
  await fleet.agents.get('pi-1')!.end('SIGKILL')
  const again = fleet.spawnAgent('pi-1')
  await again.line(/join-ca-mismatch/)
  expect(thief.believedBy).toEqual([])
  expect(thief.asked).not.toContain('POST /v1/renew')
  expect(caOf('pi-1')).toBe(current)
})

test('Who has made an authority of his own is refused by a node that was away, whatever root metadata he shows', async () => {
  thief = await Thief.start(await createAuthority(fleet.name))
  const agent = fleet.spawnAgent('pi-2')
  await agent.line(/threshold-not-met/)
  await agent.line(/join-ca-mismatch/)
  expect(thief.asked).toContain('GET /v1/root-chain')
  expect(thief.asked).not.toContain('POST /v1/renew')
  expect(thief.believedBy).toEqual([])
  expect(caOf('pi-2')).not.toBe(current)
})

test('Both come back to the gateway by themselves, without the key of before, and run what is pushed', async () => {
  rmSync(gatewayFile('ca.key'))
  await fleet.startGateway()
  await fleet.agents.get('pi-2')!.line(/another certificate authority vouches for the gateway/)
  await Promise.all(['pi-1', 'pi-2'].map(goesOn))
  expect([caOf('pi-1'), caOf('pi-2')]).toEqual([current, current])
  await fleet.hypha(['push', '--no-wait', writeCounter(1_000_000)])
  await Promise.all(['pi-1', 'pi-2'].map((node) => ticksOf(node, (value) => value >= 1_000_000)))
})

test('A node that joins after that pins the new one, and a client goes on with the new CA file and its own certificate', async () => {
  const agent = await fleet.addNode('pi-3', { nodeFile: steadySensor })
  await agent.line(/follows root metadata version 2/)
  expect(caOf('pi-3')).toBe(current)
  await ticksOf('pi-3', (value) => value > 0)
  const file = readdirSync(join(fleet.folder, 'hypha/gateway')).find((name) => /^ca-.*\.pem$/.test(name))!
  const where = ['-h', '127.0.0.1', '-p', `${fleet.mqttPort}`, '-i', 'reader', '-t', `hypha/${fleet.name}/v/#`]
  const tls = ['--cert', join(fleet.folder, 'reader.pem'), '--key', join(fleet.folder, 'reader.key')]
  const withOld = new Stranger('mosquitto_sub', [...where, ...tls, '--cafile', stolenFile('ca.pem'), '-C', '1'])
  expect(await withOld.ended).not.toBe(0)
  const withNew = new Stranger('mosquitto_sub', [...where, ...tls, '--cafile', gatewayFile(file), '-C', '1'])
  expect(await withNew.ended, withNew.err).toBe(0)
})

test('A gateway that has lost its authority says so, and goes on with another that is made while it is down', async () => {
  await fleet.gateway!.end()
  const id = current.slice(0, 16)
  rmSync(gatewayFile(`ca-${id}.key`))
  rmSync(gatewayFile(`ca-${id}.pem`))
  await expect(fleet.startGateway()).rejects.toThrow(/ca-unusable/)
  const rotated = await fleet.json<{ ca: string }>(['ca', 'rotate'])
  expect(rotated).toMatchObject({ version: 3, takenBy: 'home' })
  await fleet.startGateway()
  await Promise.all(['pi-1', 'pi-2', 'pi-3'].map(goesOn))
  expect(['pi-1', 'pi-2', 'pi-3'].map(caOf)).toEqual([rotated.ca, rotated.ca, rotated.ca])
})
