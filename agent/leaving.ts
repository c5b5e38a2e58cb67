import { nodeFiles } from '@hypha/core/platform/files.ts'
import { type Files, replaceFile } from '@hypha/core/ports/files.ts'
import { wipeHome } from './home.ts'

// A node that was removed tells the gateway that it has left, and is forgotten there: from then on it can't be told again. So it writes down how far it is.
//
//   leaving   it was told to leave; it may have said so to the gateway, or not
//   left      the gateway has heard it: only its keys are left to delete

const path = 'leaving'

export type LeavingStep = 'leaving' | 'left'

/** How far an earlier run came with leaving; null where it wasn't told to. */
export function leavingStep(home: string, files: Files = nodeFiles(home)): LeavingStep | null {
  const kept = files.read(path)
  if (kept === null) return null
  return new TextDecoder().decode(kept) === 'left' ? 'left' : 'leaving'
}

/** Durable when it resolves. */
export const noteLeaving = (home: string, step: LeavingStep): Promise<void> =>
  replaceFile(nodeFiles(home), path, new TextEncoder().encode(step))

/** Deletes what is left of a node whose gateway has heard that it leaves, or doesn't know it any more. */
export function finishLeaving(home: string): void {
  wipeHome(home)
}
