import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  agentProgram,
  type CommandResult,
  eventually,
  freePort,
  hyphaProgram,
  RunningProgram,
  runProgram,
} from '../../examples/demo/processes.ts'

export { eventually } from '../../examples/demo/processes.ts'

// A real fleet for scenarios and benchmarks: the real programs as processes of their own, in folders of their own, on loopback.

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

  readonly #through: readonly string[]

  private constructor(
    name: string,
    folder: string,
    httpPort: number,
    mqttPort: number,
    through: readonly string[] = [],
  ) {
    this.#through = through
    this.name = name
    this.folder = folder
    this.httpPort = httpPort
    this.mqttPort = mqttPort
    this.env = { HYPHA_HOME: join(folder, 'hypha'), HYPHA_PASSPHRASE: 'correct horse battery staple' }
  }

  /** `hypha init`, and the gateway; without its edge agent unless asked for. The gateway is started `through` a command. */
  static async start(options: { name?: string; edge?: boolean; through?: readonly string[] } = {}): Promise<Fleet> {
    const folder = mkdtempSync(join(tmpdir(), 'hypha-fleet-'))
    const fleet = new Fleet(options.name ?? 'test', folder, await freePort(), await freePort(), options.through)
    const ports = ['--http-port', `${fleet.httpPort}`, '--mqtt-port', `${fleet.mqttPort}`]
    try {
      await fleet.hypha(['init', fleet.name, '--host', '127.0.0.1', ...ports])
      await fleet.startGateway(options.edge ?? false)
    } catch (error) {
      await fleet.stop()
      throw error
    }
    return fleet
  }

  async startGateway(edge = false): Promise<void> {
    await this.spawnGateway(edge).line(/ready/)
  }

  /** The same without waiting until it is ready. */
  spawnGateway(edge = false): RunningProgram {
    const args = ['gateway', ...(edge ? [] : ['--no-edge'])]
    this.gateway = new RunningProgram(hyphaProgram, args, this.env, { through: this.#through })
    return this.gateway
  }

  /** A command that must succeed. */
  async hypha(given: readonly string[], cwd?: string): Promise<string> {
    const args = patient(given)
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
    return runProgram(hyphaProgram, patient(args), this.env, cwd)
  }

  /** Waits until all nodes that an app is meant for are at this with the release that is to run. */
  async reached(app: string, status: string): Promise<void> {
    await eventually(`${app} is ${status}`, async () => {
      const { nodes } = await this.json<{ nodes: { status: string }[] }>(['rollout', app])
      return nodes.every((node) => node.status === status) || undefined
    })
  }

  agentHome(node: string): string {
    return join(this.folder, node)
  }

  /** Invites, joins and runs an agent, each step as a person would. */
  async addNode(node: string, options: NodeOptions = {}): Promise<RunningProgram> {
    await this.joinNode(node, options)
    return this.startAgent(node)
  }

  /** Invites and joins; the agent doesn't run yet. */
  async joinNode(node: string, options: NodeOptions = {}): Promise<void> {
    const { url } = await this.json<{ url: string }>(['invite', node, '--tier', options.tier ?? 'device', '--url-only'])
    const joined = await runProgram(agentProgram, ['join', url, '--home', this.agentHome(node)], {})
    if (joined.code !== 0) throw new Error(`${node} could not join:\n${joined.stdout}${joined.stderr}`)
    if (options.nodeFile !== undefined) this.writeNodeFile(node, options.nodeFile)
  }

  writeNodeFile(node: string, text: string): void {
    mkdirSync(this.agentHome(node), { recursive: true })
    writeFileSync(join(this.agentHome(node), 'agent.toml'), text)
  }

  async startAgent(node: string, program = agentProgram): Promise<RunningProgram> {
    const agent = this.spawnAgent(node, program)
    await agent.line(/connected/)
    return agent
  }

  /** The same without waiting until it is connected. */
  spawnAgent(node: string, program = agentProgram): RunningProgram {
    const agent = new RunningProgram(program, ['run', '--home', this.agentHome(node)], {})
    this.agents.set(node, agent)
    return agent
  }

  /** Ends every process and deletes the folder. */
  async stop(): Promise<void> {
    await Promise.all([...this.agents.values()].map((agent) => agent.end()))
    await this.gateway?.end()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** What waits for nodes gives up after a minute, which is too soon on a busy machine. */
function patient(args: readonly string[]): readonly string[] {
  const waits = ['push', 'rollback', 'sign'].includes(args[0]!) && !args.includes('--no-wait')
  return waits && !args.includes('--timeout') ? [...args, '--timeout', '5min'] : args
}
