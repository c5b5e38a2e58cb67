// Samples made durable end to end, from other processes over MQTT with TLS, against the same rows inserted straight into the same tables.
import { type ChildProcess, fork } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLink } from '../agent/link/mqtt-link.ts'
import { createBroker } from '../gateway/broker/aedes-broker.ts'
import { type Authority, createAuthority } from '../gateway/enrol/ca.ts'
import { createIngest } from '../gateway/ingest/ingest.ts'
import { openStore, type Store } from '../gateway/store/store.ts'
import { ByteWriter } from '../src/bytes/writer.ts'
import { ack } from '../src/wire/messages/ack.ts'
import { report } from '../src/wire/messages/report.ts'
import { fleetTopics } from '../src/wire/topics.ts'
import type { BenchOptions, BenchResult } from './bench.ts'

type Synchronous = 'FULL' | 'NORMAL'

interface Load {
  readonly nodes: number
  readonly senders: number
  readonly samples: number
  readonly perReport: number
}

/** What a sender process is told. */
interface SenderTask {
  readonly port: number
  readonly ca: string
  readonly nodes: readonly { readonly id: string; readonly certificate: string; readonly key: string }[]
  readonly samples: number
  readonly perReport: number
  readonly startMs: number
}

const fleet = 'bench'
const topics = fleetTopics(fleet)
const metrics = 8
/** Reports of a node that wait for their acknowledgement. */
const window = 8

const node = (index: number) => `node-${index}`
const sampleOf = (sequence: number) => 20 + (sequence % 997) / 100
const timeOf = (startMs: number, sequence: number) => startMs + Math.floor(sequence / metrics)

/** A node's reports with `samples` samples in all, encoded. */
function encodeReports(id: string, { samples, perReport, startMs }: SenderTask): Uint8Array[] {
  const incarnation = new Uint8Array(randomBytes(8))
  const series = Array.from({ length: metrics }, (_, metric) => ({
    app: 'load',
    module: 'source',
    home: id,
    metric: `metric-${metric}`,
    epoch: 1,
  }))
  const reports: Uint8Array[] = []
  for (let first = 1; first <= samples; first += perReport) {
    const count = Math.min(perReport, samples - first + 1)
    const baseMs = timeOf(startMs, first)
    const [which, offset, at, value] = [new ByteWriter(), new ByteWriter(), new ByteWriter(), new ByteWriter()]
    for (let index = 0; index < count; index++) {
      const sequence = first + index
      which.u16(sequence % metrics)
      offset.u16(index)
      at.u32(timeOf(startMs, sequence) - baseMs)
      value.f64(sampleOf(sequence))
    }
    const columns = { series: which.finish(), offset: offset.finish(), at: at.finish(), value: value.finish() }
    reports.push(
      report.encode({
        incarnation,
        first,
        count,
        baseMs,
        series,
        samples: columns,
        after: null,
        pausedMs: null,
        entries: [],
      }),
    )
  }
  return reports
}

/** One node on its own connection: sends its reports, as many at a time as the window takes, until all are acknowledged. */
function sendAll(task: SenderTask, { id, certificate, key }: SenderTask['nodes'][number]) {
  const reports = encodeReports(id, task)
  let [next, acknowledged] = [0, 0]
  const link = createLink({
    fleet,
    node: id,
    host: '127.0.0.1',
    port: task.port,
    ca: task.ca,
    certificate,
    key,
    nextConnection: () => 1,
    clock: {
      after: (delayMs, run) => {
        const timer = setTimeout(run, delayMs)
        return () => clearTimeout(timer)
      },
    },
    random: Math.random,
    onError: (error) => {
      // The broker may end the connection first when all is said.
      if (acknowledged < task.samples) throw error
    },
  })
  const online = new Promise<void>((resolve) => link.onState((state) => state === 'online' && resolve()))
  const sendMore = () => {
    while (next < reports.length && next * task.perReport < acknowledged + window * task.perReport) {
      void link.publish(topics.up(id, 'report'), reports[next++]!, { qos: 0 })
    }
  }
  const done = new Promise<void>((resolve) => {
    link.subscribe(topics.down(id, 'ack'), (_, payload) => {
      acknowledged = ack.decode(payload).upTo
      if (acknowledged >= task.samples) resolve()
      else sendMore()
    })
  })
  return { online, sendMore, done, close: () => link.close() }
}

