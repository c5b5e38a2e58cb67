import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, realpathSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { checkId } from '@hypha/core/wire/ids.ts'

/** The helper's own program, which is that of the processes that it starts too. */
export const program = realpathSync(process.argv[1] ?? '')
/** A process that nobody asks ends, and gives back its memory. */
const idleMs = 300_000
const longestMs = 60_000

type Answer = Readonly<Record<string, unknown>>

interface Question {
  readonly message: object
  readonly timeoutMs: number
  readonly resolve: (answer: Answer) => void
}

/**
 * Each app's database in a process of its own: a statement can run for as long as it likes and nothing in SQLite's binding stops it, so what
 * takes too long is killed with its process. SQLite's journal undoes what it had begun.
 */
export class Databases {
  readonly #folder: string
  readonly #maxBytes: number
  readonly #open = new Map<string, Database>()

  constructor(folder: string, maxBytes: number) {
    this.#folder = folder
    this.#maxBytes = maxBytes
  }

  run(question: Readonly<Record<string, unknown>>): Promise<Answer> {
    const app = checkId('app', String(question.app))
    let database = this.#open.get(app)
    if (database === undefined) {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
      database = new Database(join(this.#folder, `${app}.db`), this.#maxBytes, () => this.#open.delete(app))
      this.#open.set(app, database)
    }
    const { func, statement, params, key } = question
    const timeoutMs = Math.max(1, Math.min(longestMs, Number(question.timeoutMs) || longestMs))
    return database.run({ func, statement, params, key }, timeoutMs)
  }

  /** Ends the process of an app's database, and deletes its files. */
  async remove(given: string): Promise<void> {
    const app = checkId('app', given)
    await this.#open.get(app)?.end()
    for (const suffix of ['', '-wal', '-shm', '-journal'])
      rmSync(join(this.#folder, `${app}.db${suffix}`), { force: true })
  }

  close(): void {
    for (const database of this.#open.values()) void database.end()
  }
}

/** One process, and what waits for it: a statement at a time. */
class Database {
  readonly #child: ChildProcess
  readonly #onEnd: () => void
  readonly #queue: Question[] = []
  #running: Question | null = null
  #received = ''
  #deadline: ReturnType<typeof setTimeout> | undefined
  #idle: ReturnType<typeof setTimeout> | undefined

  constructor(file: string, maxBytes: number, onEnd: () => void) {
    this.#onEnd = onEnd
    // From source, it reads the other packages too; a bundle stands alone.
    const code = join(dirname(program), program.endsWith('.ts') ? '../..' : '..')
    const flags = [
      '--permission',
      `--allow-fs-read=${code}`,
      `--allow-fs-read=${dirname(file)}`,
      `--allow-fs-write=${dirname(file)}`,
      '--disable-warning=ExperimentalWarning',
    ]
    this.#child = spawn(process.execPath, [...flags, program, 'database', file, String(maxBytes)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      // Where SQLite sorts what doesn't fit into its cache.
      env: { SQLITE_TMPDIR: dirname(file) },
    })
    this.#child.stdout!.setEncoding('utf8')
    this.#child.stdout!.on('data', (text: string) => this.#take(text))
    this.#child.on('error', (error) => this.#lost(error.message))
    this.#child.on('exit', (code, signal) => this.#lost(`its process ended with ${signal ?? code}`))
    this.#child.stdin!.on('error', (error) => this.#lost(error.message))
    this.#rest()
  }

  run(message: object, timeoutMs: number): Promise<Answer> {
    return new Promise((resolve) => {
      this.#queue.push({ message, timeoutMs, resolve })
      this.#next()
    })
  }

  /** Resolves when its process is no more. */
  async end(): Promise<void> {
    if (!this.#child.kill('SIGKILL')) return
    await new Promise((resolve) => this.#child.once('exit', resolve))
  }

  #next(): void {
    if (this.#running !== null) return
    const question = this.#queue.shift()
    if (question === undefined) {
      this.#rest()
      return
    }
    clearTimeout(this.#idle)
    this.#running = question
    this.#deadline = setTimeout(() => this.#lost('the statement took too long'), question.timeoutMs)
    this.#child.stdin!.write(`${JSON.stringify(question.message)}\n`)
  }

  #rest(): void {
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => this.#lost('it was not used'), idleMs)
  }

  #take(text: string): void {
    const lines = (this.#received + text).split('\n')
    this.#received = lines.pop()!
    for (const line of lines) {
      clearTimeout(this.#deadline)
      this.#running?.resolve(JSON.parse(line) as Answer)
      this.#running = null
      this.#next()
    }
  }

  #lost(why: string): void {
    clearTimeout(this.#deadline)
    clearTimeout(this.#idle)
    this.#onEnd()
    void this.end()
    const error = `the database can't be asked: ${why}`
    for (const { resolve } of [...(this.#running === null ? [] : [this.#running]), ...this.#queue.splice(0)])
      resolve({ error })
    this.#running = null
  }
}
