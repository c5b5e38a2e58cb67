import { fileURLToPath } from 'node:url'

/** What can be set of a sandbox. */
export interface SandboxOptions {
  /** Workers that are started ahead and wait for a cell. Each costs some 10 MB. */
  readonly standby: number
  /** Inputs that may wait for one instance; more are answered with `full`. */
  readonly waitingInputs: number
  /** An instance with state is checkpointed after so many turns … */
  readonly checkpointTurns: number
  /** … or after so long, whatever comes first. */
  readonly checkpointMs: number
  /** Wait before a cell that failed is made anew; doubles with each failure. */
  readonly backoffMs: number
  readonly maxBackoffMs: number
  /** A cell that ran for so long without a failure starts again with the first wait. */
  readonly healthyMs: number
  /** Deadline for compiling and instantiating a cell. */
  readonly loadMs: number
  /** At most one event about throttling, and one about missed ticks, per instance in so long. */
  readonly throttleEventMs: number
  /** JavaScript heap of a worker, apart from the modules' memory. */
  readonly heapMb: number
  /** The worker's program. */
  readonly workerUrl: URL
  /** Folders of the program's own code, which the worker reads as it starts. */
  readonly codeFolders: readonly string[]
}

// From source, or from a bundle that has the worker's program beside it.
const fromSource = import.meta.url.endsWith('.ts')
const workerUrl = new URL(fromSource ? './worker/main.ts' : './worker/main.js', import.meta.url)
const codeFolder = fileURLToPath(new URL(fromSource ? '../../' : './', import.meta.url))

export const defaultOptions: SandboxOptions = {
  standby: 0,
  waitingInputs: 256,
  checkpointTurns: 1_000,
  checkpointMs: 60_000,
  backoffMs: 1_000,
  maxBackoffMs: 60_000,
  healthyMs: 60_000,
  loadMs: 30_000,
  throttleEventMs: 10_000,
  // Run from source, Node strips the types in each worker, which alone takes 10 MB of its heap.
  heapMb: fromSource ? 40 : 16,
  workerUrl,
  codeFolders: [codeFolder],
}