async function beSender(): Promise<void> {
  const [task] = (await once(process, 'message')) as [SenderTask]
  const senders = task.nodes.map((which) => sendAll(task, which))
  await Promise.all(senders.map(({ online }) => online))
  process.send!('ready')
  await once(process, 'message')
  for (const { sendMore } of senders) sendMore()
  await Promise.all(senders.map(({ done }) => done))
  process.send!('done')
  await Promise.all(senders.map(({ close }) => close()))
  process.disconnect()
}

/** The next message of a sender; throws if it ends without one. */
async function heard({ child, exit }: { child: ChildProcess; exit: Promise<unknown[]> }): Promise<void> {
  const ended = exit.then(([code]) => {
    throw new Error(`a sender ended with ${code}`)
  })
  await Promise.race([once(child, 'message'), ended])
}

function temporaryStore<T>(synchronous: Synchronous, use: (store: Store) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-bench-'))
  const store = openStore(join(folder, 'hypha.db'), { fleet, synchronous })
  return use(store).finally(() => {
    store.close()
    rmSync(folder, { recursive: true })
  })
}

/** Broker, ingest and store as the gateway has them. */
async function startGateway(store: Store, authority: Authority) {
  const served = await authority.issueServer({ names: ['127.0.0.1'] })
  const fail = (problem: unknown) => {
    throw problem instanceof Error ? problem : new Error(JSON.stringify(problem))
  }
  const broker = await createBroker(
    {
      fleet,
      host: '127.0.0.1',
      port: 0,
      tls: { key: served.key, certificate: served.certificate, ca: authority.certificate },
      grantsOf: () => null,
      admits: () => true,
      onDenied: fail,
      onDropped: fail,
      onError: fail,
    },
    store.broker,
  )
  const nothing = () => undefined
  const ingest = createIngest({
    store,
    route: () => [],
    mayReport: () => true,
    runsNow: () => true,
    sinks: {
      ack: (to, bytes) => void broker.publish(topics.down(to, 'ack'), bytes),
      values: nothing,
      messages: nothing,
      events: fail,
      logs: nothing,
      handled: nothing,
      queued: nothing,
      state: nothing,
      presence: nothing,
      unwelcome: fail,
      failed: fail,
    },
  })
  broker.onMessage((_, topic, payload) => {
    const parsed = topics.parse(topic)
    if (parsed?.kind === 'presence') ingest.onPresence(parsed.node, payload)
    if (parsed?.kind === 'up' && parsed.what === 'report') ingest.onReport(parsed.node, payload)
  })
  const { port } = await broker.listen()
  return { port, ingest, close: () => broker.close() }
}

async function issue(store: Store, authority: Authority, id: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const raw = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))
  const issued = await authority.issueNode({ id, publicKey: raw })
  const { fingerprint, expiresAt: certificateExpiresAt, certificate } = issued
  const boxKey = new Uint8Array(32)
  store.nodes.put({
    id,
    tier: 'device',
    publicKey: raw,
    boxKey,
    fingerprint,
    certificateExpiresAt,
    labels: [],
    createdAt: 0,
  })
  const key = createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' })).export({
    format: 'pem',
    type: 'pkcs8',
  })
  return { id, certificate, key: String(key) }
}

/** Samples/s from the first report to the last acknowledgement, and how many reports shared a transaction. */
function endToEnd(load: Load, synchronous: Synchronous): Promise<{ perS: number; perTransaction: number }> {
  return temporaryStore(synchronous, async (store) => {
    const authority = await createAuthority(fleet)
    store.apps.addRelease({
      app: 'load',
      number: 1,
      digest: 'load',
      envelope: new Uint8Array(1),
      label: '',
      createdAt: 0,
      contents: [],
    })
    const gateway = await startGateway(store, authority)
    const nodes = await Promise.all(
      Array.from({ length: load.nodes }, (_, index) => issue(store, authority, node(index))),
    )
    const samples = Math.floor(load.samples / load.nodes)
    const common = {
      port: gateway.port,
      ca: authority.certificate,
      samples,
      perReport: load.perReport,
      startMs: Date.now() - 3_600_000,
    }
    const children = Array.from({ length: load.senders }, (_, index) => {
      const child = fork(import.meta.filename, ['sender'], { execArgv: process.execArgv })
      child.send({ ...common, nodes: nodes.filter((_node, at) => at % load.senders === index) } satisfies SenderTask)
      return { child, exit: once(child, 'exit') }
    })
    await Promise.all(children.map(heard))
    const started = performance.now()
    for (const { child } of children) child.send('go')
    await Promise.all(children.map(heard))
    const seconds = (performance.now() - started) / 1_000
    await Promise.all(children.map(({ exit }) => exit))
    await gateway.close()

    const { count } = store.db.prepare('SELECT count(*) AS count FROM samples').get() as { count: number }
    if (count !== samples * load.nodes) throw new Error(`${count} samples are stored of ${samples * load.nodes}`)
    const { reports, transactions } = gateway.ingest.stats
    return { perS: count / seconds, perTransaction: reports / transactions }
  })
}

