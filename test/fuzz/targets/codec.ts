import { bytesEqual } from '@hypha/core/bytes/text.ts'
import type { MessageCodec } from '@hypha/core/wire/codec.ts'
import { insist, outcome, type Prepared, reads, type Target } from '../target.ts'

/** What reading and writing must agree on: whatever was read is written as bytes that are read as the same. */
export function codecTarget<T>(codec: MessageCodec<T>, values: readonly T[], about = codec.name): Target {
  const prepare = (): Prepared => ({
    seeds: values.map((value) => codec.encode(value)),
    run(input) {
      const result = reads(() => codec.decode(input))
      if ('refused' in result) return outcome(result)
      // Another's encoding may be shorter than ours, and at a cap ours has no room then.
      const written = reads(() => codec.encode(result.value))
      if ('refused' in written) {
        insist(written.refused.startsWith('bytes-too-long'), `what was read is not written: ${written.refused}`)
        return outcome(written)
      }
      const again = codec.encode(codec.decode(written.value))
      insist(bytesEqual(written.value, again), 'what was read is written differently the second time')
      return bytesEqual(written.value, input) ? 'read, and written as it came' : 'read, and written in another way'
    },
  })
  return { name: codec.name.replaceAll(' ', '-'), about, prepare, short: 1_500 }
}
