import { toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import type { Directive } from '@hypha/core/trust/directive.ts'
import { chunkBytes, type Want, want } from '@hypha/core/wire/messages/want.ts'
import type { FleetTopics } from '@hypha/core/wire/topics.ts'
import type { Store } from '../store/store.ts'
import type { Publish } from './directive-packet.ts'

export interface ChunksOptions {
  readonly store: Pick<Store, 'directives' | 'contents'>
  readonly topics: FleetTopics
  readonly publish: Publish
  /** A node asked for what it may not have, or publishing failed. */
  readonly onProblem: (node: string, error: HyphaError) => void
  /** Bytes of a transfer that a directive of one of the node's boards lists. */
  readonly sizeForChildren?: (node: string, digest: string) => number | undefined
  /** Chunks that wait for one node: it asks again for what finds no room. */
  readonly maxWaitingPerNode?: number
  /** Transfers kept in memory while they are sent. */
  readonly maxCachedBytes?: number
  /** What one node may ask, on average and at once; an honest one asks once for each transfer, and again after a silence. */
  readonly wantsPerSecond?: number
  readonly wantBurst?: number
  /**
   * A chunk that another node asks for so soon after it was published waits until the time is over, and then goes once to all that have asked meanwhile: nodes that were told of a
   * transfer together ask one after the other. Twice as long each time, up to eight times.
   */
  readonly gatherMs?: number
  readonly now?: () => number
  readonly after?: (delayMs: number, run: () => void) => void
}

interface Sent {
  /** Whom it was for. */
  readonly node: string
  readonly at: number
  /** How often in a row, without a pause. */
  readonly times: number
}

interface Queue {
  readonly keys: string[]
  at: number
}

const maxNodesRemembered = 10_000
const maxChunksRemembered = 100_000

/** The transfers that a directive lists: bytes by digest in lower-case hex. */
export function transferSizes(directive: Directive | undefined): Map<string, number> {
  const contents = directive?.sections.flatMap((section) => section.contents) ?? []
  return new Map(contents.map(({ transfer }) => [toHex(transfer.digest), transfer.size]))
}

const keyOf = (digest: string, index: number) => `${digest}/${index}`

/**
 * Publishes the chunks that nodes ask for. Nodes take turns, so that one that asks for much doesn't keep the others waiting; the next chunk goes when the broker has handed on
 * the one before, which is as fast as who reads them. A chunk that several wait for is published once, also for those that ask a little later.
 */
export function createChunks(options: ChunksOptions) {
  const { store, topics, publish, onProblem, maxWaitingPerNode = 2_048, maxCachedBytes = 32 * 1024 * 1024 } = options
  const { wantsPerSecond = 20, wantBurst = 400, gatherMs = 50, now = Date.now } = options
  const after = options.after ?? ((delayMs: number, run: () => void) => void setTimeout(run, delayMs).unref())
  const queues = new Map<string, Queue>()
  /** Chunks that were asked for and haven't been published since. */
  const pending = new Set<string>()
  const sent = new Map<string, Sent>()
  /** By transfer: chunks that wait for more to ask, each with one that has. */
  const gathering = new Map<string, Map<string, string>>()
  /** Decoded once for each directive: a want comes for each of its transfers. */
  const sizes = new Map<string, { readonly version: number; readonly byDigest: ReadonlyMap<string, number> }>()
  const allowances = new Map<string, { readonly wants: number; readonly at: number }>()
  const cache = createCache((digest) => store.contents.transferBytes(digest), maxCachedBytes)
  let running: Promise<void> | null = null

  /** Bytes of a transfer that the node's directive lists, or one of its boards'; throws `want-refused` for any other. [P 7.5] */
  function sizeFor(node: string, digest: string): number {
    const version = store.directives.version(node)
    let known = sizes.get(node)
    if (known?.version !== version) {
      known = { version, byDigest: transferSizes(store.directives.get(node)?.directive) }
      if (sizes.size >= maxNodesRemembered) sizes.clear()
      sizes.set(node, known)
    }
    const size = known.byDigest.get(digest) ?? options.sizeForChildren?.(node, digest)
    if (size !== undefined) return size
    throw new HyphaError('want-refused', `${node} asks for ${digest}, which its directive doesn't list`)
  }

  /** A node that asks faster than it can be served gets what it asked for before; it asks again after a silence. */
  function mayAsk(node: string): boolean {
    const time = now()
    const allowance = allowances.get(node) ?? { wants: wantBurst, at: time }
    const saved = (Math.max(0, time - allowance.at) * wantsPerSecond) / 1000
    const wants = Math.min(wantBurst, allowance.wants + saved)
    if (allowances.size >= maxNodesRemembered) allowances.clear()
    allowances.set(node, { wants: Math.max(0, wants - 1), at: time })
    return wants >= 1
  }

  function enqueue(node: string, { digest, ranges }: Want): void {
    const hex = toHex(digest)
    const chunks = Math.ceil(sizeFor(node, hex) / chunkBytes)
    const beyond = ranges.find(({ first, count }) => first + count > chunks)
    if (beyond) {
      const text = `${node} asks for the chunks ${beyond.first} to ${beyond.first + beyond.count - 1} of ${hex}, which has ${chunks}`
      throw new HyphaError('want-refused', text)
    }
    const queue = queues.get(node) ?? { keys: [], at: 0 }
    const asked = new Set(queue.keys.slice(queue.at))
    for (const { first, count } of ranges) {
      for (let index = first; index < first + count && asked.size < maxWaitingPerNode; index++)
        asked.add(keyOf(hex, index))
    }
    for (const key of asked) {
      const waitMs = pending.has(key) ? 0 : gatherFor(node, key)
      if (waitMs > 0) gather(hex, node, key, waitMs)
      else pending.add(key)
    }
    if (asked.size > 0) queues.set(node, { keys: [...asked], at: 0 })
  }

  const gatherTime = (times: number) => gatherMs * 2 ** Math.min(times - 1, 3)

  /** A node that asks for the same again has lost it. */
  function gatherFor(node: string, key: string): number {
    const last = sent.get(key)
    return last === undefined || last.node === node ? 0 : last.at + gatherTime(last.times) - now()
  }

  function gather(digest: string, node: string, key: string, waitMs: number): void {
    const waiting = gathering.get(digest)
    if (waiting) {
      waiting.set(key, node)
      return
    }
    const begun = new Map([[key, node]])
    gathering.set(digest, begun)
    after(waitMs, () => {
      gathering.delete(digest)
      for (const [each, asker] of begun) {
        pending.add(each)
        const queue = queues.get(asker)
        if (queue) queue.keys.push(each)
        else queues.set(asker, { keys: [each], at: 0 })
      }
      start()
    })
  }

  function noteSent(node: string, key: string): void {
    const time = now()
    const last = sent.get(key)
    const times = last && time - last.at <= 2 * gatherTime(last.times) ? last.times + 1 : 1
    if (sent.size >= maxChunksRemembered) sent.clear()
    sent.set(key, { node, at: time, times })
  }

  function start(): void {
    running ??= run().finally(() => {
      running = null
    })
  }

  /** The next chunk that a node waits for and that wasn't published since; null when it has all. */
  function nextOf(node: string, queue: Queue): string | null {
    while (queue.at < queue.keys.length) {
      const key = queue.keys[queue.at++]!
      if (pending.delete(key)) return key
    }
    queues.delete(node)
    return null
  }

  async function send(node: string, key: string): Promise<void> {
    const [digest, index] = key.split('/') as [string, string]
    const bytes = cache(digest)
    if (!bytes) {
      onProblem(node, new HyphaError('internal', `The transfer ${digest} is in a directive and not in the store`))
      return
    }
    const at = Number(index) * chunkBytes
    try {
      await publish(topics.chunk(digest, Number(index)), bytes.subarray(at, at + chunkBytes))
    } catch (thrown) {
      onProblem(node, asHyphaError(thrown))
    }
  }

  async function run(): Promise<void> {
    while (queues.size > 0) {
      for (const [node, queue] of [...queues]) {
        const key = nextOf(node, queue)
        if (key === null) continue
        noteSent(node, key)
        await send(node, key)
      }
    }
  }

  return {
    /** Bytes of `up/want` from a node. What can't be served goes to `onProblem`. */
    onWant(node: string, bytes: Uint8Array): void {
      if (!mayAsk(node)) return
      try {
        enqueue(node, want.decode(bytes))
      } catch (thrown) {
        onProblem(node, asHyphaError(thrown))
        return
      }
      start()
    },
    /** The node is gone, or has another directive: what it waited for isn't sent any more. */
    forget(node: string): void {
      queues.delete(node)
      sizes.delete(node)
      allowances.delete(node)
    },
    /** Resolves when nothing waits but for others to ask. */
    idle: async (): Promise<void> => void (await running),
  }
}

/** The values that were used last, as many as find room. */
function createCache(load: (digest: string) => Uint8Array | null, maxBytes: number) {
  const entries = new Map<string, Uint8Array>()
  let size = 0
  return (digest: string): Uint8Array | null => {
    const bytes = entries.get(digest) ?? load(digest)
    if (!bytes) return null
    if (!entries.delete(digest)) size += bytes.length
    entries.set(digest, bytes)
    for (const [oldest, { length }] of entries) {
      if (size <= maxBytes || oldest === digest) break
      entries.delete(oldest)
      size -= length
    }
    return bytes
  }
}
