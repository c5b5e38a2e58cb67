import { type ContentStore, digestOf } from '../store/contents.ts'

/** Who makes patches, one at a time: `gateway/delta`. */
export interface PatchSource {
  /** It has nothing to do: a patch is begun at once. */
  readonly ready: boolean
  /** Patches are to come soon. */
  warm(): void
  /** Null where none came of it. */
  make(base: Uint8Array, content: Uint8Array): Promise<Uint8Array<ArrayBuffer> | null>
}

/** A patch that is asked for. Digests are hex. */
export interface PatchWanted {
  readonly content: string
  readonly whole: Uint8Array
  /** Bytes of the content as it travels without a patch. */
  readonly size: number
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

  const keep = ({ content, base, size }: PatchWanted, patch: Uint8Array): void => {
    // A push that came to nothing has left no content.
    if (patch.length >= size || contents.size(content) === null) return
    contents.putTransfer(content, { encoding: 'patch', base, digest: digestOf(patch), size: patch.length }, patch)
  }

  async function make(wanted: PatchWanted, base: Uint8Array): Promise<Uint8Array | null> {
    const key = `${wanted.base} ${wanted.content}`
    underWay.add(key)
    try {
      return await maker.make(base, wanted.whole)
    } finally {
      underWay.delete(key)
    }
  }

  return {
    /** Begins them all, and waits for those that are worth it. The result keeps what is made by then, and has the others kept once they are. */
    async prepare(wanted: readonly PatchWanted[]): Promise<() => void> {
      const { ready } = maker
      maker.warm()
      const missing = wanted
        .filter(({ base, content }) => base !== content && !underWay.has(`${base} ${content}`))
        .filter(({ base, content }) => contents.findTransfer(content, base) === null)
        .flatMap((each) => {
          const base = contents.get(each.base)
          return base === null ? [] : [{ ...each, bytes: base.length + each.whole.length, from: base }]
        })
        .sort((a, b) => a.bytes - b.bytes)
      let keepNow: ((wanted: PatchWanted, patch: Uint8Array) => void) | null = null
      const made: [PatchWanted, Uint8Array][] = []
      const budgetMs = Math.min(maxWaitMs, missing.reduce((sum, { size }) => sum + size, 0) / bytesPerMs)
      let expectedMs = 0
      const awaited = missing.flatMap((each) => {
        expectedMs += each.bytes * msPerByte
        const job = make(each, each.from).then((patch) => {
          if (patch === null) return
          if (keepNow === null) made.push([each, patch])
          else keepNow(each, patch)
        })
        return ready && expectedMs <= budgetMs ? [job] : []
      })
      if (awaited.length > 0) await atMost(budgetMs, Promise.all(awaited))
      return () => {
        keepNow = keep
        for (const [each, patch] of made) keep(each, patch)
      }
    },
  }
}

/** Resolves when `work` has, or after so long. */
function atMost(ms: number, work: Promise<unknown>): Promise<unknown> {
  let timer: NodeJS.Timeout
  const over = new Promise((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  return Promise.race([work, over]).finally(() => clearTimeout(timer))
}
