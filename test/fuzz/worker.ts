import { parentPort, workerData } from 'node:worker_threads'
import { type Find, fuzz } from './engine.ts'
import { targets } from './targets.ts'

/** What the worker tells: how far it is, or how it ended. The input that is being read stands in shared memory, for who finds the worker hanging. */
export type Told =
  | { readonly kind: 'progress'; readonly executions: number; readonly outcomes: number }
  | { readonly kind: 'ended'; readonly executions: number; readonly find: { input: Uint8Array; why: string } | null }

export interface WorkerTask {
  readonly target: string
  readonly seed: number
  readonly untilMs: number
  /** Length in its first four bytes, then the input. */
  readonly shared: SharedArrayBuffer
  /** One input, and nothing else. */
  readonly replay: Uint8Array | null
}

const { target: name, seed, untilMs, shared, replay } = workerData as WorkerTask
const target = targets.find((each) => each.name === name)!
const prepared = await target.prepare()
const length = new Int32Array(shared, 0, 1)
const bytes = new Uint8Array(shared, 4)
let executions = 0
let toldAt = 0

const tell = (told: Told) => parentPort!.postMessage(told)

function before(input: Uint8Array): void {
  bytes.set(input.subarray(0, bytes.length))
  Atomics.store(length, 0, Math.min(input.length, bytes.length))
}

function after(count: number, outcomes: number): void {
  executions = count
  const now = performance.now()
  if (now - toldAt < 500) return
  toldAt = now
  tell({ kind: 'progress', executions, outcomes })
}

async function replayed(input: Uint8Array): Promise<Find | null> {
  before(input)
  try {
    const found = await prepared.run(input)
    tell({ kind: 'progress', executions: 1, outcomes: 1 })
    process.stdout.write(`outcome: ${found}\n`)
    return null
  } catch (why) {
    return { input, why }
  }
}

const more = () => Date.now() < untilMs
const find = replay === null ? await fuzz(target, prepared, seed, { before, after, more }) : await replayed(replay)
await prepared.close?.()
const why = find?.why instanceof Error ? (find.why.stack ?? find.why.message) : String(find?.why)
tell({ kind: 'ended', executions, find: find === null ? null : { input: find.input, why } })
