// One message of some kilobytes from the gateway to its whole fleet: what a node costs, and when the last one has it, against bare sockets and mosquitto.
import { type ChildProcess, fork } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Authority, createAuthority } from '../gateway/enrol/ca.ts'
import { type BenchOptions, type BenchResult, median } from './bench.ts'
import {
  type Begin,
  type Expect,
  type FromNodes,
  type FromServer,
  fleet,
  type Node,
  type Publish,
  type Serve,
} from './fanout/messages.ts'
import { mosquittoVersion, startMosquitto } from './fanout/mosquitto.ts'

const bytes = 4_096
const nodesPerProcess = 2_500
const warmUps = 3

interface Server {
  readonly port: number
  publish(message: Publish): Promise<{ begunMs: number; cpuUs: number }>
  end(): void
}

/** A process of this benchmark: what is awaited of it fails when it ends. */
class Helper<In extends object, Out> {
  readonly #child: ChildProcess
  readonly #ended: Promise<never>

  constructor(file: string) {
    this.#child = fork(join(import.meta.dirname, 'fanout', file))
    this.#ended = once(this.#child, 'exit').then(() => {
      throw new Error(`A process of ${file} has ended`)
    })
    // Heard by whoever waits.
    this.#ended.catch(() => undefined)
  }

  send(message: In): void {
    this.#child.send(message)
  }

  /** The next message that fits. */
  hear<M extends Out>(fits: (message: Out) => message is M): Promise<M> {
    const heard = new Promise<M>((resolve) => {
      const listen = (message: Out) => {
        if (!fits(message)) return
        this.#child.off('message', listen)
        resolve(message)
      }
      this.#child.on('message', listen)
    })
    return Promise.race([heard, this.#ended])
  }

  end(): void {
    this.#child.kill()
  }
}

type Ready = Extract<FromNodes, { ready: number }>
type Have = Extract<FromNodes, { lastMs: number }>
type Done = Extract<FromServer, { cpuUs: number }>

async function startServer(serve: Serve): Promise<Server> {
  const server = new Helper<Serve | Publish, FromServer>('server.ts')
  server.send(serve)
  const { port } = await server.hear((message): message is { port: number } => 'port' in message)
  return {
    port,
    publish(message) {
      const done = server.hear((each): each is Done => 'cpuUs' in each)
      server.send(message)
      return done
    },
    end: () => server.end(),
  }
}

/** The nodes, in several processes, each with an address of its own. */
class Crowd {
  readonly #processes: Helper<Begin | Expect, FromNodes>[] = []

  async start(port: number, ca: string | null, mqtt: boolean, nodes: readonly Node[]): Promise<void> {
    const count = Math.max(2, Math.ceil(nodes.length / nodesPerProcess))
    for (let index = 0; index < count; index++) {
      const own = nodes.filter((_node, number) => number % count === index)
      const helper = new Helper<Begin | Expect, FromNodes>('nodes.ts')
      this.#processes.push(helper)
      helper.send({ port, ca, mqtt, address: `127.0.0.${index + 2}`, nodes: own })
    }
    await this.#ready()
  }

  async #ready(): Promise<void> {
    await Promise.all(this.#processes.map((each) => each.hear((message): message is Ready => 'ready' in message)))
  }

  /** Resolves once every process waits for it, with what resolves when every node has it (a promise in itself would be waited for). */
  async expect(number: number, cut: number): Promise<{ all: Promise<{ lastMs: number; cutWithoutIt: number }> }> {
    const have = this.#processes.map((each) => each.hear((message): message is Have => 'lastMs' in message))
    const ready = this.#ready()
    for (const each of this.#processes) each.send({ number, cut: Math.round(cut / this.#processes.length) })
    await ready
    const all = Promise.all(have).then((each) => ({
      lastMs: Math.max(...each.map(({ lastMs }) => lastMs)),
      cutWithoutIt: each.reduce((sum, { cutWithoutIt }) => sum + cutWithoutIt, 0),
    }))
    return { all }
  }

  end(): void {
    for (const each of this.#processes) each.end()
  }
}

interface Measured {
  readonly cpuUs: number
  readonly allMs: number
}

interface Plan {
  readonly rounds: number
  readonly qos: readonly (0 | 1)[]
  /** Nodes cut in the middle of one more message, QoS 1. */
  readonly cut: number
}

/** Connects the nodes to a server and has it publish; by QoS, the median of the rounds for each node. */
async function measure(server: Server, ca: string | null, mqtt: boolean, nodes: readonly Node[], plan: Plan) {
  const crowd = new Crowd()
  try {
    await crowd.start(server.port, ca, mqtt, nodes)
    let number = 0
    const publish = async (qos: 0 | 1, cut = 0) => {
      number++
      const { all } = await crowd.expect(number, cut)
      const { begunMs, cpuUs } = await server.publish({ number, qos, bytes })
      const have = await Promise.race([all, pause(60_000, null, { ref: false })])
      if (have === null) throw new Error('Some nodes never had the message')
      return { cpuUs: cpuUs / nodes.length, allMs: have.lastMs - begunMs, cutWithoutIt: have.cutWithoutIt }
    }
    const found: Partial<Record<0 | 1, Measured>> = {}
    for (const qos of plan.qos) {
      for (let done = 0; done < warmUps; done++) await publish(qos)
      const rounds: Measured[] = []
      for (let done = 0; done < plan.rounds; done++) rounds.push(await publish(qos))
      found[qos] = {
        cpuUs: median(rounds.map(({ cpuUs }) => cpuUs)),
        allMs: median(rounds.map(({ allMs }) => allMs)),
      }
    }
    const cut = plan.cut > 0 ? await publish(1, plan.cut) : null
    return { qos0: found[0]!, qos1: found[1]!, cut }
  } finally {
    crowd.end()
    server.end()
  }
}

async function certificates(authority: Authority, count: number): Promise<Node[]> {
  const nodes: Node[] = []
  for (let index = 0; index < count; index++) {
    const id = `node-${index}`
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const raw = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))
    const { certificate } = await authority.issueNode({ id, publicKey: raw })
    nodes.push({ id, tls: { certificate, key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString() } })
  }
  return nodes
}

/** Node has raised its own limit as far as it may go, and its children have the same. */
function checkOpenFiles(connections: number): void {
  const [, text] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
  const spare = 200
  if (text === undefined || Number(text) >= connections + spare) return
  throw new Error(`${connections} connections need as many open files, and this machine allows ${text}: see ulimit -Hn`)
}

export async function run({ quick, nodes: asked }: BenchOptions): Promise<BenchResult> {
  const count = asked ?? (quick ? 500 : 10_000)
  checkOpenFiles(count)
  const plan: Plan = { rounds: quick ? 5 : 15, qos: [0, 1], cut: 0 }
  const folder = mkdtempSync(join(tmpdir(), 'hypha-fanout-'))
  const sub = (name: string) => {
    mkdirSync(join(folder, name))
    return join(folder, name)
  }
  try {
    const authority = await createAuthority(fleet)
    const secure = await certificates(authority, count)
    const bare = secure.map(({ id }) => ({ id, tls: null }))
    const { key, certificate } = await authority.issueServer({ names: ['127.0.0.1', 'localhost'] })
    const ca = authority.certificate
    const tls = { key, certificate, ca }

    const plain = await measure(
      await startServer({ kind: 'hypha', tls: null, folder: sub('plain') }),
      null,
      true,
      bare,
      plan,
    )
    const raw = await measure(await startServer({ kind: 'raw', tls: null, folder }), null, false, bare, plan)
    const over = await measure(await startServer({ kind: 'hypha', tls, folder: sub('tls') }), ca, true, secure, {
      ...plan,
      cut: Math.max(2, Math.round(count / 100)),
    })
    const rawOver = await measure(await startServer({ kind: 'raw', tls, folder }), ca, false, secure, plan)
    const version = mosquittoVersion()
    const peer =
      version && (await measure(await startMosquitto({ tls: null, folder: sub('m') }), null, true, bare, plan))
    const peerOver =
      version && (await measure(await startMosquitto({ tls, folder: sub('mt') }), ca, true, secure, plan))
    const absent = version ? {} : { mosquitto_cpu_us_per_node: 'mosquitto is not installed' }
    return {
      bench: 'fanout',
      sizes: { nodes: count, bytes, rounds: plan.rounds },
      figures: {
        nodes: count,
        cpu_us_per_node: plain.qos0.cpuUs,
        raw_cpu_us_per_node: raw.qos0.cpuUs,
        mosquitto_cpu_us_per_node: peer ? peer.qos0.cpuUs : null,
        ratio_to_raw: plain.qos0.cpuUs / raw.qos0.cpuUs,
        all_have_it_ms: plain.qos0.allMs,
        raw_all_have_it_ms: raw.qos0.allMs,
        mosquitto_all_have_it_ms: peer ? peer.qos0.allMs : null,
        qos1_cpu_us_per_node: plain.qos1.cpuUs,
        qos1_raw_cpu_us_per_node: raw.qos1.cpuUs,
        qos1_mosquitto_cpu_us_per_node: peer ? peer.qos1.cpuUs : null,
        qos1_ratio_to_raw: plain.qos1.cpuUs / raw.qos1.cpuUs,
        tls_cpu_us_per_node: over.qos0.cpuUs,
        tls_raw_cpu_us_per_node: rawOver.qos0.cpuUs,
        tls_mosquitto_cpu_us_per_node: peerOver ? peerOver.qos0.cpuUs : null,
        tls_ratio_to_raw: over.qos0.cpuUs / rawOver.qos0.cpuUs,
        tls_all_have_it_ms: over.qos0.allMs,
        tls_qos1_cpu_us_per_node: over.qos1.cpuUs,
        tls_qos1_raw_cpu_us_per_node: rawOver.qos1.cpuUs,
        tls_qos1_mosquitto_cpu_us_per_node: peerOver ? peerOver.qos1.cpuUs : null,
        tls_qos1_ratio_to_raw: over.qos1.cpuUs / rawOver.qos1.cpuUs,
        tls_qos1_all_have_it_ms: over.qos1.allMs,
        cut_before_they_had_it: over.cut!.cutWithoutIt,
        cut_and_never_had_it: 0,
        cut_all_have_it_ms: over.cut!.allMs,
      },
      peers: {
        'bare sockets of Node': process.versions.node,
        ...(version ? { mosquitto: version } : {}),
      },
      missing: absent,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
