import type { FuncType } from '@hypha/core/wasm/types.ts'
import { decodeArgs, encodeArgs } from '@hypha/core/wasm/values.ts'
import fc from 'fast-check'
import { everyKind, witValue } from '../../support/wasm-types.ts'
import { insist, outcome, reads, type Target } from '../target.ts'

const funcs: readonly FuncType[] = everyKind.map((type, index) => ({
  name: `take-${index}`,
  params: [{ name: 'x', type }],
  result: null,
}))

/** The first byte says of which type, the rest are the values. */
export const valuesTarget: Target = {
  name: 'values',
  about: 'arguments of a call over a link, by their WIT types',
  maxBytes: 4_096,
  short: 2_000,
  prepare: () => ({
    seeds: funcs.flatMap((func, index) =>
      fc
        .sample(witValue(func.params[0]!.type), { numRuns: 2, seed: index })
        .map((value) => Uint8Array.of(index, ...encodeArgs(func, [value]))),
    ),
    run(input) {
      const func = funcs[(input[0] ?? 0) % funcs.length]!
      const read = reads(() => decodeArgs(func, input.subarray(1)))
      if ('value' in read) {
        const bytes = encodeArgs(func, read.value)
        insist(outcome(reads(() => decodeArgs(func, bytes))) === 'read', `${func.name}: what was read is written back`)
      }
      return `${func.name} ${outcome(read)}`
    },
  }),
}
