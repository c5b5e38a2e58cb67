import { type ContentStore, digestOf } from '../store/contents.ts'
import { maxInlineBytes } from './directive-packet.ts'

/** Who makes patches, one at a time: `gateway/delta`. */
export interface PatchSource {
  /** It has nothing to do: a patch is begun at once. */
  readonly ready: boolean
  /** Patches are to come soon. */
  warm(): void
  /** Null where none came of it. */
  make(base: Uint8Array, content: Uint8Array): Promise<Uint8Array<ArrayBuffer> | null>
  /** To be told of a patch that was made and can't be kept: nobody waits for it any more. */
  failed(error: unknown): void
}

/** A patch that is asked for. Digests are hex. */
export interface PatchWanted {
  readonly content: string
  readonly whole: Uint8Array
  readonly base: string
}

/**
 * A push waits for patches no longer than the whole would take over a link of 256 kbit/s (a modem of LTE-M, a bad Wi-Fi), and never longer than a second. Measured on two
 * cores: old and new of 7 KB each, whole 4.4 KB, take 15 to 45 ms of 139; of 200 KB, whole 65 KB, 2.3 s: that isn't waited for (docs/adr/0018-patches-on-the-way.md).
 */
const bytesPerMs = 32
const maxWaitMs = 1_000

/** What making takes for each byte of old and new, on the slow side of what was measured. What differs little takes a tenth of it. */
const msPerByte = 4 / 1024

/** Has patches made, each once, and keeps those that are smaller than the whole: a push waits for some, the others are there for nodes that come later. */
export function createPatches(contents: ContentStore, maker: PatchSource) {
  const underWay = new Set<string>()

  const keep = ({ content, base }: PatchWanted, patch: Uint8Array, size: number): void => {
    // What travels within the directive itself, in one packet, gains nothing; and a push that came to nothing has left no content.
    if (size <= maxInlineBytes || patch.length >= size || contents.size(content) === null) return
    contents.putTransfer(content, { encoding: 'patch', base, digest: digestOf(patch), size: patch.length }, patch)
  }

  async function make(wanted: PatchWanted, base: Uint8Array): Promise<Uint8Array | null> {
    const key = keyOf(wanted.base, wanted.content)
    underWay.add(key)
    try {
      return await maker.make(base, wanted.whole)
    } finally {
      underWay.delete(key)
    }
  }

  return {
    /**
     * Begins them all, and waits for those that are worth it. `sizes` are the bytes of each content as it travels whole. The result keeps what is made by then, and
     * has the others kept once they are.
     */
    async prepare(wanted: readonly PatchWanted[], sizes: Promise<ReadonlyMap<string, number>>): Promise<() => void> {
      const { ready } = maker
      maker.warm()
      let keepNow: ((wanted: PatchWanted, patch: Uint8Array) => void) | null = null
      const made: [PatchWanted, Uint8Array][] = []
      const jobs = missing(wanted).map(({ each, bytes: base }) => {
        const job = make(each, base).then((patch) => {
          if (patch === null) return
          if (keepNow === null) made.push([each, patch])
          else keepNow(each, patch)
        })
        job.catch((error) => maker.failed(error))
        return { job, content: each.content, bytes: base.length + each.whole.length }
      })
      const known = await sizes
      const sizeOf = (content: string): number => known.get(content)!
      const worth = jobs.filter(({ content }) => sizeOf(content) > maxInlineBytes)
      const budgetMs = Math.min(maxWaitMs, worth.reduce((sum, { content }) => sum + sizeOf(content), 0) / bytesPerMs)
      let expectedMs = 0
      const awaited = worth.filter(({ bytes }) => {
        expectedMs += bytes * msPerByte
        return ready && expectedMs <= budgetMs
      })
      if (awaited.length > 0) await atMost(budgetMs, Promise.all(awaited.map(({ job }) => job)))
      return () => {
        keepNow = (each, patch) => keep(each, patch, sizeOf(each.content))
        for (const [each, patch] of made) keepNow(each, patch)
      }
    },
  }

  /** Those that are neither there nor under way, with the bytes of their bases; the smallest pair first, as they are made. */
  function missing(wanted: readonly PatchWanted[]) {
    return wanted
      .filter(({ base, content, whole }) => base !== content && whole.length > maxInlineBytes)
      .filter(
        ({ base, content }) => !underWay.has(keyOf(base, content)) && contents.findTransfer(content, base) === null,
      )
      .flatMap((each) => {
        const bytes = contents.get(each.base)
        return bytes === null ? [] : [{ each, bytes }]
      })
      .sort((a, b) => a.bytes.length + a.each.whole.length - b.bytes.length - b.each.whole.length)
  }
}

const keyOf = (base: string, content: string): string => `${base} ${content}`

/** Resolves when `work` has, or after so long. */
function atMost(ms: number, work: Promise<unknown>): Promise<unknown> {
  let timer: NodeJS.Timeout
  const over = new Promise((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  return Promise.race([work, over]).finally(() => clearTimeout(timer))
}
