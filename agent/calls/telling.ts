import type { Clock } from '@hypha/core/ports/clock.ts'
import { linkCounts } from '@hypha/core/wire/messages/link-counts.ts'
import type { LinkStats } from './stats.ts'

const everyMs = 2_000

/** Tells the gateway of this node's links while they are used. The result ends it. */
export function tellLinks(
  stats: LinkStats,
  clock: Pick<Clock, 'after'>,
  publish: (message: Uint8Array) => Promise<void>,
): () => void {
  let told = 0
  let cancel = (): void => undefined
  const arm = (): void => {
    cancel = clock.after(everyMs, () => {
      arm()
      const { calls } = stats
      if (calls === told) return
      publish(linkCounts.encode(stats.counts())).then(
        () => {
          told = calls
        },
        () => {
          // Offline: the next one has it.
        },
      )
    })
  }
  arm()
  return () => cancel()
}
