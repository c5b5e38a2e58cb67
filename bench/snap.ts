// A release to a whole fleet at once: how far apart the instants lie at which its nodes begin to run it, by a clock that none of them has.
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { nodeFiles } from '@hypha/core/platform/files.ts'
import { agentProgram, RunningProgram } from '../examples/demo/processes.ts'
import { hyphaHome } from '../gateway/home.ts'
import { buildApp } from '../gateway/push/build/build.ts'
import { Roots } from '../gateway/roots.ts'
import { eventually, Fleet } from '../test/support/fleet.ts'
import { seeded } from '../test/support/random.ts'
import { type BenchOptions, type BenchResult, median, quantile } from './bench.ts'
import { enrolNodes } from './reconnect/enrol.ts'
import { Crowd } from './snap/crowd.ts'
import { type Activation, machineMs, type Shape } from './snap/messages.ts'

const processes = 2
const realAgents = 4
const app = 'kill'
const longestWayMs = 150

/** ± 1 h, ± 100 ppm; of each way's at most 150 ms one half is always the same, and the other by chance: what is always the same no measurement can tell from an offset. */
function shapeOf(random: () => number, slow: boolean): Shape {
  const half = slow ? longestWayMs / 2 : 0
  return {
    aheadMs: (random() * 2 - 1) * 3_600_000,
    ppm: (random() * 2 - 1) * 100,
    thereMs: random() * half,
    backMs: random() * half,
    jitterMs: half,
  }
}

/** An agent as devices have it, and when it said that it runs a release; by the machine's wall clock. */
class RealAgent {
  readonly program: RunningProgram
  readonly activeAt = new Map<number, number>()

  constructor(home: string) {
    this.program = new RunningProgram(
      agentProgram,
      ['run', '--json', '--home', home],
      {},
      {
        onLine: (line) => {
          if (!line.startsWith('{')) return
          const { at, message, epoch } = JSON.parse(line) as { at: string; message: string; epoch?: number }
          if (epoch !== undefined && / runs release /.test(message)) this.activeAt.set(epoch, Date.parse(at))
        },
      },
    )
  }
}

/** The app, whose edits differ in a constant. */
class EditedApp {
  readonly folder: string
  readonly #source: string
  #edits = 0

