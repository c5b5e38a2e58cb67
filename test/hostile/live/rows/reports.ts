import { join } from 'node:path'
import type { Signer } from '@hypha/core/trust/cose.ts'
import type { Directive } from '@hypha/core/trust/directive.ts'
import { presence } from '@hypha/core/wire/messages/presence.ts'
import { type Report, report } from '@hypha/core/wire/messages/report.ts'
import { want } from '@hypha/core/wire/messages/want.ts'
import { fleetTopics } from '@hypha/core/wire/topics.ts'
import { eventually } from '../../../../examples/demo/processes.ts'
import { app, neighbour } from '../fixture.ts'
import { Forge } from '../forge.ts'
import { MqttAttacker, stolenFrom } from '../mqtt-attacker.ts'
import { patience, type Row, words } from '../row.ts'
import type { World } from '../world.ts'

// What a node that joined says on its own topics, and may not.

const topics = fleetTopics('garden')
const nothing = { series: new Uint8Array(), offset: new Uint8Array(), at: new Uint8Array(), value: new Uint8Array() }

export interface Reporter {
  readonly world: World
  readonly node: MqttAttacker
  next: number
  patienceMs: number
  readonly incarnation: Uint8Array
}

export async function openReporter(world: World): Promise<Reporter> {
  const node = await MqttAttacker.letIn(world.gateway.mqttPort, stolenFrom(join(world.folder, 'pi-liar')), 'pi-liar')
  // What comes before that is not even looked at.
  const said = { connection: 1, online: true, run: new Uint8Array(8).fill(1), journal: null }
  await node.publish(topics.presence('pi-liar'), presence.encode(said), true)
  return { world, node, next: 0, patienceMs: patience.refused, incarnation: crypto.getRandomValues(new Uint8Array(8)) }
}

type Entry = Report['entries'][number]['entry']

/** A report of one entry, and an event of the same node's that comes behind it. */
async function tell(reporter: Reporter, changes: Partial<Report>): Promise<void> {
  const { node, incarnation } = reporter
  const bytes = report.encode({
    incarnation,
    first: reporter.next,
    count: 1,
    baseMs: Date.now(),
    series: [],
    samples: nothing,
    after: null,
    pausedMs: null,
    entries: [],
    ...changes,
  })
  reporter.next++
  await node.publish(topics.up('pi-liar', 'report'), bytes)
}

/** A directive that the node says to hold. */
async function prove(reporter: Reporter, changes: Partial<Directive>, by: (forge: Forge) => Signer): Promise<void> {
  const forge = new Forge(reporter.world.facts)
  const held = forge.directive({ node: 'pi-liar', ...changes })
  await reporter.node.publish(topics.up('pi-liar', 'proof'), forge.signDirective(held, by(forge)))
}

const withEntry = (entry: Entry): Partial<Report> => ({ entries: [{ offset: 0, at: 0, entry }] })

/** The first event about the attacker with this code; null if none comes. */
const event = ({ world, patienceMs }: Reporter, code: string): Promise<string | null> =>
  eventually(
    `an event ${code}`,
    async () => {
      const events = await world.gateway.api.request<{ node: string; code: string }[]>('GET', '/v1/events', {
        query: { limit: '1000' },
      })
      return events.find((each) => each.node === 'pi-liar' && each.code === code)?.code
    },
    patienceMs,
  ).catch(() => null)

/** A code in the gateway's log about a node; null if none comes. */
const logged = ({ world, patienceMs }: Reporter, code: string, about = 'pi-liar'): Promise<string | null> =>
  eventually(
    `a line with ${code}`,
    () =>
      world.gateway.program.lines.some((line) => line.includes(`code=${code}`) && line.includes(about)) || undefined,
    patienceMs,
  ).then(
    () => code,
    () => null,
  )

// A shared one could be given to it while the node that has it is away.
const instance = { app, module: 'tick', home: neighbour }

export const reportRows: readonly Row<Reporter>[] = [
  {
    name: 'reports/for-another',
    sent: "a log line of another device's instance",
    code: 'not-assigned',
    at: 'gateway',
    async run(reporter) {
      await tell(reporter, withEntry({ kind: 'log', ...instance, level: 'error', text: 'forged' }))
      return await event(reporter, 'not-assigned')
    },
  },
  {
    name: 'reports/contradicts-itself',
    sent: 'samples with more numbers than values',
    code: 'report-malformed',
    at: 'gateway',
    async run(reporter) {
      await tell(reporter, { samples: { ...nothing, offset: new Uint8Array(2) } })
      return await event(reporter, 'report-malformed')
    },
  },
  {
    name: 'endless/report',
    sent: 'a report that announces 4 billion items',
    code: 'bytes-truncated',
    at: 'gateway',
    async run(reporter) {
      await reporter.node.publish(
        topics.up('pi-liar', 'report'),
        new Uint8Array([0xa1, 5, 0x9a, 0xff, 0xff, 0xff, 0xff]),
      )
      return await event(reporter, 'bytes-truncated')
    },
  },
  {
    name: 'reports/want-of-another',
    sent: "chunks of a content that its directive doesn't list",
    code: 'want-refused',
    at: 'gateway',
    threats: ['THREAT.IMG.DISCLOSURE'],
    async run(reporter) {
      const bytes = want.encode({ digest: new Uint8Array(32).fill(1), ranges: [{ first: 0, count: 1 }] })
      await reporter.node.publish(topics.up('pi-liar', 'want'), bytes)
      return await logged(reporter, 'want-refused')
    },
  },
  {
    name: 'arbitrary/proof',
    sent: "a stranger's directive, as what a restored gateway forgot",
    code: 'threshold-not-met',
    at: 'gateway',
    async run(reporter) {
      await prove(reporter, { version: 7 }, ({ stranger }) => stranger)
      return await logged(reporter, 'threshold-not-met')
    },
  },
  {
    name: 'fast-forward/proof',
    sent: 'the same, version 4,294,967,295, gateway key stolen',
    code: 'directive-versions-spent',
    at: 'gateway',
    threats: ['THREAT.KEY.EXPOSURE'],
    async run(reporter) {
      await prove(reporter, { version: 0xffff_ffff }, ({ gateway }) => gateway)
      return await logged(reporter, 'directive-versions-spent')
    },
  },
  {
    name: 'identity/cloned',
    sent: 'two machines with the keys of one node',
    code: 'cloned-identity',
    at: 'gateway',
    async run(reporter) {
      const { folder, gateway } = reporter.world
      const keys = stolenFrom(join(folder, 'pi-twin'))
      // The genuine one, the copy, and the genuine one again: a machine's runs don't come back.
      for (const [connection, run] of [1, 2, 1].entries()) {
        const made = await MqttAttacker.letIn(gateway.mqttPort, keys, 'pi-twin')
        const said = { connection: connection + 1, online: true, run: new Uint8Array(8).fill(run), journal: null }
        await made.publish(topics.presence('pi-twin'), presence.encode(said), true).catch(() => undefined)
        made.close()
      }
      const found = await logged(reporter, 'cloned-identity', 'pi-twin')
      const again = await MqttAttacker.connect(gateway.mqttPort, keys, 'pi-twin')
      if (typeof again !== 'string') again.close()
      return again === words.unauthorised ? found : null
    },
  },
]
