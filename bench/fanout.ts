// One message of some kilobytes from the gateway to its whole fleet: what a node costs, and when the last one has it, against bare sockets and mosquitto.
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Authority, createAuthority } from '../gateway/enrol/ca.ts'
import { type BenchOptions, type BenchResult, median } from './bench.ts'
import { fleet, type Node, type Serve } from './fanout/messages.ts'
import { mosquittoVersion, startMosquitto } from './fanout/mosquitto.ts'
import { bytes, type Measured, Side, startServer } from './fanout/side.ts'

const warmUps = 3

interface Plan {
  readonly rounds: number
  /** Nodes of the first side cut in the middle of one more message, QoS 1. */
  readonly cut: number
}

interface Found {
  readonly cpuUs: number
  readonly allMs: number
  /** To the raw write; the median of the rounds' own ratios. */
  readonly ratio: number
}

interface Sides {
  readonly hypha: Side
  readonly raw: Side
  readonly mosquitto: Side | null
}

/** All sides publish by turns, so that what else the machine does meets all of them: in every second round in the opposite order. */
async function measure(sides: Sides, { rounds, cut }: Plan) {
  const all = [sides.hypha, sides.raw, ...(sides.mosquitto ? [sides.mosquitto] : [])]
  const byQos = async (qos: 0 | 1): Promise<Found[]> => {
    const measured: Measured[][] = all.map(() => [])
    for (let round = -warmUps; round < rounds; round++) {
      const order = [...all.entries()]
      for (const [index, side] of round % 2 === 0 ? order : order.reverse()) {
        const one = await side.publish(qos)
        if (round >= 0) measured[index]!.push(one)
      }
    }
    const raw = measured[1]!
    return measured.map((own) => ({
      cpuUs: median(own.map(({ cpuUs }) => cpuUs)),
      allMs: median(own.map(({ allMs }) => allMs)),
      ratio: median(own.map(({ cpuUs }, round) => cpuUs / raw[round]!.cpuUs)),
    }))
  }
  try {
    const [qos0, qos1] = [await byQos(0), await byQos(1)]
    const of = (index: number) => ({ qos0: qos0[index]!, qos1: qos1[index]! })
    const afterCut = cut > 0 ? await sides.hypha.publish(1, cut) : null
    return { hypha: of(0), raw: of(1), mosquitto: sides.mosquitto ? of(2) : null, cut: afterCut }
  } finally {
    for (const side of all) side.end()
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
  const plan: Plan = { rounds: quick ? 5 : 15, cut: 0 }
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
    const version = mosquittoVersion()

    const open = async (secured: Serve['tls'], name: string) => {
      const at = { ca: secured && ca, nodes: secured ? secure : bare }
      const own = (kind: Serve['kind']) => startServer({ kind, tls: secured, folder: sub(`${name}-${kind}`) })
      const hypha = await Side.start({ ...at, server: await own('hypha'), mqtt: true })
      const raw = await Side.start({ ...at, server: await own('raw'), mqtt: false })
      const peer = version && (await startMosquitto({ tls: secured, folder: sub(`${name}-mosquitto`) }))
      return { hypha, raw, mosquitto: peer ? await Side.start({ ...at, server: peer, mqtt: true }) : null }
    }
    const plain = await measure(await open(null, 'plain'), plan)
    const over = await measure(await open(tls, 'tls'), { ...plan, cut: Math.max(2, Math.round(count / 100)) })
    const absent = version ? {} : { mosquitto_cpu_us_per_node: 'mosquitto is not installed' }
    return {
      bench: 'fanout',
      sizes: { nodes: count, bytes, rounds: plan.rounds },
      figures: {
        nodes: count,
        cpu_us_per_node: plain.hypha.qos0.cpuUs,
        raw_cpu_us_per_node: plain.raw.qos0.cpuUs,
        mosquitto_cpu_us_per_node: plain.mosquitto?.qos0.cpuUs ?? null,
        ratio_to_raw: plain.hypha.qos0.ratio,
        all_have_it_ms: plain.hypha.qos0.allMs,
        raw_all_have_it_ms: plain.raw.qos0.allMs,
        mosquitto_all_have_it_ms: plain.mosquitto?.qos0.allMs ?? null,
        qos1_cpu_us_per_node: plain.hypha.qos1.cpuUs,
        qos1_raw_cpu_us_per_node: plain.raw.qos1.cpuUs,
        qos1_mosquitto_cpu_us_per_node: plain.mosquitto?.qos1.cpuUs ?? null,
        qos1_ratio_to_raw: plain.hypha.qos1.ratio,
        tls_cpu_us_per_node: over.hypha.qos0.cpuUs,
        tls_raw_cpu_us_per_node: over.raw.qos0.cpuUs,
        tls_mosquitto_cpu_us_per_node: over.mosquitto?.qos0.cpuUs ?? null,
        tls_ratio_to_raw: over.hypha.qos0.ratio,
        tls_all_have_it_ms: over.hypha.qos0.allMs,
        tls_qos1_cpu_us_per_node: over.hypha.qos1.cpuUs,
        tls_qos1_raw_cpu_us_per_node: over.raw.qos1.cpuUs,
        tls_qos1_mosquitto_cpu_us_per_node: over.mosquitto?.qos1.cpuUs ?? null,
        tls_qos1_ratio_to_raw: over.hypha.qos1.ratio,
        tls_qos1_all_have_it_ms: over.hypha.qos1.allMs,
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
