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
import type { BenchOptions, BenchResult } from './bench.ts'
import { enrolNodes } from './reconnect/enrol.ts'
import { Crowd } from './snap/crowd.ts'
import { figuresOf, type Round, spreadOf } from './snap/figures.ts'
import { machineMs, type Shape } from './snap/messages.ts'

const processes = 2
const realAgents = 4
/**
 * Gateway and agents yield to the light nodes: a thousand that flip in microseconds would wait for the others' milliseconds on the few cores of this machine, as no node does on its own. What an agent waits for them
 * counts for it.
 */
const yielding = ['nice', '-n', '10']
const app = 'kill'
const longestWayMs = 150
/** A machine with a thousand nodes on it may be busy for a while. */
const busyMs = 180_000

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
        through: yielding,
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

  async #confirmed(): Promise<void> {
    await eventually(
      'all have confirmed it',
      async () => {
        const { nodes } = await this.fleet.json<{ nodes: { status: string }[] }>(['rollout', app])
        return nodes.every(({ status }) => status === 'confirmed') || undefined
      },
      busyMs,
    )
  }

  async push(): Promise<Round> {
    await this.#edited.edit()
    const pushedAt = machineMs()
    await this.fleet.hypha(['push', '--snap', '--no-wait', this.#edited.folder])
    const epoch = await this.crowd.next(this.#epoch, this.#count, busyMs)
    this.#epoch = epoch
    await eventually(
      'the real agents run it',
      () => this.agents.every(({ activeAt }) => activeAt.has(epoch)) || undefined,
      busyMs,
    )
    await this.#confirmed()
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

export async function run({ quick, nodes: asked }: BenchOptions): Promise<BenchResult> {
  const count = asked ?? (quick ? 60 : 1_000)
  const pushes = quick ? 2 : 5
  const random = seeded(7)
  const fleet = await Fleet.start({ name: 'snap', through: yielding })
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
        busyMs,
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
