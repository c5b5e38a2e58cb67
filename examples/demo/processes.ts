import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

// Hypha's programs as processes of their own, for the demo, for scenarios and for benchmarks.

export const project = resolve(import.meta.dirname, '../..')
export const hyphaProgram = join(project, 'gateway/main.js')
export const agentProgram = join(project, 'agent/main.ts')

/** What takes a second takes as long as this on a machine that others keep busy. */
const patienceMs = 120_000

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

/** Waits until `probe` returns something; fails with what was awaited, and with what `last` then says of how things stand. */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  withinMs = patienceMs,
  last: () => string = () => '',
): Promise<T> {
  const deadline = Date.now() + withinMs
  for (;;) {
    const result = await probe()
    if (result !== undefined) return result
    if (Date.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms${last()}`)
    await new Promise((done) => setTimeout(done, 50))
  }
}

const keptLines = 10_000

/** A program that runs until it is ended; keeps the last lines that it wrote. */
export class RunningProgram {
  readonly child: ChildProcess
  readonly lines: string[] = []
  readonly #ended: Promise<number | null>

  constructor(
    program: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv,
    options: {
      nodeFlags?: readonly string[]
      /** A command that becomes the program, such as one that enters a namespace first. */
      through?: readonly string[]
      onLine?: (line: string, stream: 'out' | 'err') => void
    } = {},
  ) {
    const [command, ...before] = [...(options.through ?? []), process.execPath]
    this.child = spawn(command!, [...before, ...(options.nodeFlags ?? []), program, ...args], {
      env: { ...process.env, ...env },
      cwd: project,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#ended = once(this.child, 'exit').then(([code]) => code as number | null)
    for (const [stream, name] of [
      [this.child.stdout!, 'out'],
      [this.child.stderr!, 'err'],
    ] as const) {
      createInterface({ input: stream }).on('line', (line) => {
        this.lines.push(line)
        if (this.lines.length > keptLines) this.lines.shift()
        options.onLine?.(line, name)
      })
    }
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** The first line that matches, also one that was written before. */
  line(pattern: RegExp, withinMs = patienceMs): Promise<string> {
    return eventually(
      `a line like ${pattern}`,
      () => {
        const found = this.lines.find((line) => pattern.test(line))
        if (found === undefined && !this.running) throw new Error('the program has ended')
        return found
      },
      withinMs,
    ).catch((error: Error) => {
      throw new Error(`${error.message}; its last lines:\n${this.lines.slice(-20).join('\n')}`, { cause: error })
    })
  }

  /** Its exit code, once it has ended by itself or was ended. */
  get ended(): Promise<number | null> {
    return this.#ended
  }

  /** Ends it as a person with Ctrl-C, or as a crash with SIGKILL; returns its exit code. */
  async end(signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<number | null> {
    if (this.running) this.child.kill(signal)
    return this.#ended
  }
}
