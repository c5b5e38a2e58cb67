import type { Learnt } from './coder.ts'

/** What a coder knows before the first bit [D 3.8]. */
export function initialState(_tableBits: number): Learnt | undefined {
  return undefined
}
