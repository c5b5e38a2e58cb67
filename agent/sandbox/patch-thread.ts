import type { Worker } from 'node:worker_threads'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import { defaultOptions } from './options.ts'
import { startWorker } from './thread-transport.ts'
import type { PatchJob, PatchResult } from './worker/patch.ts'

const fromSource = import.meta.url.endsWith('.ts')
const workerUrl = new URL(fromSource ? './worker/patch.ts' : './worker/patch.js', import.meta.url)

/** It starts in 40 ms and holds 10 MB: kept for the other modules of the same release, and for who pushes again at once. */
const idleMs = 30_000

/** What the lists of a module's functions take, next to the bytes themselves: 64 MiB of either file, and no more. */
const heapMb = 192

export interface PatchThread {
  /**
   * Applies a patch, away from the thread that telemetry runs on: the first one takes tens of milliseconds where nothing is compiled yet, a large one seconds.
   * Throws what the decoder throws, `bytes-too-long` for more than `maxBytes`, `patch-not-applied` where the thread ends before it is done.
   */
  apply(base: Uint8Array, patch: Uint8Array, maxBytes: number): Promise<Uint8Array<ArrayBuffer>>
  /** Ends the thread, if there is one. */
  close(): Promise<void>
}

interface Waiting {
  readonly resolve: (content: Uint8Array<ArrayBuffer>) => void
  readonly reject: (error: HyphaError) => void
}

/** A thread that is started with the first patch, confined as the cells' are: it reads its own program, and nothing else. */
export function createPatchThread({ clock }: { readonly clock: Clock }): PatchThread {
  let worker: Worker | null = null
  let jobs = 0
  const waiting = new Map<number, Waiting>()
  let cancelIdle = (): void => undefined

  async function end(): Promise<void> {
    cancelIdle()
    const ended = worker
    worker = null
    await ended?.terminate()
  }

  function start(): Worker {
    const started = startWorker({ ...defaultOptions, workerUrl, heapMb }, {})
    const died = (error: unknown): void => {
      if (worker !== started) return
      worker = null
      const why = error instanceof Error ? error.message : 'its thread ended'
      for (const { reject } of waiting.values())
        reject(new HyphaError('patch-not-applied', `no patch is applied: ${why}`))
      waiting.clear()
    }
    started.on('error', died)
    started.on('exit', died)
    started.on('message', (result: PatchResult) => {
      const job = waiting.get(result.number)
      waiting.delete(result.number)
      if (waiting.size === 0 && worker === started) cancelIdle = clock.after(idleMs, () => void end())
      if ('content' in result) job?.resolve(result.content)
      else job?.reject(new HyphaError(result.error.code, result.error.message, result.error))
    })
    return started
  }

  return {
    apply(base, patch, maxBytes) {
      cancelIdle()
      worker ??= start()
      const job: PatchJob = { number: ++jobs, base, patch, maxBytes }
      worker.postMessage(job)
      return new Promise((resolve, reject) => waiting.set(job.number, { resolve, reject }))
    },
    async close() {
      await end()
      for (const { reject } of waiting.values()) reject(new HyphaError('receive-ended', 'the node ends'))
      waiting.clear()
    },
  }
}
