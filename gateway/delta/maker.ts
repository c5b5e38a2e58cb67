import { type ChildProcess, fork } from 'node:child_process'
import { constants, setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import type { PatchMade, PatchOrder } from './child.ts'

export interface PatchMakerOptions {
  /** Old and new together; what a patch takes of memory grows with them. */
  readonly maxBytes: number
  /** A patch that takes longer isn't made. */
  readonly deadlineMs: number
  /** JavaScript heap of the process that makes them. */
  readonly heapMb: number
  /** The process ends when it had nothing to do for so long. */
  readonly idleMs: number
  readonly onProblem: (error: HyphaError) => void
}

const defaults: Omit<PatchMakerOptions, 'onProblem'> = {
  maxBytes: 32 * 1024 * 1024,
  deadlineMs: 180_000,
  heapMb: 1_024,
  // Who edits, pushes and edits again finds it warm: it starts in 200 ms, and makes its first patches three times as slowly as the later ones.
  idleMs: 300_000,
}

export interface PatchMaker {
  /** It has been started and has nothing to do: a patch is begun at once. */
  readonly ready: boolean
  /** Starts the process, for patches that are to come. */
  warm(): void
  /** Null where none came of it: too large, too slow, or the process died; what is wrong is told to `onProblem`. The smallest pair goes first. */
  make(base: Uint8Array, content: Uint8Array): Promise<Uint8Array<ArrayBuffer> | null>
  /** Tells `onProblem`. */
  failed(error: unknown): void
  /** Ends it; what waits resolves to null. */
  close(): void
}

interface Job extends PatchOrder {
  readonly resolve: (patch: Uint8Array<ArrayBuffer> | null) => void
}

const program = fileURLToPath(new URL('./child.ts', import.meta.url))
const compileCache = new URL('../compile-cache.js', import.meta.url).href

/**
 * Makes patches in a process of its own of low priority, one at a time: a large module takes a minute and hundreds of megabytes, and the gateway goes on meanwhile,
 * whatever becomes of it (docs/adr/0018-patches-on-the-way.md).
 */
export function createPatchMaker(given: Pick<PatchMakerOptions, 'onProblem'> & Partial<PatchMakerOptions>): PatchMaker {
  const options: PatchMakerOptions = { ...defaults, ...given }
  const queue: Job[] = []
  let child: ChildProcess | null = null
  let started = false
  let running: Job | null = null
  let timer: NodeJS.Timeout | undefined

  function start(): void {
    started = false
    const { HOME, XDG_CACHE_HOME } = process.env
    const made = fork(program, [], {
      // Nothing of this process's environment: it may hold a passphrase.
      env: { ...(HOME ? { HOME } : {}), ...(XDG_CACHE_HOME ? { XDG_CACHE_HOME } : {}) },
      execArgv: [`--max-old-space-size=${options.heapMb}`, '--import', compileCache],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    child = made
    made.unref()
    made.channel?.unref()
    // Before it is there, or on a system that has no priorities, it has none.
    if (made.pid !== undefined) setPriority(made.pid, constants.priority.PRIORITY_BELOW_NORMAL)
    made.on('message', (message: PatchMade) => {
      if (child !== made) return
      if ('ready' in message) started = true
      else if ('patch' in message) finish(Uint8Array.from(message.patch))
      else fail(message.problem)
      next()
    })
    const died = (why: string) => {
      if (child !== made) return
      child = null
      if (running !== null) fail(why)
      next()
    }
    made.on('error', (error) => died(error.message))
    made.on('exit', (code, signal) => died(`its process ended (${signal ?? code})`))
  }

  function finish(patch: Uint8Array<ArrayBuffer> | null): void {
    clearTimeout(timer)
    running?.resolve(patch)
    running = null
  }

  function fail(why: string): void {
    const sizes = running === null ? '' : ` of ${running.content.length} bytes from ${running.base.length}`
    options.onProblem(new HyphaError('patch-not-made', `A patch${sizes} was not made: ${why}`))
    finish(null)
  }

  function end(): void {
    const ended = child
    child = null
    ended?.kill('SIGKILL')
  }

  function later(ms: number, run: () => void): void {
    clearTimeout(timer)
    timer = setTimeout(run, ms).unref()
  }

  function next(): void {
    if (running !== null) return
    if (queue.length === 0) {
      later(options.idleMs, end)
      return
    }
    if (child === null) start()
    if (!started) return
    queue.sort((a, b) => sizeOf(a) - sizeOf(b))
    const job = queue.shift()!
    running = job
    later(options.deadlineMs, () => {
      end()
      fail(`it took longer than ${options.deadlineMs} ms`)
      next()
    })
    child!.send({ base: job.base, content: job.content } satisfies PatchOrder)
  }

  return {
    get ready() {
      return child !== null && started && running === null && queue.length === 0
    },
    warm() {
      if (child === null) start()
      if (running === null) later(options.idleMs, end)
    },
    make(base, content) {
      if (base.length + content.length > options.maxBytes) return Promise.resolve(null)
      return new Promise((resolve) => {
        queue.push({ base, content, resolve })
        next()
      })
    },
    failed: (error) => options.onProblem(asHyphaError(error)),
    close() {
      clearTimeout(timer)
      end()
      for (const { resolve } of [...queue.splice(0), ...(running === null ? [] : [running])]) resolve(null)
      running = null
    },
  }
}

const sizeOf = ({ base, content }: PatchOrder): number => base.length + content.length
