// A gateway is killed and started again while its whole fleet is connected: how soon all nodes are back, and what each costs the gateway.
import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { loadAuthority } from '../gateway/enrol/ca.ts'
import { hyphaHome } from '../gateway/home.ts'
import { eventually, Fleet } from '../test/support/fleet.ts'
import type { BenchOptions, BenchResult } from './bench.ts'
import { measureBareTls } from './reconnect/bare.ts'
import { cpuMs } from './reconnect/cpu.ts'
import { enrolNodes } from './reconnect/enrol.ts'
import type { SimulatedNode, Tally } from './reconnect/messages.ts'

const processes = 2

/** The nodes of the fleet, in some processes. */
class Crowd {
  readonly #children: ChildProcess[]
  readonly #tallies: Tally[]
  #ending = false
  #lost = false

  constructor(begin: { fleet: string; host: string; port: number; ca: string }, nodes: readonly SimulatedNode[]) {
    this.#tallies = Array.from({ length: processes }, () => ({ online: 0, full: 0, resumed: 0, failed: 0 }))
    this.#children = this.#tallies.map((_, index) => {
      const child = fork(join(import.meta.dirname, 'reconnect/nodes.ts'))
      child.on('message', (tally: Tally) => {
        this.#tallies[index] = tally
      })
      child.once('exit', () => {
        this.#lost ||= !this.#ending
      })
      child.send({ ...begin, nodes: nodes.filter((_node, number) => number % processes === index) })
      return child
    })
  }

  get tally(): Tally {
    const sum = (name: keyof Tally) => this.#tallies.reduce((total, tally) => total + tally[name], 0)
    return { online: sum('online'), full: sum('full'), resumed: sum('resumed'), failed: sum('failed') }
  }

  online(count: number, withinMs: number): Promise<true> {
    const reached = () => {
      if (this.#lost) throw new Error('A process of nodes has ended')
      return this.tally.online === count || undefined
    }
    return eventually(`${count} nodes online`, reached, withinMs)
  }

  end(): void {
    this.#ending = true
    for (const child of this.#children) child.kill()
  }
}

/** Waits until the gateway does nothing more; returns its CPU time so far, in ms. */
async function quietCpu(pid: number): Promise<number> {
  let before = cpuMs(pid)
  for (;;) {
    await pause(1_000)
    const now = cpuMs(pid)
    if (now - before < 50) return now
    before = now
  }
}

interface Return {
  readonly allOnlineS: number
  readonly cpuMsPerNode: number
  readonly resumedShare: number
  readonly failed: number
}

/** Kills the gateway, starts it again on the same home, and waits until every node is back. `startMs` is the CPU time of a start that nobody waits for. */
async function restart(
  fleet: Fleet,
  crowd: Crowd,
  nodes: number,
  startMs: number,
  between: () => void,
): Promise<Return> {
  const before = crowd.tally
  await fleet.gateway!.end('SIGKILL')
  await crowd.online(0, 30_000)
  between()
  const begun = performance.now()
  const gateway = fleet.spawnGateway()
  await crowd.online(nodes, 300_000)
  const allOnlineS = (performance.now() - begun) / 1000
  const after = crowd.tally
  const cpu = await quietCpu(gateway.child.pid!)
  const { nodes: seen } = await fleet.json<{ nodes: { online: number } }>(['status'])
  if (seen.online !== nodes) throw new Error(`The gateway holds ${seen.online} of ${nodes} nodes for online`)
  const [full, resumed] = [after.full - before.full, after.resumed - before.resumed]
  return {
    allOnlineS,
    cpuMsPerNode: (cpu - startMs) / nodes,
    resumedShare: resumed / (full + resumed),
    failed: after.failed - before.failed,
  }
}

export async function run({ quick, nodes: asked }: BenchOptions): Promise<BenchResult> {
  const count = asked ?? (quick ? 300 : 2_000)
  const fleet = await Fleet.start({ name: 'reconnect' })
  let crowd: Crowd | null = null
  try {
    await fleet.gateway!.end()
    const home = hyphaHome(fleet.env.HYPHA_HOME)
    const { ca, nodes } = await enrolNodes(home, fleet.name, count)
    await fleet.startGateway()
    const startMs = await quietCpu(fleet.gateway!.child.pid!)
    crowd = new Crowd({ fleet: fleet.name, host: '127.0.0.1', port: fleet.mqttPort, ca }, nodes)
    await crowd.online(count, 300_000)
    await quietCpu(fleet.gateway!.child.pid!)

    const back = await restart(fleet, crowd, count, startMs, () => undefined)
    const keys = join(home.gateway, 'ticket.keys')
    const full = await restart(fleet, crowd, count, startMs, () => rmSync(keys, { force: true }))
    crowd.end()
    await fleet.gateway!.end()
    const key = readFileSync(join(home.gateway, 'ca.key'), 'utf8')
    const authority = await loadAuthority(fleet.name, { certificate: ca, key })
    const bare = await measureBareTls(authority, nodes[0]!, quick ? 300 : 2_000)
    return {
      bench: 'reconnect',
      sizes: { nodes: count, processes_of_nodes: processes },
      figures: {
        nodes: count,
        all_online_s: back.allOnlineS,
        cpu_ms_per_node: back.cpuMsPerNode,
        resumed_share: back.resumedShare,
        failed_attempts_per_node: back.failed / count,
        full_all_online_s: full.allOnlineS,
        full_cpu_ms_per_node: full.cpuMsPerNode,
        full_resumed_share: full.resumedShare,
        bare_full_cpu_ms: bare.full,
        bare_resumed_cpu_ms: bare.resumed,
        ratio_to_bare_full: back.cpuMsPerNode / bare.full,
        ratio_to_bare_resumed: back.cpuMsPerNode / bare.resumed,
      },
      peers: { 'bare TLS server of Node': process.versions.node, 'the same gateway, its ticket keys lost': 'full_…' },
    }
  } finally {
    crowd?.end()
    await fleet.stop()
  }
}
