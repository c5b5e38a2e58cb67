// What a call of another module costs: in a cell, between cells of a node, and between nodes; against jco's glue wired by hand, and against the bare round trip of two clients on the same broker.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { RunnableSection } from '../agent/turns.ts'
import { nodeCredentials, startBroker } from '../test/gateway/broker/support.ts'
import { placedOn, sectionWith } from '../test/support/linked-nodes.ts'
import { transpiled } from '../test/support/wasm-oracle.ts'
import { type BenchOptions, type BenchResult, geometricMean, median } from './bench.ts'
import { calleeModule, callerModule, components, type Kind, kinds, work } from './link/guests.ts'
import type { Begin, Order, Told } from './link/node.ts'

class Node {
  readonly #child: ChildProcess

  constructor(begin: Begin) {
    this.#child = fork(new URL('./link/node.ts', import.meta.url), { serialization: 'advanced' })
    this.#child.send(begin)
  }

  async told(): Promise<Told> {
    const [told] = (await once(this.#child, 'message')) as [Told]
    return told
  }

  async order(order: Order): Promise<Extract<Told, { kind: 'took' }>> {
    this.#child.send(order)
    const told = await this.told()
    if (told.kind !== 'took') throw new Error('the node did nothing')
    return told
  }

  end(): void {
    this.#child.kill()
  }
}

const section = (placed: Parameters<typeof sectionWith>[0]): RunnableSection => sectionWith(placed, { app: 'bench' })

async function boundByJco(): Promise<Record<Kind, (times: number) => void>> {
  const { caller, callee } = await components()
  const glued = async (component: Uint8Array, imports: object): Promise<Record<string, unknown>> => {
    const { glue, modules } = await transpiled(component)
    return await glue.instantiate(
      (path) => modules.get(path)!,
      imports as never,
      (module, wanted) => new WebAssembly.Instance(module, wanted),
    )
  }
  const answering = await glued(callee, {})
  const exported = answering.work ?? answering['bench:link/work@1.0.0']
  return (await glued(caller, { 'bench:link/work': exported })) as never
}

const callers = ['caller', 'second', 'third', 'fourth']

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const broker = await startBroker()
  const nodes: Node[] = []
  const start = async (id: string, app: Begin['app']): Promise<Node> => {
    const { ca, cert, key } = await nodeCredentials(broker.authority, id)
    const node = new Node({ kind: 'begin', id, port: broker.port, ca, cert, key, app })
    nodes.push(node)
    await node.told()
    return node
  }
  try {
    const modules = await Promise.all(callers.map(callerModule))
    const linked = (provider: ReturnType<typeof placedOn>) => ({ [work.name]: provider })
    const served = [
      {
        module: 'callee',
        home: null,
        interface: work.name,
        callers: callers.map((module) => ({ node: 'calling', module, home: null })),
      },
    ]
    const [cell, cells, calling, bare] = [
      await start('cell', {
        section: section([
          { module: modules[0]!, links: linked(placedOn('cell', 'callee')) },
          { module: await calleeModule(false) },
        ]),
        served: [],
      }),
      await start('cells', {
        section: section([
          { module: modules[0]!, links: linked(placedOn('cells', 'callee')) },
          { module: await calleeModule(true) },
        ]),
        served: [],
      }),
      await start('calling', {
        section: section(modules.map((module) => ({ module, links: linked(placedOn('called', 'callee')) }))),
        served: [],
      }),
      await start('bare-1', null),
    ]
    await start('called', { section: section([{ module: await calleeModule(false) }]), served })
    await start('bare-2', null)
    const jco = await boundByJco()

    const rounds = quick ? 7 : 15
    const times = { cell: quick ? 100_000 : 300_000, jco: quick ? 10_000 : 30_000, messages: quick ? 100 : 300 }
    const samples = { raw: [] as number[], remote: [] as number[], cells: [] as number[], perS: [] as number[] }
    const direct = new Map<string, number[]>(
      kinds.flatMap((kind) => [
        [`ours ${kind}`, []],
        [`jco ${kind}`, []],
      ]),
    )
    const perCall = async (node: Node, topic: Kind, count: number): Promise<number> =>
      (1_000 * (await node.order({ kind: 'calls', callers: ['caller'], topic, times: count })).ms) / count
    // One more round than counts, to warm up; all take turns, so that what disturbs the machine disturbs all.
    for (let round = 0; round <= rounds; round++) {
      const trips = await bare.order({ kind: 'trips', to: 'bare-2', times: times.messages })
      const remote = await perCall(calling, 'text', times.messages)
      const between = await perCall(cells, 'text', times.messages)
      const many = await calling.order({ kind: 'calls', callers, topic: 'text', times: times.messages / 2 })
      for (const kind of kinds) {
        const mine = 1_000 * (await perCall(cell, kind, times.cell))
        const began = performance.now()
        jco[kind](times.jco)
        const theirs = (1_000_000 * (performance.now() - began)) / times.jco
        if (round > 0) {
          direct.get(`ours ${kind}`)!.push(mine)
          direct.get(`jco ${kind}`)!.push(theirs)
        }
      }
      if (round === 0) continue
      samples.raw.push((1_000 * trips.ms) / times.messages)
      samples.remote.push(remote)
      samples.cells.push(between)
      samples.perS.push((1_000 * callers.length * (times.messages / 2)) / many.ms)
    }
    const of = (who: 'ours' | 'jco', kind: Kind): number => median(direct.get(`${who} ${kind}`)!)
    const ours = geometricMean(kinds.map((kind) => of('ours', kind)))
    const theirs = geometricMean(kinds.map((kind) => of('jco', kind)))
    return {
      bench: 'link',
      sizes: {
        rounds,
        calls_in_cell: times.cell,
        jco_calls: times.jco,
        calls_over_messages: times.messages,
        callers_at_once: callers.length,
      },
      figures: {
        raw_roundtrip_p50_us: median(samples.raw),
        remote_p50_us: median(samples.remote),
        remote_ratio: median(samples.remote.map((us, index) => us / samples.raw[index]!)),
        remote_calls_per_s: median(samples.perS),
        between_cells_p50_us: median(samples.cells),
        cell_call_ns: ours,
        cell_number_ns: of('ours', 'number'),
        cell_text_ns: of('ours', 'text'),
        jco_wired_call_ns: theirs,
        jco_number_ns: of('jco', 'number'),
        jco_text_ns: of('jco', 'text'),
        cell_ratio_to_jco: ours / theirs,
      },
      peers: {
        'jco-transpile': await versionOf('@bytecodealliance/jco-transpile'),
        'mqtt.js': await versionOf('mqtt'),
        aedes: await versionOf('aedes'),
      },
    }
  } finally {
    for (const node of nodes) node.end()
    await broker.close()
  }
}

async function versionOf(name: string): Promise<string> {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url)
  return (JSON.parse(await readFile(file, 'utf8')) as { version: string }).version
}
