import { parentPort } from 'node:worker_threads'
import { asHyphaError, type ErrorJson } from '@hypha/core/errors.ts'
import { applyPatchWithin } from './apply-patch.ts'
import { createPatchKernel } from './patch-kernel.ts'

// The program of the thread that applies patches: one after another, each answered under its number.

export interface PatchJob {
  readonly number: number
  readonly base: Uint8Array
  readonly patch: Uint8Array
  readonly maxBytes: number
}

export type PatchResult =
  | { readonly number: number; readonly content: Uint8Array<ArrayBuffer> }
  | { readonly number: number; readonly error: ErrorJson }

const kernel = createPatchKernel()
const port = parentPort!
port.on('message', ({ number, base, patch, maxBytes }: PatchJob) => {
  let result: PatchResult
  try {
    result = { number, content: applyPatchWithin(base, patch, maxBytes, kernel) }
  } catch (thrown) {
    result = { number, error: asHyphaError(thrown).toJSON() }
  }
  port.postMessage(result, 'content' in result ? [result.content.buffer] : [])
})
