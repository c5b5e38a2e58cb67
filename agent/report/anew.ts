import type { Crypto } from '@hypha/core/ports/crypto.ts'
import { type Files, replaceFile } from '@hypha/core/ports/files.ts'
import { checkpointPath, type Recovered } from './recovery.ts'

const marker = 'journal.anew'

/**
 * From the next start on the journal has a new incarnation: for a disk that was set back or copied, where another may have given the same numbers to other entries. Durable
 * when it resolves.
 */
export const beginJournalAnew = (files: Files): Promise<void> => replaceFile(files, marker, Uint8Array.of(1))

export const journalIsToBeginAnew = (files: Files): boolean => files.read(marker) !== null

/** The journal has begun anew. */
export async function journalHasBegunAnew(files: Files): Promise<void> {
  files.remove(marker)
  await files.syncFolder('')
}

/**
 * Gives what the instances go on from to a journal with another incarnation: one file is replaced, and recovery then passes over the segments of the one before. What it
 * had not sent is dropped, since some of it may be stored already. Returns how many entries these are at most.
 */
export async function reincarnate(
  files: Files,
  folder: string,
  { image, next, segment }: Recovered,
  random: Crypto['random'],
): Promise<number> {
  const renewed = image.renewed(random(8))
  await replaceFile(files, checkpointPath(folder), renewed.image.encode(segment - 1, renewed.next))
  return Math.max(0, next - 1 - image.acknowledged)
}