/** Rows/s of the same rows in the same order into the same tables with the same settings, by the plainest loop that better-sqlite3 allows. */
function rawInserts(load: Load, synchronous: Synchronous, batch: number): Promise<number> {
  return temporaryStore(synchronous, async ({ db }) => {
    const insert = db.prepare('INSERT INTO samples VALUES (?, ?, ?, ?)')
    const [begin, commit] = [db.prepare('BEGIN'), db.prepare('COMMIT')]
    const startMs = Date.now() - 3_600_000
    const each = Math.floor(load.samples / load.nodes)
    let open = 0
    const started = performance.now()
    for (let first = 1; first <= each; first += load.perReport) {
      for (let index = 0; index < load.nodes; index++) {
        const end = Math.min(first + load.perReport, each + 1)
        if (open === 0) begin.run()
        for (let sequence = first; sequence < end; sequence++) {
          insert.run(
            index * metrics + (sequence % metrics) + 1,
            timeOf(startMs, sequence),
            sequence,
            sampleOf(sequence),
          )
        }
        open += end - first
        if (open >= batch) {
          commit.run()
          open = 0
        }
      }
    }
    if (open > 0) commit.run()
    return (each * load.nodes) / ((performance.now() - started) / 1_000)
  })
}

const batches = [2_000, 10_000, 50_000, 200_000]

/** Both sides in turn, so that what else the machine does meets both; the best of each counts. */
async function compare(load: Load, synchronous: Synchronous, rounds: number) {
  const raw: { perS: number; batch: number }[] = []
  for (const batch of batches) raw.push({ perS: await rawInserts(load, synchronous, batch), batch })
  const { batch } = raw.reduce((best, one) => (one.perS > best.perS ? one : best))
  const ours: { perS: number; perTransaction: number }[] = []
  for (let round = 0; round < rounds; round++) {
    ours.push(await endToEnd(load, synchronous))
    raw.push({ perS: await rawInserts(load, synchronous, batch), batch })
  }
  const best = <T extends { perS: number }>(of: readonly T[]) => of.reduce((a, b) => (b.perS > a.perS ? b : a))
  return { ours: best(ours), raw: best(raw).perS, batch }
}

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const load: Load = { nodes: 8, senders: 2, samples: quick ? 1_000_000 : 4_800_000, perReport: 2_500 }
  const small: Load = { ...load, nodes: 40, samples: load.samples / 5, perReport: 50 }
  const full = await compare(load, 'FULL', quick ? 2 : 3)
  const normal = await compare(quick ? { ...load, samples: load.samples / 2 } : load, 'NORMAL', 1)
  const smallReports = await endToEnd(small, 'FULL')
  const { version } = createRequire(import.meta.url)('better-sqlite3/package.json') as { version: string }
  return {
    bench: 'ingest',
    sizes: {
      ...load,
      series: load.nodes * metrics,
      window,
      best_batch: full.batch,
      small_nodes: small.nodes,
      small_per_report: small.perReport,
    },
    figures: {
      samples_per_s: full.ours.perS,
      raw_inserts_per_s: full.raw,
      ratio: full.ours.perS / full.raw,
      reports_per_transaction: full.ours.perTransaction,
      normal_samples_per_s: normal.ours.perS,
      normal_raw_inserts_per_s: normal.raw,
      normal_ratio: normal.ours.perS / normal.raw,
      small_reports_samples_per_s: smallReports.perS,
    },
    peers: { 'better-sqlite3': version },
  }
}

if (process.argv[2] === 'sender') await beSender()
