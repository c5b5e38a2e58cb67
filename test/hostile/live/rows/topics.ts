import { join } from 'node:path'
import { presence } from '@hypha/core/wire/messages/presence.ts'
import { state } from '@hypha/core/wire/messages/state.ts'
import { fleetTopics } from '@hypha/core/wire/topics.ts'
import { eventually } from '../../../../examples/demo/processes.ts'
import { app, neighbour, thief } from '../fixture.ts'
import { Forge } from '../forge.ts'
import { MqttAttacker, stolenFrom } from '../mqtt-attacker.ts'
import { type Row, words } from '../row.ts'
import type { World } from '../world.ts'

// What a node that joined, and a client that was let in, tries on the topics of others.

const topics = fleetTopics('garden')
const digest = 'ab'.repeat(32)

/** Two attackers that were let in, and whoever could hear what they say. */
export interface Topics {
  readonly world: World
  readonly node: MqttAttacker
  readonly client: MqttAttacker
  readonly hearers: readonly MqttAttacker[]
  close(): void
}

export async function openTopics(world: World): Promise<Topics> {
  const { folder, facts, gateway } = world
  const port = gateway.mqttPort
  const [node, other, client, reader] = await Promise.all([
    MqttAttacker.letIn(port, stolenFrom(join(folder, thief)), thief),
    MqttAttacker.letIn(port, stolenFrom(join(folder, neighbour)), neighbour),
    MqttAttacker.letIn(port, facts.clients.writer, 'writer'),
    MqttAttacker.letIn(port, facts.clients.reader, 'reader'),
  ])
  // A node that never says who it is has no word to say.
  const online = (run: number) =>
    presence.encode({ connection: 1, online: true, run: new Uint8Array(8).fill(run), journal: null })
  await node.publish(topics.presence(thief), online(1), true)
  const may = async (who: MqttAttacker, ...filters: readonly string[]) => {
    for (const filter of filters) {
      if ((await who.subscribe(filter)) !== null) throw new Error(`${filter} was refused to who may read it`)
    }
  }
  const broadcast = [topics.rootMetadata, topics.beat, topics.release('+'), topics.commit('+')]
  await may(other, `hypha/garden/n/${neighbour}/down/#`, topics.link(neighbour, '+'), ...broadcast)
  await may(reader, 'hypha/garden/v/#', 'hypha/garden/m/#')
  await other.publish(
    topics.presence(neighbour),
    presence.encode({ connection: 7, online: true, run: null, journal: null }),
    true,
  )
  const hearers = [other, reader]
  const all = [node, client, ...hearers]
  return { world, node, client, hearers, close: () => void all.map((each) => each.close()) }
}

let marks = 0

/** Nobody hears a PUBLISH that was acknowledged, and what is allowed and comes after it is heard. */
async function publishes(
  { node, client, hearers }: Topics,
  as: 'node' | 'client',
  topic: string,
): Promise<string | null> {
  const text = `forged ${++marks}`
  const from = as === 'node' ? node : client
  await from.publish(topic, text, false)
  const [other, reader] = hearers as [MqttAttacker, MqttAttacker]
  const [toNode, toWorld] = [topics.link(neighbour, thief), topics.message(app, 'in/own')]
  await Promise.all([node.publish(toNode, text), client.publish(toWorld, text)])
  await eventually(
    'what is allowed to be heard',
    () => (other.hasHeard(toNode, text) && reader.hasHeard(toWorld, text)) || undefined,
  )
  return hearers.some((each) => each.hasHeard(topic, text)) ? null : words.dropped
}

type TopicRow = Omit<Row<Topics>, 'at'>

const publish = (name: string, as: 'node' | 'client', what: string, topic: string): TopicRow => ({
  name: `topics/${as}-publish-${name}`,
  sent: `${as === 'node' ? thief : 'a client'} publishes ${what}`,
  code: words.dropped,
  run: (target) => publishes(target, as, topic),
})

interface NodeView {
  readonly online: boolean
  readonly inventory: { readonly agentVersion: string } | null
  readonly directive: { readonly wanted: number }
}

const shown = ({ world }: Topics, node: string): Promise<NodeView> =>
  world.gateway.api.request<NodeView>('GET', `/v1/nodes/${node}`)

/** A node's word about itself. */
const word = (agentVersion: string): Uint8Array =>
  state.encode({
    incarnation: new Uint8Array(8),
    tier: 'device',
    bootedMs: 1,
    inventory: {
      agentVersion,
      arch: 'x64',
      os: 'linux',
      memoryBytes: 1,
      storageBytes: 1,
      interfaces: [],
      features: [],
      forms: [],
      sensors: [],
      actuators: [],
      labels: [],
      updates: null,
    },
    directive: 0,
    sections: [],
    contents: [],
    refused: null,
    children: null,
  })

/** Speaks in the neighbour's name, then in its own: when the gateway shows the second, it has passed over the first or believed it. */
const speaks = (
  name: string,
  what: string,
  topic: string,
  bytes: (target: Topics) => Uint8Array,
  believed: (view: NodeView) => boolean,
): TopicRow => ({
  name: `topics/node-publish-${name}`,
  sent: `${thief} publishes ${what}`,
  code: words.dropped,
  async run(target) {
    const mark = `own ${++marks}`
    await target.node.publish(topic, bytes(target))
    await target.node.publish(topics.state(thief), word(mark))
    await eventually(
      'what it says of itself',
      async () => (await shown(target, thief)).inventory?.agentVersion === mark || undefined,
    )
    return believed(await shown(target, neighbour)) ? null : words.dropped
  },
})

