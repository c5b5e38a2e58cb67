import { brotli } from '@hypha/core/platform/compress.ts'
import { insist, outcome, reads, type Target } from '../target.ts'

const maxBytes = 100_000

export const transferTarget: Target = {
  name: 'transfer',
  about: 'a compressed content, and how large it may become',
  short: 800,
  prepare: () => ({
    seeds: [new Uint8Array(100_000), Uint8Array.from({ length: 500 }, (_, at) => at * at)].map(brotli.compress),
    run(input) {
      const result = reads(() => brotli.decompress(input, maxBytes))
      if ('value' in result) insist(result.value.length <= maxBytes, 'more bytes came out than may')
      return outcome(result)
    },
  }),
}
