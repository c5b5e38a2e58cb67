// How long a plan takes: an app of 100 modules on 10,000 nodes, a tenth of either, devices that are too small, and devices of which no two are alike.
import type { Release, ReleaseModule } from '@hypha/core/trust/release.ts'
import { place } from '../gateway/place/place.ts'
import type { FleetNode, Plan } from '../gateway/plan.ts'
import { module, node, release } from '../test/gateway/place/fleets.ts'
import { type BenchOptions, type BenchResult, median } from './bench.ts'

const link = (name: string): string => `bench:place/${name}@0.1.0`

/**
 * A tenth of the modules is a chain on each device, from its sensor to its actuator; the others are shared: every third hears the devices, and calls the two after it, of which one needs `sql` and one keeps nothing and is
 * copied.
 */
function appOf(modules: number): Release {
  const stages = Math.max(3, Math.round(modules / 10))
  const chain = Array.from({ length: stages }, (_, at): ReleaseModule => {
    const next = at === stages - 1 ? ['actuator'] : [link(`stage-${at + 1}`)]
    const own = at === 0 ? ['sensor', 'messages'] : ['kv']
    return module(`stage-${at}`, {
      imports: [...own, ...next],
      exports: at === 0 ? [] : [link(`stage-${at}`)],
      ...(at === 0 ? { timerMs: 1_000, publish: ['climate/#'] } : {}),
    })
  })
  const shared = Array.from({ length: modules - stages }, (_, at): ReleaseModule => {
    const exports = [link(`shared-${at}`)]
    if (at % 3 === 1) return module(`shared-${at}`, { imports: ['sql'], exports })
    if (at % 3 === 2) return module(`shared-${at}`, { exports })
    const calls = [at + 1, at + 2].filter((other) => other < modules - stages).map((other) => link(`shared-${other}`))
    return module(`shared-${at}`, { imports: ['kv', ...calls], exports, subscribe: [`climate/${at}`], timerMs: 60_000 })
  })
  return release([...chain, ...shared], 'bench')
}

type Devices = 'alike' | 'a fifth too small' | 'all different'

const page = 65_536

/** 1 in 100 nodes is an edge, 1 in 1,000 a cloud; 20 zones. */
function fleetOf(nodes: number, stages: number, devices: Devices): FleetNode[] {
  return Array.from({ length: nodes }, (_, at): FleetNode => {
    const zone = `zone-${at % 20}`
    if (at % 1_000 === 1) return node(`cloud-${at}`, { tier: 'cloud', zone, memoryBytes: 1024 * page })
    if (at % 100 === 2) return node(`edge-${at}`, { tier: 'edge', zone, memoryBytes: 1024 * page })
    const short = devices === 'a fifth too small' && at % 5 === 0
    const own = devices === 'all different' ? at : 0
    return node(`pi-${at}`, { zone, memoryBytes: (short ? stages - 1 : stages) * page + own })
  })
}

interface Measured {
  readonly ms: number
  /** Of all threads of the process: what a machine that does something else besides makes no longer. */
  readonly cpuMs: number
  readonly plan: Plan
}

function measure(modules: number, nodes: number, devices: Devices, times: number): Measured {
  const input = { release: appOf(modules), digest: 'ab'.repeat(32) }
  const fleet = fleetOf(nodes, Math.max(3, Math.round(modules / 10)), devices)
  const durations: number[] = []
  const before = process.cpuUsage()
  let plan: Plan | null = null
  for (let run = 0; run < times; run++) {
    const start = performance.now()
    plan = place({ ...input, fleet })
    durations.push(performance.now() - start)
  }
  const { user, system } = process.cpuUsage(before)
  return { ms: median(durations), cpuMs: (user + system) / 1_000 / times, plan: plan! }
}

const bytesOf = (value: unknown): number => JSON.stringify(value).length

export async function run({ quick, nodes: wanted }: BenchOptions): Promise<BenchResult> {
  const modules = 100
  const nodes = wanted ?? 10_000
  const times = quick ? 3 : 9
  measure(modules, nodes / 10, 'alike', times)
  const large = measure(modules, nodes, 'alike', times)
  const fewerNodes = measure(modules, nodes / 10, 'alike', times)
  const fewerModules = measure(modules / 10, nodes, 'alike', times)
  const tenth = measure(modules / 10, nodes / 10, 'alike', times)
  const short = measure(modules, nodes, 'a fifth too small', times)
  const different = measure(modules, nodes, 'all different', times)
  const start = performance.now()
  place({ release: appOf(modules), digest: '', fleet: fleetOf(nodes, 10, 'alike'), previous: large.plan })
  const againMs = performance.now() - start
  return {
    bench: 'place',
    sizes: { modules, nodes, instances: large.plan.instances.length },
    figures: {
      modules,
      nodes,
      plan_ms: large.ms,
      plan_cpu_ms: large.cpuMs,
      plan_tenth_ms: tenth.ms,
      plan_tenth_cpu_ms: tenth.cpuMs,
      plan_tenth_nodes_ms: fewerNodes.ms,
      plan_tenth_modules_ms: fewerModules.ms,
      plan_again_ms: againMs,
      plan_fifth_escalates_ms: short.ms,
      plan_no_two_alike_ms: different.ms,
      plan_no_two_alike_cpu_ms: different.cpuMs,
      refusals_kb: bytesOf([large.plan.refusals, large.plan.kinds]) / 1_000,
      refusals_no_two_alike_kb: bytesOf([different.plan.refusals, different.plan.kinds]) / 1_000,
      bytes_per_instance: bytesOf(large.plan.instances) / large.plan.instances.length,
      unplaced: large.plan.unplaced.length,
      unplaced_fifth_escalates: short.plan.unplaced.length,
    },
    peers: {},
  }
}
