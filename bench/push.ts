// An edit of the greenhouse's sampler: from the start of `hypha push` to the new version's first tick on a joined, warm agent, and where each millisecond goes.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bundleAgent } from '../agent/bundle.ts'
import { agentProgram, hyphaProgram, project, RunningProgram } from '../examples/demo/processes.ts'
import { ApiClient } from '../gateway/admin/cli/client.ts'
import { hyphaHome } from '../gateway/home.ts'
import { buildApp } from '../gateway/push/build/build.ts'
import { Fleet } from '../test/support/fleet.ts'
import { type BenchOptions, type BenchResult, median, quantile } from './bench.ts'

const node = 'pi-1'
/** Pushes that are not counted: a fleet in use has loaded its code, and its pages. */
const warmups = 2

/** What `hypha push --json` says of where its time went. */
interface PushAnswer {
  readonly startedAt: number
  readonly timingsMs: Readonly<Record<string, number>>
}

/** What the agent logs when a release runs: the time, and how long each step took from the directive on. */
type Activation = { readonly at: string } & Readonly<Record<`${string}Ms`, number>>

interface Value {
  readonly at: number
  readonly value: number | null
}

/** When a value was emitted on the node, and when it came here from the gateway; in ms since 1970. */
interface Seen {
  readonly at: number
  readonly arrivedAt: number
}

/** Of one push, in ms: the whole, and the stages that follow one another within it. */
interface Measured {
  readonly toTick: number
  readonly toArrival: number
  readonly stages: Readonly<Record<string, number>>
}

/** The app with its sampler alone, in a folder of its own, whose values tell which edit made them. */
class EditedApp {
  readonly folder: string
  readonly #source: string
  readonly #path: string

  constructor(folder: string) {
    this.folder = folder
    const greenhouse = join(project, 'examples/greenhouse')
    const manifest = readFileSync(join(greenhouse, 'hypha.toml'), 'utf8')
    const parts = manifest.split(/^(?=\[)/m)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'hypha.toml'), parts.filter((part) => /^\[(app|module\.sampler)\]/.test(part)).join(''))
    cpSync(join(greenhouse, 'sampler'), join(folder, 'sampler'), { recursive: true })
    this.#path = join(folder, 'sampler/assembly/index.ts')
    this.#source = readFileSync(this.#path, 'utf8')
  }

  /** Adds a constant to what the sampler emits, and builds. */
  async edit(constant: number): Promise<void> {
    const edited = this.#source.replace('emit(name, reading.value)', `emit(name, reading.value + ${constant}.0)`)
    if (edited === this.#source) throw new Error('The sampler has nothing to edit')
    writeFileSync(this.#path, edited)
    await buildApp(this.folder)
  }
}

/** The sampler's values as the gateway tells them, and who waits for one of a certain edit. */
class Values {
  readonly #waiting = new Map<number, (value: Seen) => void>()
  readonly #controller = new AbortController()
  #ended: Promise<void> = Promise.resolve()

  async follow(home: string): Promise<void> {
    const api = new ApiClient({ kind: 'socket', path: hyphaHome(home).socket })
    const values = await api.follow<Value>('/v1/values/follow', { module: 'sampler' }, this.#controller.signal)
    this.#ended = this.#read(values)
  }

  /** The first value of an edit. */
  first(constant: number): Promise<Seen> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`No value of edit ${constant} came within 20 s`)), 20_000)
      this.#waiting.set(constant, (value) => {
        clearTimeout(timer)
        resolve(value)
      })
    })
  }

  async stop(): Promise<void> {
    this.#controller.abort()
    await this.#ended
  }

  async #read(values: AsyncGenerator<Value>): Promise<void> {
    try {
      for await (const { at, value } of values) {
        // The sensor reads 0.5: what is above is the edit's constant.
        const constant = Math.floor(value ?? 0)
        this.#waiting.get(constant)?.({ at, arrivedAt: Date.now() })
        this.#waiting.delete(constant)
      }
    } catch (error) {
      if (!this.#controller.signal.aborted) throw error
    }
  }
}

/** A fleet with one device, whose agent logs in JSON. */
class Bed {
  readonly #fleet: Fleet
  readonly #app: EditedApp
  readonly #values: Values
  #onActivation: (activation: Activation) => void = () => undefined
  #agent: RunningProgram | null = null
  #edits = 0

  constructor(fleet: Fleet, app: EditedApp, values: Values) {
    this.#fleet = fleet
    this.#app = app
    this.#values = values
  }

  /** Runs the agent in place of the one that ran before. */
  async useAgent(program: string): Promise<void> {
    await this.#agent?.end()
    this.#agent = new RunningProgram(
      program,
      ['run', '--json', '--home', this.#fleet.agentHome(node)],
      {},
      {
        onLine: (line) => {
          const entry = JSON.parse(line) as Activation & { readonly message: string }
          if (/ runs release /.test(entry.message)) this.#onActivation(entry)
        },
      },
    )
    this.#fleet.agents.set(node, this.#agent)
    await this.#agent.line(/connected/)
  }

