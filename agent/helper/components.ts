import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const maxProcesses = 32
/** The stream that the child is given beside its standard ones. */
export const cellFd = 3

/** The folder of the packages that jco needs; null where it isn't installed. */
export function findJco(): string | null {
  try {
    const entry = fileURLToPath(import.meta.resolve('@bytecodealliance/jco-transpile/component'))
    const folder = entry.slice(0, entry.lastIndexOf(`${join('/', '@bytecodealliance', 'jco-transpile')}`))
    return existsSync(entry) ? folder : null
  } catch {
    // It isn't among the packages that are installed, which is a state like another.
    return null
  }
}

/** The processes that run components, one for each cell that the agent asks for. */
export class Components {
  readonly #program: string
  readonly #running = new Map<string, ChildProcess>()

  /** @param program the helper's own, which is theirs too. */
  constructor(program: string) {
    this.#program = program
  }

  /** Starts one, which has the connection to itself from then on. */
  start(key: string, connection: Socket): void {
    const jco = findJco()
    if (jco === null || this.#running.size >= maxProcesses) {
      console.error(
        `hypha-helper: no process for components: ${jco === null ? 'jco is not installed' : 'there are too many'}`,
      )
      connection.destroy()
      return
    }
    connection.removeAllListeners('data')
    connection.pause()
    // From source, it reads the other packages too; a bundle stands alone.
    const code = join(dirname(this.#program), this.#program.endsWith('.ts') ? '../..' : '..')
    const flags = [
      '--permission',
      `--allow-fs-read=${code}`,
      `--allow-fs-read=${jco}`,
      '--allow-worker',
      '--disable-warning=PERM0006',
      '--disable-warning=ExperimentalWarning',
      '--max-semi-space-size=1',
    ]
    const child = spawn(process.execPath, [...flags, this.#program, 'components'], {
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
}
