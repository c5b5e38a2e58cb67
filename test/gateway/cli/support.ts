import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { NodeState, SectionState } from '@hypha/core/wire/messages/state.ts'
import { expect, onTestFinished } from 'vitest'
import { createApi, listenOnSocket } from '../../../gateway/admin/api/server.ts'
import { type HyphaHome, hyphaHome } from '../../../gateway/home.ts'
import { createKeyFile } from '../../../gateway/keys/key-file.ts'
import { inventoryOf, reports, startFleet, type TestGateway } from '../api/gateway.ts'

const mainFile = fileURLToPath(new URL('../../../gateway/main.js', import.meta.url))
const passphrase = 'correct horse battery staple'

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
}

/** The real command line as a process of its own. */
export function startHypha(home: string, args: readonly string[], { env = {}, input }: RunOptions = {}) {
  const { HYPHA_CREDENTIALS: _ignored, COLUMNS: _width, ...inherited } = process.env
  const child = spawn(process.execPath, [mainFile, ...args], {
    env: { ...inherited, HYPHA_HOME: home, HYPHA_PASSPHRASE: passphrase, ...env },
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
  })
  child.stdin.end(input ?? '')
  const ended = new Promise<Ended>((resolve) => child.on('close', (code) => resolve({ code, ...output })))
  return { child: child as ChildProcess, output, ended }
}

export const runHypha = (home: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> =>
  startHypha(home, args, options).ended

/** The result of a command with --json. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into results of many shapes
export async function jsonOf(home: string, args: readonly string[], options: RunOptions = {}): Promise<any> {
  const { code, stdout, stderr } = await runHypha(home, [...args, '--json'], options)
  if (code !== 0) throw new Error(`hypha ${args.join(' ')} ended with ${code}: ${stderr}`)
  return JSON.parse(stdout)
}

/** Waits for a condition for as long as a process may take to start on a busy machine. */
export const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 30_000 })

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-cli-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export interface CliFleet {
  readonly gateway: TestGateway
  readonly home: HyphaHome
  readonly folder: string
  /** Ends the gateway's API. */
  stop(): Promise<void>
}

/** A home whose gateway answers on its socket: the real API over a real database, with a small fleet that has reported. */
export async function fleetOnSocket(): Promise<CliFleet> {
  const folder = temporaryFolder()
  const home = hyphaHome(folder)
  mkdirSync(home.gateway, { recursive: true })
  await createKeyFile(join(home.keys, 'release.key'), {
    fleet: 'garden',
    role: 'release',
    seed: new Uint8Array(32).fill(3),
    protection: { passphrase },
  })
  const gateway = await startFleet()
  for (const { id } of gateway.store.nodes.list()) report(gateway, id)
  const api = await createApi(gateway.services, { trust: { kind: 'local' } })
  onTestFinished(() => api.close())
  await listenOnSocket(api, home.socket)
  return { gateway, home, folder, stop: () => api.close() as unknown as Promise<void> }
}

/** A node reports again, with an engine that runs what compilers make by default. */
function report(gateway: TestGateway, node: string, changes: Partial<NodeState> = {}): void {
  const { tier } = gateway.store.nodes.get(node)!
  const features = ['bulk-memory', 'saturating-conversions', 'sign-extension', 'multi-value', 'mutable-globals']
  reports(gateway, node, tier, { inventory: inventoryOf(tier, { features }), ...changes })
}

/** Lets the nodes report, as soon as they are directed, that every section of their directive is `status`. */
export function playNodes(gateway: TestGateway, status: SectionState['status']): void {
  const answered = new Map<string, number>()
  const answer = (): void => {
    for (const { node, version, directive } of gateway.store.directives.list()) {
      if (answered.get(node) === version) continue
      answered.set(node, version)
      const sections = directive.sections.map(({ app, epoch, release, instances }): SectionState => {
        const message = status === 'reverted' ? 'sampler trapped: unreachable' : null
        const code = status === 'reverted' ? 'turn-trapped' : null
        const running = instances.map(({ module, home }) => {
          return { module, home, status: 'running', restarts: 0, turns: 1, error: null } as const
        })
        return { app, epoch, release, status, code, message, running: release, instances: running, prepare: null }
      })
      report(gateway, node, { directive: version, sections })
    }
  }
  const timer = setInterval(answer, 5)
  onTestFinished(() => clearInterval(timer))
}