  /** Edits, builds, and then pushes, from the start of the process on. */
  async push(): Promise<Measured> {
    const edit = ++this.#edits
    await this.#app.edit(edit)
    const runs = new Promise<Activation>((resolve) => {
      this.#onActivation = resolve
    })
    const first = this.#values.first(edit)
    const spawnedAt = performance.timeOrigin + performance.now()
    const [answer, { at, arrivedAt }, activation] = await Promise.all([this.#runPush(), first, runs])
    const stages = stagesOf(spawnedAt, answer, activation, at)
    return { toTick: at - spawnedAt, toArrival: arrivedAt - spawnedAt, stages }
  }

  async #runPush(): Promise<PushAnswer> {
    const { HYPHA_PASSPHRASE, ...env } = { ...process.env, ...this.#fleet.env }
    const child = spawn(process.execPath, [hyphaProgram, 'push', '--no-wait', '--json', this.#app.folder], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let stdout = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    const [code] = (await once(child, 'close')) as [number | null]
    if (code !== 0) throw new Error(`hypha push ended with ${code}`)
    return JSON.parse(stdout) as PushAnswer
  }
}

/**
 * The stages of one push, which add up to the whole: what the command says of itself until it sends the release; from there until the node has
 * the directive; what the agent says of itself; and what nobody accounts for.
 */
function stagesOf(
  spawnedAt: number,
  { startedAt, timingsMs }: PushAnswer,
  { at, message, level, epoch, ...steps }: Activation & Record<string, unknown>,
  tickAt: number,
): Record<string, number> {
  const { total, accept, start, ...command } = timingsMs
  const agent = Object.entries(steps as Record<string, number>).map(
    ([name, ms]) => [name.replace(/Ms$/, ''), ms] as const,
  )
  const runsAt = Date.parse(at)
  const directiveAt = runsAt - agent.reduce((sum, [, ms]) => sum + ms, 0)
  const sentAt = startedAt + total! - accept!
  const stages = {
    start: startedAt - spawnedAt + start!,
    ...command,
    accept: directiveAt - sentAt,
    ...Object.fromEntries(agent),
    first_tick: tickAt - runsAt,
  }
  const explained = Object.values(stages).reduce((sum, ms) => sum + ms, 0)
  return { ...stages, other: tickAt - spawnedAt - explained }
}

function figuresOf(measured: readonly Measured[]): Record<string, number> {
  const whole = measured.map(({ toTick }) => toTick)
  const stages = Object.keys(measured[0]!.stages).map((stage): [string, number] => [
    `${stage}_ms`,
    median(measured.map(({ stages }) => stages[stage]!)),
  ])
  return {
    push_to_tick_p50_ms: median(whole),
    push_to_tick_p95_ms: quantile(whole, 0.95),
    push_to_value_p50_ms: median(measured.map(({ toArrival }) => toArrival)),
    ...Object.fromEntries(stages),
  }
}

/** Pushes one after another; the first ones warm up what a fleet in use has warm. */
async function pushes(bed: Bed, count: number): Promise<Measured[]> {
  const measured: Measured[] = []
  for (let index = -warmups; index < count; index++) {
    const one = await bed.push()
    if (index >= 0) measured.push(one)
  }
  return measured
}

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const [bundled, fromSource] = quick ? [10, 5] : [30, 10]
  const fleet = await Fleet.start({ name: 'bench' })
  const values = new Values()
  try {
    const sensor = join(fleet.folder, 'sensor')
    writeFileSync(sensor, '0.5\n')
    const bundle = join(fleet.folder, 'agent')
    const [size] = await Promise.all([
      bundleAgent(bundle),
      fleet.addNode(node, { nodeFile: `[sensor.steady]\ndriver = "sysfs"\npath = "${sensor}"\n` }),
      fleet.hypha(['key', 'unlock', '--for', '30min']),
    ])
    await fleet.agents.get(node)!.end()
    await values.follow(fleet.env.HYPHA_HOME!)
    const bed = new Bed(fleet, new EditedApp(join(fleet.folder, 'greenhouse')), values)
    await bed.useAgent(join(bundle, 'main.js'))
    const figures = figuresOf(await pushes(bed, bundled))
    await bed.useAgent(agentProgram)
    const { push_to_tick_p50_ms } = figuresOf(await pushes(bed, fromSource))
    return {
      bench: 'push',
      sizes: { pushes: bundled, pushes_to_source_agent: fromSource, agent_bundle_kb: Math.round(size / 1_024) },
      figures: { ...figures, source_agent_push_to_tick_p50_ms: push_to_tick_p50_ms! },
      peers: {},
    }
  } finally {
    await values.stop()
    await fleet.tryHypha(['key', 'lock'])
    await fleet.stop()
  }
}
