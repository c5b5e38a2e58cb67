// One node of the benchmark of links, in a process of its own: the agent's connection, calls, sandbox and journal; or a bare client of the broker.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@hypha/core/platform/clock.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { nodeFiles } from '@hypha/core/platform/files.ts'
import type { ServedLink } from '@hypha/core/trust/directive.ts'
import { fleetTopics } from '@hypha/core/wire/topics.ts'
import mqtt from 'mqtt'
import { Calls } from '../../agent/calls/calls.ts'
import { createLink } from '../../agent/link/mqtt-link.ts'
import { openJournal } from '../../agent/report/journal.ts'
import { createSandbox, type PreparedApp } from '../../agent/sandbox/sandbox.ts'
import type { RunnableSection } from '../../agent/turns.ts'

export interface Begin {
  readonly kind: 'begin'
  readonly id: string
  readonly port: number
  readonly ca: string
  readonly cert: string
  readonly key: string
  /** Null for a bare client. */
  readonly app: { readonly section: RunnableSection; readonly served: readonly ServedLink[] } | null
}

export type Order =
  | Begin
  /** Have each of these callers call so often; answered with how long each took. */
  | { readonly kind: 'calls'; readonly callers: readonly string[]; readonly topic: string; readonly times: number }
  /** So many round trips to another bare client, one after the other. */
  | { readonly kind: 'trips'; readonly to: string; readonly times: number }

export type Told =
  | { readonly kind: 'ready' }
  | { readonly kind: 'took'; readonly ms: number; readonly tripsUs?: number[] }

const topics = fleetTopics('greens')
// About what a call and its reply take.
const sizes = { there: 230, back: 40 }
const tell = (told: Told): void => void process.send!(told)
let act: (order: Order) => Promise<Told> = async () => ({ kind: 'ready' })

async function bareClient({ id, port, ca, cert, key }: Begin): Promise<typeof act> {
  const client = await mqtt.connectAsync({ protocol: 'mqtts', host: '127.0.0.1', port, ca, cert, key, clientId: id })
  await client.subscribeAsync(`hypha/greens/l/${id}/+`)
  let answered = (): void => undefined
  client.on('message', (topic, payload) => {
    if (payload.length === sizes.back) answered()
    else client.publish(topics.link(topic.slice(topic.lastIndexOf('/') + 1), id), Buffer.alloc(sizes.back))
  })
  return async (order) => {
    if (order.kind !== 'trips') return { kind: 'ready' }
    const tripsUs: number[] = []
    const since = performance.now()
    for (let trip = 0; trip < order.times; trip++) {
      const began = performance.now()
      await new Promise<void>((resolve) => {
        answered = resolve
        client.publish(topics.link(order.to, id), Buffer.alloc(sizes.there))
      })
      tripsUs.push(1_000 * (performance.now() - began))
    }
    return { kind: 'took', ms: performance.now() - since, tripsUs }
  }
}

async function agentNode({ id, port, ca, cert, key, app }: Begin): Promise<typeof act> {
  const { section, served } = app!
  const folder = mkdtempSync(join(tmpdir(), 'hypha-link-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const files = nodeFiles(folder)
  const journal = await openJournal({ files, clock: systemClock, random: nodeCrypto.random, bootId: 'bench' })
  journal.onSendable(() => journal.acknowledge(journal.sendable))
  let connection = 0
  const link = createLink({
    fleet: 'greens',
    node: id,
    host: '127.0.0.1',
    port,
    ca,
    certificate: cert,
    key,
    nextConnection: () => ++connection,
    clock: systemClock,
    random: Math.random,
    onError: (error) => console.error(error.message),
  })
  let running: PreparedApp | null = null
  const calls = new Calls({
    node: id,
    topics,
    clock: systemClock,
    link,
    journal,
    linked: () => ({ served, next: null, devices: [], callees: running }),
    onProblem: (error) => console.error(error.message),
  })
  link.subscribe(topics.link(id, '+'), (topic, message) =>
    calls.receive(topic.slice(topic.lastIndexOf('/') + 1), message),
  )
  const done = new Map<string, () => void>()
  const sandbox = createSandbox({
    node: id,
    clock: systemClock,
    commit: (turn) => {
      journal.appendAll(turn.map((record) => ({ record, targets: [] })))
      for (const { instance, input } of turn) if (input !== null) done.get(instance.module)?.()
    },
    event: ({ code, text }) => console.error(code, text),
    call: () => ({ tag: 'err', val: 'unavailable' }),
    calls: { make: (call) => calls.make(call), devices: () => [] },
  })
  running = await sandbox.prepare(section, journal)
  await running.activate()
  if (link.state !== 'online') {
    await new Promise<void>((resolve) => {
      const stop = link.onState((state) => {
        if (state !== 'online') return
        stop()
        resolve()
      })
    })
  }
  let number = 0
  return async (order) => {
    if (order.kind !== 'calls') return { kind: 'ready' }
    const payload = new Uint8Array(4)
    new DataView(payload.buffer).setUint32(0, order.times, true)
    const since = performance.now()
    await Promise.all(
      order.callers.map((module) => {
        const ended = new Promise<void>((resolve) => done.set(module, resolve))
        const input = { id: { source: new Uint8Array(8).fill(1), number: ++number }, topic: order.topic, payload }
        running.deliver({ app: 'bench', module, home: null }, input)
        return ended
      }),
    )
    return { kind: 'took', ms: performance.now() - since }
  }
}

process.on('message', async (order: Order) => {
  if (order.kind === 'begin') {
    act = order.app === null ? await bareClient(order) : await agentNode(order)
    tell({ kind: 'ready' })
  } else tell(await act(order))
})
process.on('disconnect', () => process.exit(0))
