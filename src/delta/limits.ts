import { HyphaError } from '../errors.ts'

/** Longest module, component or other file that a patch is made of or makes [D 2.3]. */
export const maxContentBytes = 64 * 1024 * 1024

/** Cells of the table of probabilities, as a power of two [D 2.2]. */
export const tableBits = { least: 10, most: 18 } as const

/** No record of the coded stream takes more bytes than this, so a decoder that holds as many never has to stop within one [D 3.4]. */
export const mostRecordBytes = 1024

/** An instruction with more immediates isn't edited but the module as a whole given to the general delta [D 5.2]. */
export const maxImmediates = 4096

/** Locals with higher indices are expected to keep theirs [D 5.4]. */
export const mappedLocals = 4096

/** Types, functions, globals or segments of a module: as many as engines take [D 4.2]. */
export const maxThings = 1_000_000

/** Shifts of addresses that a patch may tell [D 4.4]. */
export const maxAddressRuns = 4096

/** Instructions of the old module that may be walked for each byte of old and new, over all bodies [D 5.6]. */
export const walkPerByte = 8

/** A patch that doesn't obey its format, or doesn't fit the old module. */
export function malformed(message: string): HyphaError {
  return new HyphaError('delta-malformed', `patch: ${message}`)
}

/** Thrown while a patch is made: the module has something that the wasm-aware form doesn't know. Never leaves this folder. */
export class Unsupported extends Error {}
