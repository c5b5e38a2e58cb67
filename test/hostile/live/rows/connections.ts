import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { fleetTopics } from '@hypha/core/wire/topics.ts'
import type { IClientOptions } from 'mqtt'
import { bystander, rogue } from '../fixture.ts'
import { type Credentials, MqttAttacker, sendBytes, stolenFrom } from '../mqtt-attacker.ts'
import { type Row, words } from '../row.ts'
import type { World } from '../world.ts'
import { strangersCa } from './joining.ts'

// Who comes to the gateway's broker, with which certificate, and as whom.

type BrokerRow = Omit<Row<World>, 'at'>

const connection = (
  name: string,
  sent: string,
  code: string,
  who: (world: World) => Promise<Credentials | null> | Credentials | null,
  clientId: string,
  options: IClientOptions = {},
): BrokerRow => ({
  name,
  sent,
  code,
  async run(world) {
    const made = await MqttAttacker.connect(world.gateway.mqttPort, await who(world), clientId, options)
    if (typeof made === 'string') return made
    made.close()
    return null
  },
})

const pem = (key: KeyObject): string => key.export({ format: 'pem', type: 'pkcs8' }).toString()

/** A node's certificate by a CA, for a key of the attacker's own. */
async function certified(by: World['gateway']['authority'], id: string, days = 1): Promise<Credentials> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))
  const { certificate } = await by.issueNode({ id, publicKey: raw, days })
  return { certificate, key: pem(privateKey) }
}

const own = ({ folder }: World): Credentials => stolenFrom(join(folder, rogue))
const topics = fleetTopics('garden')

const rows: BrokerRow[] = [
  connection('stranger/no-certificate', 'a connection without a certificate', words.tls, () => null, bystander),
  connection(
    'stranger/other-ca',
    "a certificate of a stranger's CA with our CA's name",
    words.tls,
    async (world) => certified(await strangersCa(world), bystander),
    bystander,
  ),
  connection(
    'stranger/expired',
    'a certificate that has expired',
    words.tls,
    ({ gateway }) => certified(gateway.authority, bystander, -1),
    bystander,
  ),
  connection(
    'stranger/never-recorded',
    "a new certificate in a node's name, CA key stolen",
    words.unauthorised,
    ({ gateway }) => certified(gateway.authority, bystander),
    bystander,
  ),
  connection(
    'stranger/never-joined',
    'a certificate for a node that never joined, CA key stolen',
    words.unauthorised,
    ({ gateway }) => certified(gateway.authority, 'pi-ghost'),
    'pi-ghost',
  ),
  connection(
    'stranger/servers-certificate',
    "the gateway's own certificate, as a client's",
    words.tls,
    async ({ gateway }) => {
      const { certificate, key } = await gateway.authority.issueServer({ names: ['127.0.0.1'] })
      return { certificate, key }
    },
    'gateway',
  ),
  connection(
    'identity/removed-node',
    'the certificate of a node that was removed',
    words.unauthorised,
    ({ folder }) => stolenFrom(join(folder, 'pi-gone')),
    'pi-gone',
  ),
  connection(
    'identity/revoked-node',
    'the certificate of a node that was revoked',
    words.unauthorised,
    ({ folder }) => stolenFrom(join(folder, 'pi-lost')),
    'pi-lost',
  ),
  connection(
    'identity/removed-client',
    'the certificate of a client that was removed',
    words.unauthorised,
    ({ facts }) => facts.clients.gone,
    'gone',
  ),
  connection('identity/other-node', `${rogue} with the client id ${bystander}`, words.identifier, own, bystander),
  connection('identity/empty-client-id', `${rogue} with no client id`, words.identifier, own, ''),
  connection(
    'identity/client-as-node',
    `a foreign client with the client id ${bystander}`,
    words.identifier,
    ({ facts }) => facts.clients.leaver,
    bystander,
  ),
  connection('identity/will-of-other', `a will on ${bystander}'s presence`, words.unauthorised, own, rogue, {
    will: { topic: topics.presence(bystander), payload: Buffer.from('x'), qos: 1, retain: true },
  }),
  connection('identity/will-as-gateway', `a will on ${bystander}'s directive`, words.unauthorised, own, rogue, {
    will: { topic: topics.down(bystander, 'directive'), payload: Buffer.from('x'), qos: 1, retain: true },
  }),
  connection(
    'identity/will-of-client',
    "a foreign client's will on a topic that it may write",
    words.unauthorised,
    ({ facts }) => facts.clients.leaver,
    'leaver',
    { will: { topic: topics.message('ticker', 'in/own'), payload: Buffer.from('x'), qos: 1, retain: false } },
  ),
  {
    name: 'endless/mqtt-packet',
    sent: 'an MQTT packet that announces 256 MiB',
    code: words.closed,
    run: (world) => sendBytes(world.gateway.mqttPort, own(world), [new Uint8Array([0x10, 0xff, 0xff, 0xff, 0x7f])]),
  },
  {
    name: 'endless/mqtt-no-connect',
    sent: 'a PUBLISH before any CONNECT',
    code: words.closed,
    run: (world) => sendBytes(world.gateway.mqttPort, own(world), [new Uint8Array([0x30, 5, 0, 1, 0x61, 0x62, 0x63])]),
  },
]

export const connectionRows: readonly Row<World>[] = rows.map((row) => ({ ...row, at: 'broker' }))
