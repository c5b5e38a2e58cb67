import { promisify } from 'node:util'
import { type BrotliOptions, brotliCompress, brotliCompressSync, constants } from 'node:zlib'
import { fromHex } from '@hypha/core/bytes/text.ts'
import { makePatch } from '@hypha/core/delta/make-patch.ts'
import { mostStateBytes, tableBitsIn } from '@hypha/core/delta/mcu/state.ts'
import { isModule } from '@hypha/core/delta/module.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import type { Transfer } from '@hypha/core/trust/directive.ts'
import { type ContentStore, digestOf, type TransferRecord } from '../store/contents.ts'
import { createPatches, type PatchSource } from './patches.ts'

/** Up to this size what the best of brotli gives but for 2 %, for a fifth of its time. Above it a level that gives up a tenth of the gain for a tenth of the time. */
const thoroughUpToBytes = 32 * 1024

/** In front of the base of a transfer that only boards can read. */
const forBoards = 'mcu '
/** What a release's envelope is taken to have of a board's slot, and the unit that all in it is rounded up to. */
const mostEnvelopeBytes = 4 * 1_024
/** A board's slot for its firmware is taken to have room for a patch of so small a part of it. */
const imageSlack = 8
const inPages = (bytes: number): number => Math.ceil(bytes / 1_024) * 1_024
/** What no board's slot takes isn't compressed for one. */
const mostForBoardBytes = 512 * 1024

/** What a board has for a content: in a slot, and in RAM for a module or for decoding one. */
export interface BoardRoom {
  readonly slotBytes: number
  readonly memoryBytes: number
}

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

/** What is known of the contents that nodes hold who need another: for each content what it may be a patch of, the likeliest first. Digests are hex. */
export type Bases = ReadonlyMap<string, readonly string[]>

const nothing: ReadonlySet<string> = new Set()

/** How contents get to nodes, computed once and kept in the store. Digests are hex. Without a `maker` they travel whole. */
export function createTransfers(contents: ContentStore, maker: PatchSource | null = null) {
  const patches = maker && createPatches(contents, maker)

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

  function keepForBoard(content: string, which: string, record: TransferRecord, bytes: Uint8Array | null): void {
    contents.putTransfer(content, { ...record, base: `${forBoards}${record.encoding} ${which}` }, bytes)
  }

  function isOfKind(content: string, module: boolean): boolean {
    const bytes = contents.get(content)
    return bytes !== null && isModule(bytes) === module
  }

  /** Null where what it applies to isn't here any more. */
  function boardPatch(
    content: string,
    bytes: Uint8Array,
    base: string | null,
    stateBytes: number,
  ): TransferRecord | null {
    const which = `${base ?? ''} ${stateBytes}`
    const known = contents.findTransfer(content, `${forBoards}patch ${which}`)
    if (known !== null) return { ...known, base }
    const old = base === null ? new Uint8Array() : contents.get(base)
    if (old === null) return null
    const patch = makePatch(old, bytes, brotli, { profile: 'mcu', stateBytes }).bytes
    const record: TransferRecord = { encoding: 'patch', base, digest: digestOf(patch), size: patch.length }
    keepForBoard(content, which, record, patch)
    return record
  }

  return {
    /**
     * Compresses contents that have no transfer yet, on other threads, so that `transferFor` doesn't keep the gateway waiting, and has patches made of `bases`, for
     * which it waits as long as it is worth (`patches.ts`). The result keeps what was made; it is to be called once the contents themselves are in the store.
     */
    async prepare(wanted: ReadonlyMap<string, Uint8Array>, bases: Bases = new Map()): Promise<() => void> {
      const compressing = Promise.all(
        [...wanted].map(async ([content, whole]) => {
          const known = contents.findTransfer(content, null)
          if (known !== null) return { content, size: known.size, keepIt: () => undefined }
          const compressed = await compressAsync(whole, brotliOptions(whole.length))
          const size = Math.min(whole.length, compressed.length)
          return { content, size, keepIt: () => keep(content, whole, compressed) }
        }),
      )
      // Begun beside the compressing, for the author waits.
      const keepPatches = patches?.prepare(
        [...wanted].flatMap(([content, whole]) => (bases.get(content) ?? []).map((base) => ({ content, whole, base }))),
        compressing.then((all) => new Map(all.map(({ content, size }) => [content, size]))),
      )
      const [made, keepThem] = await Promise.all([compressing, keepPatches])
      return () => {
        for (const { keepIt } of made) keepIt()
        keepThem?.()
      }
    },
    /**
     * The cheapest way to get a content to a board, which decodes nothing but patches of the profile `mcu`: whole, compressed as such a patch of nothing, or a patch of `base`, what it runs. Made
     * when it is asked for first: what a board can hold takes some ten milliseconds. A patch lies in the slot beside what is made of it: where there is no room for both, it comes whole.
     * It is one that the board's memory for a module suffices to decode.
     * `held`: the module and the firmware that the board runs; each is patched over its own kind.
     */
    transferForBoard(content: string, held: readonly string[], { slotBytes, memoryBytes }: BoardRoom): Transfer {
      const bytes = read(content)
      const whole =
        contents.findTransfer(content, null) ??
        keep(content, bytes, brotliCompressSync(bytes, brotliOptions(bytes.length)))
      const asItIs: TransferRecord = { encoding: 'identity', base: null, digest: content, size: bytes.length }
      // Its bytes must be found under its own digest, also where they travel compressed to others.
      if (whole.encoding !== 'identity') keepForBoard(content, '', asItIs, null)
      const stateBytes = Math.min(memoryBytes, mostStateBytes)
      if (bytes.length > mostForBoardBytes || tableBitsIn(stateBytes) === null) return toTransfer(asItIs)
      const forModule = isModule(bytes)
      const bases = held.filter((each) => each !== content && isOfKind(each, forModule))
      const patches = [...(forModule ? [null] : []), ...bases].flatMap(
        (each) => boardPatch(content, bytes, each, stateBytes) ?? [],
      )
      const room = forModule ? slotBytes - mostEnvelopeBytes - inPages(bytes.length) : bytes.length / imageSlack
      const fitting = patches.filter(({ size }) => inPages(size) <= room)
      return toTransfer([asItIs, ...fitting].reduce((best, each) => (each.size < best.size ? each : best)))
    },
    /** The cheapest known way to get a content to a node: a patch of something that it holds, or the whole. `held` is asked only where there are patches. */
    transferFor(content: string, held: () => ReadonlySet<string> = () => nothing): Transfer {
      const whole = contents.findTransfer(content, null)
      const bytes = whole === null ? read(content) : null
      const alone = whole ?? keep(content, bytes!, brotliCompressSync(bytes!, brotliOptions(bytes!.length)))
      const known = contents.patchesOf(content)
      const usable = known.length === 0 ? [] : known.filter(({ base }) => held().has(base!))
      return toTransfer(usable.reduce((best, patch) => (patch.size < best.size ? patch : best), alone))
    },
  }
}

export type Transfers = ReturnType<typeof createTransfers>
