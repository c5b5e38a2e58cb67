import { promisify } from 'node:util'
import { type BrotliOptions, brotliCompress, brotliCompressSync, constants } from 'node:zlib'
import { fromHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Transfer } from '@hypha/core/trust/directive.ts'
import { type ContentStore, digestOf, type TransferRecord } from '../store/contents.ts'

/** Up to this size what the best of brotli gives but for 2 %, for a fifth of its time. Above it a level that gives up a tenth of the gain for a tenth of the time. */
const thoroughUpToBytes = 32 * 1024

const compressAsync = promisify<Uint8Array, BrotliOptions, Buffer>(brotliCompress)

const brotliOptions = (size: number): BrotliOptions => ({
  params: {
    [constants.BROTLI_PARAM_QUALITY]: size <= thoroughUpToBytes ? 10 : 9,
    [constants.BROTLI_PARAM_SIZE_HINT]: size,
  },
})

const toTransfer = ({ encoding, base, digest, size }: TransferRecord): Transfer => ({
  encoding,
  base: base === null ? null : fromHex(base),
  digest: fromHex(digest),
  size,
  via: null,
})

/** How contents get to nodes, computed once and kept in the store. Digests are hex. */
export function createTransfers(contents: ContentStore) {
  function read(content: string): Uint8Array<ArrayBuffer> {
    const bytes = contents.get(content)
    if (bytes) return bytes
    throw new HyphaError('internal', `The content ${content} is in a directive and not in the store`)
  }

  /** The form in which a content travels on its own: compressed, where that is shorter. */
  function keep(content: string, whole: Uint8Array, compressed: Uint8Array): TransferRecord {
    const shorter = compressed.length < whole.length
    const record: TransferRecord = shorter
      ? { encoding: 'brotli', base: null, digest: digestOf(compressed), size: compressed.length }
      : { encoding: 'identity', base: null, digest: content, size: whole.length }
    contents.putTransfer(content, record, shorter ? compressed : null)
    return record
  }

  return {
    /**
     * Compresses contents that have no transfer yet, on other threads, so that `transferFor` doesn't keep the gateway waiting. The result keeps what was made; it is to be
     * called once the contents themselves are in the store.
     */
    async prepare(wanted: ReadonlyMap<string, Uint8Array>): Promise<() => void> {
      const missing = [...wanted].filter(([content]) => contents.findTransfer(content, null) === null)
      const made = await Promise.all(
        missing.map(async ([content, whole]) => {
          const compressed = await compressAsync(whole, brotliOptions(whole.length))
          return () => keep(content, whole, compressed)
        }),
      )
      return () => {
        for (const keepIt of made) keepIt()
      }
    },
    /**
     * The cheapest known way to get a content to a node that holds `held`. Ways that build on what a node holds are looked up by (base, content); whole is
     * what remains.
     */
    transferFor(content: string, held: readonly string[] = []): Transfer {
      const whole = contents.findTransfer(content, null)
      const patches = held.map((base) => contents.findTransfer(content, base)).filter((found) => found !== null)
      const bytes = whole === null ? read(content) : null
      const alone = whole ?? keep(content, bytes!, brotliCompressSync(bytes!, brotliOptions(bytes!.length)))
      return toTransfer(patches.reduce((best, patch) => (patch.size < best.size ? patch : best), alone))
    },
  }
}

export type Transfers = ReturnType<typeof createTransfers>
