import { decodeCbor, encodeCbor, tagged, untag } from '@hypha/core/bytes/cbor.ts'
import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { insist, outcome, reads, type Target } from '../target.ts'

const items: readonly unknown[] = [
  0,
  -1,
  1.5,
  Number.NaN,
  2n ** 53n,
  -(2n ** 60n),
  'text with ö and 🌱',
  Uint8Array.of(1, 2, 3),
  [1, [2, [3, []]]],
  new Map<unknown, unknown>([
    [1, 'one'],
    ['two', new Map([[-1, null]])],
    [true, undefined],
  ]),
  tagged(18, [new Uint8Array(3), new Map(), false]),
]

export const cborTarget: Target = {
  name: 'cbor',
  about: 'any bytes as one CBOR item',
  short: 4_000,
  prepare: () => ({
    seeds: items.map(encodeCbor),
    run(input) {
      const result = reads(() => decodeCbor(input, 'fuzz', 18))
      if ('refused' in result) return outcome(result)
      const written = encodeCbor(result.value)
      const again = encodeCbor(decodeCbor(written, 'fuzz', 18))
      insist(bytesEqual(written, again), 'what was read is written differently the second time')
      return `read ${untag(result.value) ? 'a tag' : typeof result.value}`
    },
  }),
}
