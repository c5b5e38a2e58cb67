import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Log } from '@hypha/core/platform/log.ts'

export interface EdgeAgentOptions {
  readonly home: string
  readonly json: boolean
  readonly log: Log
  /** A join URL for the edge node; asked for only when it has not joined yet. */
  readonly invite: () => Promise<string>
}

export interface EdgeAgent {
  /** Ends it, and resolves when it has ended. */
  stop(): Promise<void>
}

const program = fileURLToPath(new URL('../agent/main.ts', import.meta.url))
const firstBackoffMs = 1_000
const maxBackoffMs = 60_000
const endMs = 10_000

// A site's edge node keeps the apps' databases; what else it provides, its owner writes into the same file.
const nodeFile = `# The edge node that runs beside the gateway.\n\n[sql]\n`

/** Starts the gateway's own edge agent as a child process that joins like any other node, and starts it again when it dies. */
export async function startEdgeAgent(options: EdgeAgentOptions): Promise<EdgeAgent> {
  const { home, json, log } = options
  if (!existsSync(join(home, 'identity'))) {
    mkdirSync(home, { recursive: true, mode: 0o700 })
    const file = join(home, 'agent.toml')
    if (!existsSync(file)) writeFileSync(file, nodeFile)
    await joinFleet(home, await options.invite())
  }
  let child: ChildProcess | null = null
  let stopping = false
  let backoffMs = firstBackoffMs
  let timer: NodeJS.Timeout | null = null

  const start = () => {
    const startedAt = Date.now()
    // The pipe to its standard input ends with this process, however that dies; the agent ends with it.
    child = spawn(
      process.execPath,
      [program, 'run', '--home', home, '--until-stdin-ends', ...(json ? ['--json'] : [])],
      {
        stdio: ['pipe', 'ignore', 'inherit'],
      },
    )
    child.on('exit', (code, signal) => {
      child = null
      if (stopping) return
      backoffMs = Date.now() - startedAt > maxBackoffMs ? firstBackoffMs : Math.min(maxBackoffMs, backoffMs * 2)
      log.warn('The edge agent has ended and is started again', { code, signal, afterMs: backoffMs })
      timer = setTimeout(start, backoffMs)
    })
  }
  start()
  return {
    async stop() {
      stopping = true
      if (timer !== null) clearTimeout(timer)
      if (child === null) return
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      const late = setTimeout(() => child?.kill('SIGKILL'), endMs)
      await ended
      clearTimeout(late)
    },
  }
}

async function joinFleet(home: string, url: string): Promise<void> {
  const child = spawn(process.execPath, [program, 'join', url, '--home', home], { stdio: ['ignore', 'ignore', 'pipe'] })
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text
  })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0)
    throw new HyphaError('internal', `The edge agent could not join: ${complaint.trim()}`, { where: home })
}
