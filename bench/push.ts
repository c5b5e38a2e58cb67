// An edit of the greenhouse's sampler: from the start of `hypha push` to the new version's first tick on a joined, warm agent, and where each millisecond goes.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { bundleAgent } from '../agent/bundle.ts'
import { agentProgram, hyphaProgram, project, RunningProgram } from '../examples/demo/processes.ts'
import { ApiClient } from '../gateway/admin/cli/client.ts'
import { hyphaHome } from '../gateway/home.ts'
import { buildApp } from '../gateway/push/build/build.ts'
import { Fleet } from '../test/support/fleet.ts'
import { type BenchOptions, type BenchResult, median, quantile } from './bench.ts'

const node = 'pi-1'

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

/** An app in a folder of its own, whose values tell which edit made them. */
class EditedApp {
  readonly folder: string
  readonly #path: string
  readonly #source: string
  readonly #emitted: string

  /** `emitted` is what the source emits, and what an edit adds a constant to. */
  constructor(folder: string, path: string, emitted: string) {
    this.folder = folder
    this.#path = join(folder, path)
    this.#source = readFileSync(this.#path, 'utf8')
    this.#emitted = emitted
    if (!this.#source.includes(emitted)) throw new Error(`${path} does not emit ${emitted}`)
  }

  async edit(constant: number): Promise<void> {
    writeFileSync(this.#path, this.#source.replace(this.#emitted, `${constant}.0 + ${this.#emitted}`))
    await buildApp(this.folder)
  }
}

/** The greenhouse with its sampler alone, in AssemblyScript. It ticks ten times a second: a new version goes on in the rhythm of the one before, and a second would hide the rest. */
function greenhouse(folder: string): EditedApp {
  const original = join(project, 'examples/greenhouse')
  const parts = readFileSync(join(original, 'hypha.toml'), 'utf8').split(/^(?=\[)/m)
  mkdirSync(folder)
  const own = parts.filter((part) => /^\[(app|module\.sampler)\]/.test(part)).join('')
  writeFileSync(join(folder, 'hypha.toml'), own.replace('timer = "1s"', 'timer = "100ms"'))
  cpSync(join(original, 'sampler'), join(folder, 'sampler'), { recursive: true })
  return new EditedApp(folder, 'sampler/assembly/index.ts', 'reading.value)')
}

/** What `hypha new --template c` makes, but that it emits 0.5 in place of the count of its ticks. */
async function helloInC(fleet: Fleet, folder: string): Promise<EditedApp> {
  await fleet.hypha(['new', folder, '--template', 'c'])
  const path = join(folder, 'hello/hello.c')
  writeFileSync(path, readFileSync(path, 'utf8').replace('"ticks"), ticks)', '"ticks"), 0.5)'))
  return new EditedApp(folder, 'hello/hello.c', '0.5)')
}

/** The values as the gateway tells them, and who waits for one of a certain edit. */
class Values {
  readonly #waiting = new Map<number, (value: Seen) => void>()
  readonly #controller = new AbortController()
  #ended: Promise<void> = Promise.resolve()

  async follow(home: string): Promise<void> {
    const api = new ApiClient({ kind: 'socket', path: hyphaHome(home).socket })
    const values = await api.follow<Value>('/v1/values/follow', {}, this.#controller.signal)
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
        // All that is emitted is 0.5 and the edit's constant.
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
  readonly #values: Values
  #onActivation: (activation: Activation) => void = () => undefined
  #agent: RunningProgram | null = null
  #edits = 0

  constructor(fleet: Fleet, values: Values) {
    this.#fleet = fleet
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
  async push(app: EditedApp): Promise<Measured> {
    const edit = await this.#edit(app)
    const runs = new Promise<Activation>((resolve) => {
      this.#onActivation = resolve
    })
    const first = this.#values.first(edit)
    const spawnedAt = now()
    const { answer } = this.#startPush(app, ['--no-wait'])
    const [said, { at, arrivedAt }, activation] = await Promise.all([answer, first, runs])
    const stages = stagesOf(spawnedAt, said, activation, at)
    return { toTick: at - spawnedAt, toArrival: arrivedAt - spawnedAt, stages }
  }

  /** The same with a command that goes on to follow the rollout, and asks the gateway again and again: the time to the first tick. */
  async pushAndFollow(app: EditedApp): Promise<number> {
    const edit = await this.#edit(app)
    const first = this.#values.first(edit)
    const spawnedAt = now()
    const { child, exit } = this.#startPush(app, [])
    const { at } = await first
    // It would follow until the trial is over.
    child.kill()
    await exit
    return at - spawnedAt
  }

  async #edit(app: EditedApp): Promise<number> {
    const edit = ++this.#edits
    await app.edit(edit)
    return edit
  }

  #startPush(app: EditedApp, options: readonly string[]) {
    // Without the passphrase: the key is unlocked.
    const { HYPHA_PASSPHRASE, ...env } = { ...process.env, ...this.#fleet.env }
    const child = spawn(process.execPath, [hyphaProgram, 'push', '--json', ...options, app.folder], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let stdout = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    const exit = once(child, 'close') as Promise<[number | null]>
    const answer = exit.then(([code]) => {
      if (code === 0) return JSON.parse(stdout) as PushAnswer
      throw new Error(`hypha push ended with ${code}`)
    })
    // Of a command that is ended early, nobody reads the answer.
    answer.catch(() => undefined)
    return { child, exit, answer }
  }
}

const now = (): number => performance.timeOrigin + performance.now()

/**
 * The stages of one push, which add up to the whole: what the command says of itself until it sends the release; from there until the node has
 * the directive; what the agent says of itself, its receiving as `transfer`; and what nobody accounts for.
 */
function stagesOf(
  spawnedAt: number,
  { startedAt, timingsMs }: PushAnswer,
  { at, message, level, epoch, ...steps }: Activation & Record<string, unknown>,
  tickAt: number,
): Record<string, number> {
  const { total, accept, start, ...command } = timingsMs
  const agent = Object.entries(steps as Record<string, number>).map(
    ([name, ms]) => [name === 'receiveMs' ? 'transfer' : name.replace(/Ms$/, ''), ms] as const,
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

/** Several pushes one after another, after some that are not counted: a fleet in use has loaded its code. */
async function several<T>(count: number, warmups: number, push: () => Promise<T>): Promise<T[]> {
  const results: T[] = []
  for (let index = 0; index < warmups + count; index++) results.push(await push())
  return results.slice(warmups)
}

/** What no command can be faster than: Node's own start and end, with an empty program; in ms. */
async function bareNode(): Promise<number> {
  const begun = now()
  await once(spawn(process.execPath, ['--eval', ''], { stdio: 'ignore' }), 'exit')
  return now() - begun
}

const medianToTick = (measured: readonly Measured[]): number => median(measured.map(({ toTick }) => toTick))

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const [pushes, others] = quick ? [10, 3] : [30, 10]
  // Whoever reads the figures should know whether something else was running.
  const load = Math.round(loadavg()[0]! * 10) / 10
  const fleet = await Fleet.start({ name: 'bench' })
  const values = new Values()
  try {
    const sensor = join(fleet.folder, 'sensor')
    writeFileSync(sensor, '0.5\n')
    const bundle = join(fleet.folder, 'agent')
    const [bundleBytes] = await Promise.all([
      bundleAgent(bundle),
      fleet.addNode(node, { nodeFile: `[sensor.steady]\ndriver = "sysfs"\npath = "${sensor}"\n` }),
      fleet.hypha(['key', 'unlock', '--for', '30min']),
    ])
    await fleet.agents.get(node)!.end()
    await values.follow(fleet.env.HYPHA_HOME!)
    const sampler = greenhouse(join(fleet.folder, 'greenhouse'))
    const hello = await helloInC(fleet, join(fleet.folder, 'hello'))
    const bed = new Bed(fleet, values)
    await bed.useAgent(join(bundle, 'main.js'))
    const bare = await several(others, 1, bareNode)
    const figures = figuresOf(await several(pushes, 2, () => bed.push(sampler)))
    const following = await several(others, 0, () => bed.pushAndFollow(sampler))
    const inC = await several(others, 1, () => bed.push(hello))
    await bed.useAgent(agentProgram)
    const toSource = await several(others, 1, () => bed.push(sampler))
    return {
      bench: 'push',
      sizes: {
        pushes,
        pushes_of_each_other_kind: others,
        agent_bundle_kb: Math.round(bundleBytes / 1_024),
        load_average: load,
      },
      figures: {
        ...figures,
        following_push_to_tick_p50_ms: median(following),
        c_push_to_tick_p50_ms: medianToTick(inC),
        source_agent_push_to_tick_p50_ms: medianToTick(toSource),
        bare_node_ms: median(bare),
      },
      peers: {},
    }
  } finally {
    await values.stop()
    await fleet.tryHypha(['key', 'lock'])
    await fleet.stop()
  }
}
