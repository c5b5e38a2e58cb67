// A process full of nodes: the agent's own link each, with its subscriptions, its presence and its state, and nothing behind.

import { systemClock } from '@hypha/core/platform/clock.ts'
import { state } from '@hypha/core/wire/messages/state.ts'
import { fleetTopics } from '@hypha/core/wire/topics.ts'
import { createLink } from '../../agent/link/mqtt-link.ts'
import { type Begin, type SimulatedNode, type Tally, tellEveryMs } from './messages.ts'

const stateOf = (): Uint8Array =>
  state.encode({
    incarnation: new Uint8Array(8).fill(7),
    tier: 'device',
    bootedMs: 1_795_400_000_000,
    inventory: {
      agentVersion: '0.1.0',
      arch: 'arm64',
      os: 'linux',
      memoryBytes: 1_073_741_824,
      storageBytes: 17_179_869_184,
      interfaces: [
        'hypha:host/log@0.1.0',
        'hypha:host/clock@0.1.0',
        'hypha:host/telemetry@0.1.0',
        'hypha:host/kv@0.1.0',
      ],
      features: ['bulk-memory', 'simd'],
      forms: ['core'],
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

const counts = { online: 0, full: 0, resumed: 0, failed: 0 }
let told = ''

function tell(): void {
  const now = JSON.stringify(counts)
  if (now === told) return
  told = now
  process.send!({ ...counts } satisfies Tally)
}

function startNode({ fleet, host, port, ca }: Begin, { id, certificate, key }: SimulatedNode): void {
  const topics = fleetTopics(fleet)
  let connections = 0
  const link = createLink({
    fleet,
    node: id,
    host,
    port,
    ca,
    certificate,
    key,
    nextConnection: () => ++connections,
    clock: systemClock,
    random: Math.random,
    onError: () => {
      counts.failed++
    },
    onSecure: (resumed) => {
      counts[resumed ? 'resumed' : 'full']++
    },
  })
  for (const kind of ['directive', 'ack', 'input'] as const) link.subscribe(topics.down(id, kind), () => undefined)
  link.subscribe(topics.rootMetadata, () => undefined)
  link.onState((now) => {
    counts.online += now === 'online' ? 1 : -1
    // A cut on the way is what this bench is about: the next connection says it again.
    if (now === 'online') link.publish(topics.state(id), stateOf(), { qos: 1, retain: true }).catch(() => undefined)
  })
}

process.on('message', async (begin: Begin) => {
  setInterval(tell, tellEveryMs)
  // Started a few at a time: what is measured is how they come back.
  for (let at = 0; at < begin.nodes.length; at++) {
    startNode(begin, begin.nodes[at]!)
    if (at % 20 === 19) await new Promise((resolve) => setTimeout(resolve, 20))
  }
})
process.on('disconnect', () => process.exit())