/** Its version shows, where the gateway goes on from it. */
const proven = 4_000

function proof({ world }: Topics): Uint8Array {
  const forge = new Forge(world.facts)
  return forge.signDirective(forge.directive({ node: neighbour, version: proven }))
}

const threatsOf = (name: string): readonly string[] =>
  name.startsWith('chunks') ? ['THREAT.IMG.DISCLOSURE'] : name === 'directive' ? ['THREAT.MFST.EXPOSURE'] : []

const subscribe = (name: string, as: 'node' | 'client', filter: string): TopicRow => ({
  name: `topics/${as}-subscribe-${name}`,
  sent: `${as === 'node' ? thief : 'a client'} subscribes to ${filter.replace('hypha/garden/', '…/').replace(digest, `${digest.slice(0, 8)}…`)}`,
  code: words.suback,
  threats: threatsOf(name),
  run: ({ node, client }) => (as === 'node' ? node : client).subscribe(filter),
})

/** What only the gateway says, and some node or client hears. */
const ofGateway: readonly (readonly [name: string, what: string, topic: string])[] = [
  ['directive', `a directive to ${neighbour}`, topics.down(neighbour, 'directive')],
  ['down-ack', `an acknowledgement to ${neighbour}`, topics.down(neighbour, 'ack')],
  ['input', `an input to ${neighbour}`, topics.down(neighbour, 'input')],
  ['request', `a request to ${neighbour}`, topics.down(neighbour, 'request')],
  ['root', 'root metadata', topics.rootMetadata],
  ['beat', 'a beat', topics.beat],
  ['release', 'an index of releases', topics.release(app)],
  ['commit', 'a commit', topics.commit(app)],
  ['value', 'a last value', topics.value(neighbour, app, 'tick', 'level')],
  ['message', "a message of an app's inbox", topics.message(app, 'in/others')],
]

const filters: readonly (readonly [name: string, filter: string])[] = [
  ['all', '#'],
  ['one-level', '+/+/#'],
  ['fleet', 'hypha/garden/#'],
  ['fleet-plus', 'hypha/+/n/+/state'],
  ['other-fleet', 'hypha/orchard/#'],
  ['sys', '$SYS/#'],
  ['share', '$share/g/hypha/garden/#'],
  ['nodes', 'hypha/garden/n/#'],
  ['state', topics.state(neighbour)],
  ['presence', topics.presence('+')],
  ['up', topics.up(neighbour, 'report')],
  ['directive', topics.down(neighbour, 'directive')],
  ['input', topics.down('+', 'input')],
  ['links-of-other', topics.link(neighbour, '+')],
  ['links-to-other', topics.link('+', neighbour)],
]

const rows: TopicRow[] = [
  ...ofGateway.map(([name, what, topic]) => publish(name, 'node', what, topic)),
  publish('link-as-other', 'node', `a call to ${neighbour} as pi-9`, topics.link(neighbour, 'pi-9')),
  speaks(
    'presence',
    `that ${neighbour} is gone`,
    topics.presence(neighbour),
    () => presence.encode({ connection: 8, online: false, run: null, journal: null }),
    ({ online }) => !online,
  ),
  speaks(
    'state',
    `a state of ${neighbour}`,
    topics.state(neighbour),
    () => word('forged'),
    ({ inventory }) => inventory?.agentVersion === 'forged',
  ),
  speaks(
    'up-proof',
    `a directive that ${neighbour} is to hold`,
    topics.up(neighbour, 'proof'),
    proof,
    ({ directive }) => directive.wanted >= proven,
  ),
  {
    name: 'topics/node-publish-up-report',
    sent: `${thief} publishes a report of ${neighbour}`,
    code: words.dropped,
    async run({ world, node }) {
      const malformed = new Uint8Array([0xa1, 5, 0x9a, 0xff, 0xff, 0xff, 0xff])
      for (const name of [neighbour, thief]) await node.publish(topics.up(name, 'report'), malformed)
      const events = () =>
        world.gateway.api.request<{ node: string }[]>('GET', '/v1/events', { query: { limit: '1000' } })
      const of = async (name: string) => (await events()).some((each) => each.node === name)
      await eventually('what it says of itself', async () => (await of(thief)) || undefined)
      return (await of(neighbour)) ? null : words.dropped
    },
  },
  ...ofGateway.map(([name, what, topic]) => publish(name, 'client', what, topic)),
  publish('link', 'client', `a call to ${neighbour}`, topics.link(neighbour, 'writer')),
  ...filters.map(([name, filter]) => subscribe(name, 'node', filter)),
  subscribe('chunks', 'node', topics.chunks('+')),
  subscribe('chunks-of-other', 'node', topics.chunks(digest)),
  subscribe('broadcast', 'node', 'hypha/garden/b/#'),
  subscribe('messages', 'node', 'hypha/garden/m/#'),
  subscribe('values', 'node', 'hypha/garden/v/#'),
  ...filters.map(([name, filter]) => subscribe(name, 'client', filter)),
  subscribe('root', 'client', topics.rootMetadata),
  subscribe('messages-of-app', 'client', topics.message(app, '#')),
  subscribe('values-of-all', 'client', 'hypha/garden/v/#'),
]

export const topicRows: readonly Row<Topics>[] = rows.map((row) => ({ ...row, at: 'broker' }))
