import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { type LinkCall, type LinkReply, linkMessage } from '@hypha/core/wire/messages/link.ts'
import { fleetTopics } from '@hypha/core/wire/topics.ts'
import { eventually } from '../../../../examples/demo/processes.ts'
import { app, neighbour, thief, victim as victimId } from '../fixture.ts'
import { MqttAttacker, stolenFrom } from '../mqtt-attacker.ts'
import type { Row } from '../row.ts'
import type { Victim } from '../victim.ts'

// A node that joined calls another one's modules. The broker vouches for its name; all else in a call is its own word.

const topics = fleetTopics('garden')
const served = 'garden:plants/valve@0.1.0'

type NodeRow = Omit<Row<Victim>, 'at'>

/** A call as the directive lists it, but for `changes`; by whichever node. */
const call = (name: string, sent: string, changes: Partial<LinkCall>, by: string = neighbour): NodeRow => ({
  name,
  sent,
  code: 'link-not-listed',
  async run(victim) {
    await obeyServing(victim)
    const node = await MqttAttacker.letIn(victim.evil.port, stolenFrom(join(victim.folder, '..', by)), by)
    try {
      return await codeOf(node, by, { ...listed(), ...changes }, victim.patienceMs)
    } finally {
      node.close()
    }
  },
})

const listed = (): LinkCall => ({
  id: new Uint8Array(randomBytes(16)),
  app,
  interface: served,
  digest: new Uint8Array(32),
  func: 'water',
  caller: { module: 'sampler', home: neighbour },
  callee: { module: 'tick', home: null },
  home: neighbour,
  budgetMs: 5_000,
  path: [`${neighbour}/${app}`],
  args: Uint8Array.of(0x80),
})

/** The node is to answer one caller, of the neighbour's own device. */
async function obeyServing(victim: Victim): Promise<void> {
  const callers = [{ node: neighbour, module: 'sampler', home: neighbour }]
  const section = victim.section({ served: [{ module: 'tick', home: null, interface: served, callers }] })
  const directive = victim.next({ sections: [section] })
  victim.evil.sendDirective(victim.forge.signDirective(directive, victim.gatewayKey))
  const holds = await victim.evil.stateThat((state) => state.directive === directive.version || undefined)
  if (!holds) throw new Error('the node does not hold the directive that lists a caller')
  victim.version = directive.version
}

async function codeOf(node: MqttAttacker, by: string, made: LinkCall, withinMs: number): Promise<string | null> {
  const answers = topics.link(by, victimId)
  await node.subscribe(answers)
  await node.publish(topics.link(victimId, by), linkMessage.encode({ kind: 'call', ...made }))
  const reply = await eventually('an answer', () => replyTo(node, made.id), withinMs).catch(() => null)
  return reply?.outcome.kind === 'failed' ? reply.outcome.code : null
}

function replyTo(node: MqttAttacker, id: Uint8Array): LinkReply | undefined {
  for (const { text } of node.heard) {
    const message = linkMessage.decode(new Uint8Array(Buffer.from(text, 'latin1')))
    if (message.kind === 'reply' && bytesEqual(message.id, id)) return message
  }
  return undefined
}

const rows: NodeRow[] = [
  call('links/unlisted-node', 'a call of a link that is for another node', {}, thief),
  call('links/unlisted-module', "a call in another module's name", { caller: { module: 'tick', home: neighbour } }),
  call('links/unlisted-interface', 'a call of what drives the module', {
    interface: 'hypha:module/timer@0.1.0',
    func: 'tick',
  }),
  call('links/other-device', 'a call in the name of another device', { home: victimId }),
]

export const linkRows: readonly Row<Victim>[] = rows.map((row) => ({ ...row, at: 'node' }))
