import { toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Want } from '@hypha/core/wire/messages/want.ts'
import type { PartialTransfer } from './partial.ts'

/** Where chunks come from: the node's link. */
export interface ChunkSource {
  /** Subscribes to the chunks of a transfer, across reconnections; the result ends it. */
  subscribe(digestHex: string, onChunk: (index: number, bytes: Uint8Array) => void): () => void
  /** Asks the gateway for what is missing; it may be lost. */
  request(want: Want): void
}

export interface CollectTiming {
  readonly windowChunks: number
  readonly retryMs: number
  readonly maxRetryMs: number
}

export interface CollectHooks {
  /** Told how many of the transfer's bytes are here, durably. */
  readonly onProgress?: (bytes: number, ofBytes: number) => void
  /** Ends it with `receive-ended`; what has come is kept. */
  readonly signal?: AbortSignal
}

/** Asks and waits until every chunk is here. `setRetry` is given what asks at once. */
export function collect(
  partial: PartialTransfer,
  digest: Uint8Array,
  { clock, source }: { readonly clock: Clock; readonly source: ChunkSource },
  { windowChunks, retryMs, maxRetryMs }: CollectTiming,
  { onProgress, signal }: CollectHooks,
  setRetry: (retry: () => void) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let waitMs = retryMs
    let cancelTimer = (): void => undefined
    let unsubscribe = (): void => undefined
    /** Chunks that were asked for and haven't come. */
    let asked = new Set<number>()
    let syncing = false
    let ended = false

    const end = (finish: () => void): void => {
      if (ended) return
      ended = true
      cancelTimer()
      unsubscribe()
      setRetry(() => undefined)
      signal?.removeEventListener('abort', abort)
      finish()
    }
    const abort = (): void => end(() => reject(new HyphaError('receive-ended', 'the content is not wanted any more')))
    const fail = (thrown: unknown): void => end(() => reject(asHyphaError(thrown)))

    const ask = (): void => {
      cancelTimer()
      if (ended) return
      const ranges = partial.missing(windowChunks)
      asked = new Set(ranges.flatMap(({ first, count }) => Array.from({ length: count }, (_, index) => first + index)))
      cancelTimer = clock.after(waitMs, () => {
        waitMs = Math.min(maxRetryMs, waitMs * 2)
        ask()
      })
      source.request({ digest, ranges })
    }

    /** Makes durable what is here, one sync after another, and reports it. */
    const sync = (): void => {
      if (syncing) return
      syncing = true
      const { bytes } = partial
      partial
        .sync()
        .then(() => {
          syncing = false
          if (ended) return
          onProgress?.(bytes, partial.size)
          if (partial.bytes > bytes) sync()
        })
        .catch(fail)
    }

    const onChunk = (index: number, bytes: Uint8Array): void => {
      if (ended) return
      try {
        if (!partial.put(index, bytes)) return
      } catch (thrown) {
        fail(thrown)
        return
      }
      if (partial.complete) {
        end(resolve)
        return
      }
      sync()
      waitMs = retryMs
      asked.delete(index)
      if (asked.size === 0) ask()
    }

    const stop = source.subscribe(toHex(digest), onChunk)
    if (ended) {
      stop()
      return
    }
    unsubscribe = stop
    signal?.addEventListener('abort', abort)
    setRetry(() => {
      waitMs = retryMs
      ask()
    })
    if (signal?.aborted) abort()
    else if (partial.complete) end(resolve)
    else ask()
  })
}
