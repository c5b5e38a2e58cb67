import { performance } from 'node:perf_hooks'
import { timeAnswer, timeAsk } from '@hypha/core/wire/messages/time.ts'
import { Buckets, type Rate } from './broker/bucket.ts'

/** Milliseconds since 1970 with fractions, by a clock that never jumps while the process runs, however the machine's is set: commits name their instants by it. [P 10.5] */
export const nowMs = (): number => performance.timeOrigin + performance.now()

/** A measurement asks eight times; one follows a connect, one each PREPARED, one each commit. */
const askRate: Rate = { perSecond: 10, burst: 64 }

/** Answers nodes that ask for the time: null for one that asks too often. Throws for bytes that are no question. */
export function createTimeAnswers(now: () => number = nowMs): (node: string, bytes: Uint8Array) => Uint8Array | null {
  const buckets = new Buckets(askRate)
  return (node, bytes) => {
    const { number } = timeAsk.decode(bytes)
    const read = now()
    return buckets.of(node, read).take(1, read) ? timeAnswer.encode({ number, nowMs: read }) : null
  }
}
