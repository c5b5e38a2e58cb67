import { makeTransferPatch } from './make.ts'

// The program of the process that makes patches: one after another, each answered before the next comes.

export interface PatchOrder {
  readonly base: Uint8Array
  readonly content: Uint8Array
}

export type PatchMade = { readonly ready: true } | { readonly patch: Uint8Array } | { readonly problem: string }

const answer = (made: PatchMade): void => void process.send!(made)

process.on('message', ({ base, content }: PatchOrder) => {
  try {
    answer({ patch: makeTransferPatch(base, content) })
  } catch (thrown) {
    answer({ problem: thrown instanceof Error ? thrown.message : String(thrown) })
  }
})
// The gateway has ended, however it did.
process.on('disconnect', () => process.exit(0))
answer({ ready: true })