  constructor(folder: string) {
    this.folder = folder
    cpSync(join(import.meta.dirname, 'kill-app'), folder, { recursive: true })
    const manifest = join(folder, 'hypha.toml')
    writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('timer = "2ms"', 'timer = "1s"'))
    this.#source = readFileSync(this.#path, 'utf8')
  }

  get #path(): string {
    return join(this.folder, 'counter/assembly/index.ts')
  }

  async edit(): Promise<void> {
    const constant = `${++this.#edits}.0 + number.value`
    const edited = this.#source.replace("emit('number', number.value)", `emit('number', ${constant})`)
    if (edited === this.#source) throw new Error(`${this.#path} does not emit number.value`)
    writeFileSync(this.#path, edited)
    await buildApp(this.folder)
  }
}

/** One push to all of them. */
interface Round {
  readonly pushToActiveMs: number
  readonly light: readonly Activation[]
  /** By the machine's monotonic clock. */
  readonly real: readonly number[]
  /** To the gateway's clock from the machine's monotonic one, as the bench's own process sees it. */
  readonly gatewayOffsetMs: number
  readonly notPrepared: number
}

class Bed {
  readonly fleet: Fleet
  crowd: Crowd
  readonly agents: readonly RealAgent[]
  readonly #edited: EditedApp
  readonly #count: number
  #epoch = 0

  constructor(fleet: Fleet, crowd: Crowd, agents: readonly RealAgent[], count: number) {
    this.fleet = fleet
    this.crowd = crowd
    this.agents = agents
    this.#count = count
    this.#edited = new EditedApp(join(fleet.folder, 'app'))
  }

  async push(): Promise<Round> {
    await this.#edited.edit()
    const pushedAt = machineMs()
    await this.fleet.hypha(['push', '--snap', '--no-wait', this.#edited.folder])
    const epoch = await this.crowd.next(this.#epoch, this.#count, 120_000)
    this.#epoch = epoch
    await eventually(
      'the real agents run it',
      () => this.agents.every(({ activeAt }) => activeAt.has(epoch)) || undefined,
    )
    await this.fleet.reached(app, 'confirmed')
    const light = this.crowd.activations(epoch)
    const wallOffsetMs = performance.timeOrigin + performance.now() - machineMs()
    const real = this.agents.map(({ activeAt }) => activeAt.get(epoch)! - wallOffsetMs)
    const last = Math.max(...light.map(({ at }) => at), ...real)
    const late = light.filter(({ commit }) => commit === null || commit.late).length
    const { p99, max } = spreadOf(light.map(({ at }) => at))
    // It takes minutes with many nodes: whoever waits sees that it goes on.
    console.error(
      `epoch ${epoch}: all active ${Math.round(last - pushedAt)} ms after the push, spread ${p99.toFixed(1)} ms (p99), ${max.toFixed(1)} ms (max), ${late} late`,
    )
    return {
      pushToActiveMs: last - pushedAt,
      light,
      real,
      gatewayOffsetMs: wallOffsetMs,
      notPrepared: late,
    }
  }
}

/** How much later than the first, for each. */
function spreadOf(times: readonly number[]): { p50: number; p99: number; max: number } {
  const first = Math.min(...times)
  const after = times.map((time) => time - first)
  return { p50: median(after), p99: quantile(after, 0.99), max: Math.max(...after) }
}

/** Over the rounds the worst, but for the push itself: there the median. */
function figuresOf(rounds: readonly Round[], prefix: string): Record<string, number | null> {
  const committed = rounds.flatMap((round) =>
    round.light.flatMap(({ at, commit }) => (commit === null ? [] : [{ at, round, ...commit }])),
  )
  const worst = (of: (round: Round) => number) => Math.max(...rounds.map(of))
  const light = (round: Round) => round.light.map(({ at }) => at)
  const came = (round: Round) => round.light.flatMap(({ commit }) => (commit === null ? [] : [commit.cameAt]))
  const errors = committed.map(({ at, round, estimatedMs }) => Math.abs(estimatedMs - (at + round.gatewayOffsetMs)))
  const bounds = committed.map(({ errorMs }) => errorMs)
  const nowSpread = committed.length === 0 ? null : worst((round) => spreadOf(came(round)).p99)
  const p99 = worst((round) => spreadOf(light(round)).p99)
  const some = <T>(of: (values: number[]) => T, values: number[]) => (values.length === 0 ? null : of(values))
  return {
    [`${prefix}push_to_active_ms`]: median(rounds.map(({ pushToActiveMs }) => pushToActiveMs)),
    [`${prefix}spread_p50_ms`]: worst((round) => spreadOf(light(round)).p50),
    [`${prefix}spread_p99_ms`]: p99,
    [`${prefix}spread_max_ms`]: worst((round) => spreadOf(light(round)).max),
    [`${prefix}real_agents_spread_max_ms`]: worst(({ real }) => spreadOf(real).max),
    [`${prefix}real_agents_from_light_median_ms`]: worst(({ real, light }) => {
      const middle = median(light.map(({ at }) => at))
      return Math.max(...real.map((at) => Math.abs(at - middle)))
    }),
    [`${prefix}bound_p50_ms`]: some(median, bounds),
    [`${prefix}bound_max_ms`]: some((values) => Math.max(...values), bounds),
    [`${prefix}clock_error_p50_ms`]: some(median, errors),
    [`${prefix}clock_error_max_ms`]: some((values) => Math.max(...values), errors),
    [`${prefix}clock_errors_over_bound`]: committed.filter(({ errorMs }, index) => errors[index]! > errorMs + 0.2)
      .length,
    [`${prefix}timer_late_p99_ms`]: some(
      (values) => quantile(values, 0.99),
      committed.map(({ estimatedMs, instantMs }) => estimatedMs - instantMs),
    ),
    [`${prefix}lead_ms`]: some(
      median,
      committed.map(({ instantMs, issuedMs }) => instantMs - issuedMs),
    ),
    [`${prefix}commit_travel_p99_ms`]: some(
      (values) => quantile(values, 0.99),
      committed.map(({ cameAt, round, issuedMs }) => cameAt + round.gatewayOffsetMs - issuedMs),
    ),
    [`${prefix}commit_arrival_spread_p99_ms`]: nowSpread,
    [`${prefix}ratio_to_commit_arrival`]: nowSpread === null ? null : p99 / nowSpread,
    [`${prefix}not_prepared`]: worst(({ notPrepared }) => notPrepared),
  }
}

export async function run({ quick, nodes: asked }: BenchOptions): Promise<BenchResult> {
  const count = asked ?? (quick ? 60 : 1_000)
  const pushes = quick ? 2 : 5
  const random = seeded(7)
  const fleet = await Fleet.start({ name: 'snap' })
  let crowd: Crowd | null = null as Crowd | null
  try {
    await fleet.gateway!.end()
    const home = hyphaHome(fleet.env.HYPHA_HOME)
    const { ca, nodes } = await enrolNodes(home, fleet.name, count)
    const roots = new Roots({ files: nodeFiles(home.roots), folder: home.roots, fleet: fleet.name, crypto: nodeCrypto })
    await fleet.startGateway()
    const agents: RealAgent[] = []
    for (let number = 1; number <= realAgents; number++) {
      const node = `agent-${number}`
      await fleet.joinNode(node, { nodeFile: '[sensor.number]\ndriver = "sysfs"\npath = "/proc/loadavg"\n' })
      const agent = new RealAgent(fleet.agentHome(node))
      fleet.agents.set(node, agent.program)
      await agent.program.line(/connected/)
      agents.push(agent)
    }
    const meet = async (slow: boolean) => {
      crowd?.end()
      const shapes = nodes.map((node) => ({ ...node, shape: shapeOf(random, slow) }))
      const root = Buffer.from(roots.first).toString('base64')
      crowd = new Crowd(
        { fleet: fleet.name, host: '127.0.0.1', port: fleet.mqttPort, ca, root, nodes: shapes },
        processes,
      )
      await crowd.allOnline(count, 300_000)
      await eventually(
        'the gateway knows them all',
        async () => {
          const { nodes } = await fleet.json<{ nodes: { online: number } }>(['status'])
          return nodes.online === count + realAgents || undefined
        },
        120_000,
      )
      return crowd
    }
    await fleet.hypha(['key', 'unlock', '--for', '30min'])
    const bed = new Bed(fleet, await meet(false), agents, count)
    // The first has nothing to take the place of.
    await bed.push()
    const rounds = async () => {
      const results: Round[] = []
      for (let done = 0; done < pushes; done++) results.push(await bed.push())
      return results
    }
    const fast = figuresOf(await rounds(), '')
    const problems = [...bed.crowd.problems]
    // Others in their place, whose links were never fast: what they measured in better times would help them.
    bed.crowd = await meet(true)
    await bed.push()
    const slow = figuresOf(await rounds(), 'jitter_')
    problems.push(...bed.crowd.problems)
    if (problems.length > 0) console.error(problems.slice(0, 10).join('\n'))
    return {
      bench: 'snap',
      sizes: {
        light_nodes: count,
        processes,
        real_agents: realAgents,
        pushes_each: pushes,
        longest_way_ms: longestWayMs,
      },
      figures: { nodes: count + realAgents, ...fast, ...slow },
      peers: { 'the commit taken as "now" where it comes, by the same nodes': 'commit_arrival_…' },
    }
  } catch (error) {
    console.error(fleet.gateway?.lines.slice(-20).join('\n'))
    throw error
  } finally {
    crowd?.end()
    await fleet.tryHypha(['key', 'lock'])
    await fleet.stop()
  }
}
