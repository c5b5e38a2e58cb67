import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

// A real fleet for scenarios and benchmarks: the real programs as processes of their own, in folders of their own, on loopback.

const project = resolve(import.meta.dirname, '../..')
const hyphaProgram = join(project, 'gateway/main.ts')
const agentProgram = join(project, 'agent/main.ts')

export interface CommandResult {
  code: number
  stdout: string
  stderr: string
}

/** Runs a program to its end. */
export async function runProgram(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  cwd = project,
): Promise<CommandResult> {
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, ...env },
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code: code ?? -1, stdout, stderr }
}

/** A port that nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** Waits until `probe` returns something; fails with what was awaited. */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  withinMs = 30_000,
): Promise<T> {
  const deadline = Date.now() + withinMs
  for (;;) {
    const result = await probe()
    if (result !== undefined) return result
    if (Date.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`)
    await new Promise((done) => setTimeout(done, 50))
  }
}

/** A program that runs until it is ended; keeps what it wrote. */
export class RunningProgram {
  readonly child: ChildProcess
  readonly lines: string[] = []
  readonly #ended: Promise<number | null>

  constructor(program: string, args: readonly string[], env: NodeJS.ProcessEnv, nodeFlags: readonly string[] = []) {
    this.child = spawn(process.execPath, [...nodeFlags, program, ...args], {
      env: { ...process.env, ...env },
      cwd: project,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#ended = once(this.child, 'exit').then(([code]) => code as number | null)
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => this.lines.push(line))
    }
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** The first line that matches, also one that was written before. */
  async line(pattern: RegExp, withinMs = 30_000): Promise<string> {
    return eventually(
      `a line like ${pattern}`,
      () => {
        const found = this.lines.find((line) => pattern.test(line))
        if (found === undefined && !this.running) throw new Error(`The program has ended:\n${this.lines.join('\n')}`)
        return found
      },
      withinMs,
    )
  }

  /** Ends it as a person with Ctrl-C, or as a crash with SIGKILL; returns its exit code. */
  async end(signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<number | null> {
    if (this.running) this.child.kill(signal)
    return this.#ended
  }
}

export interface NodeOptions {
  tier?: 'device' | 'edge' | 'cloud'
  /** The text of agent.toml. */
  nodeFile?: string
}

export class Fleet {
  readonly folder: string
  readonly name: string
  readonly env: NodeJS.ProcessEnv
  readonly httpPort: number
  readonly mqttPort: number
  gateway: RunningProgram | null = null
  readonly agents = new Map<string, RunningProgram>()

  private constructor(name: string, folder: string, httpPort: number, mqttPort: number) {
    this.name = name
    this.folder = folder
    this.httpPort = httpPort
    this.mqttPort = mqttPort
    this.env = { HYPHA_HOME: join(folder, 'hypha'), HYPHA_PASSPHRASE: 'correct horse battery staple' }
  }

  /** `hypha init`, and the gateway; without its edge agent unless asked for. */
  static async start(options: { name?: string; edge?: boolean } = {}): Promise<Fleet> {
    const folder = mkdtempSync(join(tmpdir(), 'hypha-fleet-'))
    const fleet = new Fleet(options.name ?? 'test', folder, await freePort(), await freePort())
    const ports = ['--http-port', `${fleet.httpPort}`, '--mqtt-port', `${fleet.mqttPort}`]
    await fleet.hypha(['init', fleet.name, '--host', '127.0.0.1', ...ports])
    await fleet.startGateway(options.edge ?? false)
    return fleet
  }

  async startGateway(edge = false): Promise<void> {
    this.gateway = new RunningProgram(hyphaProgram, ['gateway', ...(edge ? [] : ['--no-edge'])], this.env)
    await this.gateway.line(/ready/)
  }

  /** A command that must succeed. */
  async hypha(args: readonly string[], cwd?: string): Promise<string> {
    const result = await runProgram(hyphaProgram, args, this.env, cwd)
    if (result.code !== 0)
      throw new Error(`hypha ${args.join(' ')} ended with ${result.code}:\n${result.stdout}${result.stderr}`)
    return result.stdout
  }

  /** A command's `--json` answer. */
  async json<T>(args: readonly string[], cwd?: string): Promise<T> {
    return JSON.parse(await this.hypha([...args, '--json'], cwd)) as T
  }

  /** A command that may fail. */
  tryHypha(args: readonly string[], cwd?: string): Promise<CommandResult> {
    return runProgram(hyphaProgram, args, this.env, cwd)
  }

  agentHome(node: string): string {
    return join(this.folder, node)
  }

  /** Invites, joins and runs an agent, each step as a person would. */
  async addNode(node: string, options: NodeOptions = {}): Promise<RunningProgram> {
    const { url } = await this.json<{ url: string }>(['invite', node, '--tier', options.tier ?? 'device'])
    const joined = await runProgram(agentProgram, ['join', url, '--home', this.agentHome(node)], {})
    if (joined.code !== 0) throw new Error(`${node} could not join:\n${joined.stdout}${joined.stderr}`)
    if (options.nodeFile !== undefined) this.writeNodeFile(node, options.nodeFile)
    return this.startAgent(node)
  }

  writeNodeFile(node: string, text: string): void {
    mkdirSync(this.agentHome(node), { recursive: true })
    writeFileSync(join(this.agentHome(node), 'agent.toml'), text)
  }

  async startAgent(node: string, program = agentProgram): Promise<RunningProgram> {
    const agent = new RunningProgram(program, ['run', '--home', this.agentHome(node)], {})
    this.agents.set(node, agent)
    await agent.line(/connected/)
    return agent
  }

  /** Ends every process and deletes the folder. */
  async stop(): Promise<void> {
    await Promise.all([...this.agents.values()].map((agent) => agent.end()))
    await this.gateway?.end()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
