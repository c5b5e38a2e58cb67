import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const maxProcesses = 32
/** The file descriptor by which a child speaks to the agent. */
export const connectionFd = 3

/** What a module without a core form takes: one process that takes it apart and ends, and one that runs it. */
export type ComponentTask = 'transpile' | 'run'

/** The folder of the packages that jco needs; null where it isn't installed. */
export function findJco(): string | null {
  try {
    const entry = fileURLToPath(import.meta.resolve('@bytecodealliance/jco-transpile/component'))
    const folder = entry.slice(0, entry.lastIndexOf(join('/', '@bytecodealliance', 'jco-transpile')))
    return existsSync(entry) ? folder : null
  } catch {
    // It isn't among the packages that are installed, which is a state like another.
    return null
  }
}

/** The processes that the agent asks for. Each is confined as the agent is, and reads nothing but its own code. */
export class Components {
  readonly #program: string
  readonly #running = new Map<string, ChildProcess>()

  /** @param program the helper's own, which is theirs too. */
  constructor(program: string) {
    this.#program = program
  }

  /** Starts one, which has the connection to itself from then on. */
  start(task: ComponentTask, key: string, connection: Socket): void {
    const jco = findJco()
    if (jco === null || this.#running.size >= maxProcesses) {
      console.error(`hypha-helper: can't ${task}: ${jco === null ? 'jco is not installed' : 'too many processes run'}`)
      connection.destroy()
      return
    }
    connection.removeAllListeners('data')
    connection.pause()
    const child = spawn(process.execPath, [...this.#flags(task, jco), this.#program, task], {
      stdio: ['ignore', 'ignore', 'inherit', connection],
      env: {},
    })
    // The child has its own copy of the connection: it ends with the child.
    connection.destroy()
    this.#running.set(key, child)
    child.on('error', (error) => console.error(`hypha-helper: ${error.message}`))
    child.on('exit', () => this.#running.delete(key))
  }

  end(key: string): void {
    this.#running.get(key)?.kill('SIGKILL')
  }

  close(): void {
    for (const child of this.#running.values()) child.kill('SIGKILL')
  }

  #flags(task: ComponentTask, jco: string): string[] {
    // From source, it reads the other packages too; a bundle stands alone.
    const code = join(dirname(this.#program), this.#program.endsWith('.ts') ? '../..' : '..')
    const common = [
      '--permission',
      `--allow-fs-read=${code}`,
      '--allow-worker',
      '--disable-warning=PERM0006',
      '--disable-warning=ExperimentalWarning',
      '--max-semi-space-size=1',
    ]
    if (task === 'run') return common
    // It runs once: what would compile it well costs more than it saves. Its memory ends at 512 MiB, whatever the component says.
    const lean = ['--liftoff-only', '--wasm-lazy-compilation', '--wasm-max-mem-pages=8192', '--max-old-space-size=256']
    return [...common, `--allow-fs-read=${jco}`, ...lean]
  }
}
