import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { openEnvelope, type Signer, seedSigner, signOne } from '@hypha/core/trust/cose.ts'
import { type Directive, directive } from '@hypha/core/trust/directive.ts'
import { maxDirectiveBytes } from '@hypha/core/trust/snapshot.ts'
import { directiveMessage } from '@hypha/core/wire/messages/directive.ts'
import { type NodeState, state } from '@hypha/core/wire/messages/state.ts'
import { fleetTopics } from '@hypha/core/wire/topics.ts'
import Database from 'better-sqlite3'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { createBroker } from '../../gateway/broker/aedes-broker.ts'
import type { Broker } from '../../gateway/broker/broker.ts'
import { loadAuthority } from '../../gateway/enrol/ca.ts'
import { openKeyFile } from '../../gateway/keys/key-file.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { lastValue, steadySensor, writeApp } from './support.ts'

// A thief has the gateway's key, and its certificate authority's: he stands in the gateway's place and raises the version of directives as high as it goes, so that
// nothing honest can follow (TUF specification, 1.5.2: fast-forward). The way out is to replace the key.

const ticker = `
import { get } from "hypha/host/config";
import { names } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
export function tick(nowMs: u64): void {
  const level = get("level");
  emit("level", names().length > 0 && level !== null ? parseFloat(level) : 0);
}
`
const maxVersion = 0xffff_ffff

let fleet: Fleet
let topics: ReturnType<typeof fleetTopics>
let stolen: Signer
let thief: Thief | null = null

const level = (wanted: number) => lastValue(fleet, { app: 'ticker', metric: 'level' }, ({ value }) => value === wanted)
const setLevel = (value: number) => fleet.tryHypha(['config', 'set', 'ticker', 'level', `${value}`, '--json'])

beforeAll(async () => {
  fleet = await Fleet.start()
  topics = fleetTopics(fleet.name)
  await fleet.addNode('pi-1', { nodeFile: steadySensor })
  const config = '[module.tick]\ntimer = "200ms"\n\n[module.tick.config]\nlevel = "1"\n'
  await fleet.hypha(['push', '--no-wait', writeApp(fleet, 'ticker', config, { tick: ticker })])
  await level(1)
  copyFileSync(join(fleet.folder, 'hypha/keys/gateway.key'), join(fleet.folder, 'stolen.key'))
  stolen = seedSigner((await openKeyFile(join(fleet.folder, 'stolen.key'), null)).seed, nodeCrypto)
})
afterEach(() => thief?.close())
afterAll(() => fleet.stop())

/** What nodes believe to be their gateway's broker, and what the node has told it last. */
class Thief {
  readonly #broker: Broker
  last: NodeState | null = null

  private constructor(broker: Broker) {
    this.#broker = broker
    broker.onMessage((_from, topic, payload) => {
      if (topics.parse(topic)?.kind === 'state') this.last = state.decode(Uint8Array.from(payload))
    })
  }

  /** In the gateway's place, with a directive retained for the node. */
  static async start(made: Directive): Promise<Thief> {
    await fleet.gateway!.end()
    const read = (name: string) => readFileSync(join(fleet.folder, 'hypha/gateway', name), 'utf8')
    const authority = await loadAuthority(fleet.name, { certificate: read('ca.pem'), key: read('ca.key') })
    const server = await authority.issueServer({ names: ['127.0.0.1'] })
    const broker = await createBroker(
      {
        fleet: fleet.name,
        host: '127.0.0.1',
        port: fleet.mqttPort,
        tls: { key: server.key, certificate: server.certificate, ca: authority.certificate },
        grantsOf: () => null,
        admits: () => true,
        onDenied: () => undefined,
        onDropped: () => undefined,
        onError: () => undefined,
      },
      {
        load: () => ({ retained: [], subscriptions: [], deliveries: [], broadcasts: [], wills: [] }),
        write: () => undefined,
      },
    )
    const envelope = signOne(directive.encode(made), 'directive', stolen)
    const message = directiveMessage.encode({ envelope, attachments: [] })
    await broker.publish(topics.down('pi-1', 'directive'), message, { retain: true, qos: 1 })
    await broker.listen()
    return new Thief(broker)
  }

  async close(): Promise<void> {
    thief = null
    await this.#broker.close()
  }
}

/** The last directive that the gateway has made, as it stands in its database. */
function lastDirective(): Directive {
  const db = new Database(join(fleet.folder, 'hypha/gateway/hypha.db'), { readonly: true })
  const { envelope } = db.prepare('SELECT envelope FROM directives WHERE node = ?').get('pi-1') as { envelope: Buffer }
  db.close()
  return directive.decode(openEnvelope(Uint8Array.from(envelope), 'directive', maxDirectiveBytes).unverifiedPayload)
}

test("A directive of the highest version that there is, signed with the stolen key, blocks the node for its gateway's", async () => {
  const held = lastDirective()
  const sections = held.sections.map((section) => ({ ...section, epoch: maxVersion }))
  thief = await Thief.start({ ...held, version: maxVersion, sections })
  await eventually('the node holds what the thief has sent', () => thief!.last?.directive === maxVersion || undefined)
  await thief.close()
  await fleet.startGateway()
  await fleet.agents.get('pi-1')!.line(/directive-rollback/)
  await fleet.gateway!.line(/which this gateway can't have made.*directive-versions-spent/)
  // What the gateway wants since then does not reach the node, and nothing else at the gateway is touched by it.
  expect(await setLevel(2)).toMatchObject({ code: 0 })
  expect(await fleet.json(['node', 'pi-1'])).toMatchObject({
    directive: { held: maxVersion },
    refused: { code: 'directive-rollback' },
  })
})

test("Once the gateway's key is replaced the node follows its gateway again", async () => {
  expect(await fleet.json(['key', 'rotate', 'gateway'])).toMatchObject({ version: 2, takenBy: 'gateway' })
  await level(2)
  expect(await setLevel(3)).toMatchObject({ code: 0 })
  await level(3)
})

test('What the stolen key signs after that is refused', async () => {
  const held = lastDirective()
  thief = await Thief.start({ ...held, version: maxVersion, sections: [] })
  const { refused, directive: version } = await eventually('the refusal', () => {
    return thief!.last?.refused == null ? undefined : thief!.last
  })
  expect(refused!.code).toBe('threshold-not-met')
  expect(version).toBe(held.version)
  await thief.close()
  await fleet.startGateway()
  const { at } = await level(3)
  await lastValue(fleet, { app: 'ticker', metric: 'level' }, (later) => later.at > at && later.value === 3)
})
