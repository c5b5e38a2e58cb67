import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Log } from '@hypha/core/platform/log.ts'

export interface ChildAgentOptions {
  /** The agent's folder; it has joined. */
  readonly home: string
  /** For people: "edge agent". */
  readonly name: string
  readonly json: boolean
  readonly log: Log
  /** In place of this process's own environment. */
  readonly env?: NodeJS.ProcessEnv
  /** It has left its fleet, and has no keys any more: it is not started again. */
  readonly onLeft?: () => void
}

export interface ChildAgent {
  /** Ends it, and resolves when it has ended. */
  stop(): Promise<void>
}

const program = fileURLToPath(new URL('../agent/main.ts', import.meta.url))
const firstBackoffMs = 1_000
const maxBackoffMs = 60_000
const endMs = 10_000

export const hasJoined = (home: string): boolean => existsSync(join(home, 'identity'))

/** Runs an agent as a child process, and starts it again when it dies. */
export function startChildAgent({ home, name, json, log, env = process.env, onLeft }: ChildAgentOptions): ChildAgent {
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
      { stdio: ['pipe', 'ignore', 'inherit'], env },
    )
    child.on('exit', (code, signal) => {
      child = null
      if (stopping) return
      if (onLeft !== undefined && !hasJoined(home)) return onLeft()
      backoffMs = Date.now() - startedAt > maxBackoffMs ? firstBackoffMs : Math.min(maxBackoffMs, backoffMs * 2)
      log.warn(`The ${name} has ended and is started again`, { code, signal, afterMs: backoffMs })
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

/** Has an agent's folder join by an invitation. Throws what the agent said. */
export async function joinChildAgent(
  home: string,
  url: string,
  { name, env = process.env }: Pick<ChildAgentOptions, 'name' | 'env'>,
): Promise<void> {
  const child = spawn(process.execPath, [program, 'join', url, '--home', home], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env,
  })
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(0, 4_000)
  })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new HyphaError('internal', `The ${name} could not join: ${complaint.trim()}`, { where: home })
}
