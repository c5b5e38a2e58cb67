import { list, nullable, oneOf, record, type TypeOf, text, uint } from '../codec.ts'
import { digest, id } from '../ids.ts'

const u32 = uint(0xffff_ffff)

/** A slot, for a module or for the firmware itself. */
export const slot = record({
  slot: [1, uint(15)],
  /** `receiving`: not whole yet. `stored`: verified, never run. `trial`: runs, and isn't confirmed. `failed`: was taken back. */
  status: [2, oneOf('empty', 'receiving', 'stored', 'trial', 'confirmed', 'failed')],
  /** What follows is null while the slot is empty. */
  digest: [3, nullable(digest)],
  size: [4, nullable(u32)],
  /** Bytes of the content that are durable. */
  held: [5, nullable(u32)],
  app: [6, nullable(id)],
  module: [7, nullable(id)],
  /** Number and digest of the release, and the epoch that it was activated with. */
  release: [8, nullable(u32)],
  releaseDigest: [9, nullable(digest)],
  epoch: [10, nullable(u32)],
})

/** Numbers that only rise, of one app. */
const risen = record({ app: [1, id], release: [2, u32], floor: [3, u32], epoch: [4, u32] })

const running = record({
  slot: [1, uint(15)],
  status: [2, oneOf('starting', 'running', 'backoff', 'failed', 'stopped')],
  restarts: [3, u32],
  turns: [4, uint()],
  /** A code of docs/errors.md for the last failure. */
  error: [5, nullable(text(40))],
})

/** What a board holds and runs: after `identify`, and whenever it changes. [S 8.5] */
export const state = record({
  /** Versions that it holds; 0 for none. */
  root: [1, u32],
  directive: [2, u32],
  slots: [3, list(slot, 16)],
  risen: [4, list(risen, 16)],
  running: [5, list(running, 16)],
  /** How long the last activation kept the module from running, in milliseconds. */
  pausedMs: [6, nullable(u32)],
  uptimeMs: [7, uint()],
  /** Payloads of telemetry that wait for room on the line, and samples that found none in the ring since the start. */
  waiting: [8, u32],
  dropped: [9, u32],
})

export type BoardState = TypeOf<typeof state>
