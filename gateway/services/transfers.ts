import { fromHex, toHex } from '@hypha/core/bytes/text.ts'
import type { Compressor } from '@hypha/core/ports/compressor.ts'
import type { Transfer } from '@hypha/core/trust/directive.ts'
import { digestOf, type TransferRecord } from '../store/contents.ts'
import type { Store } from '../store/store.ts'

/** Compression pays if it saves more than decompressing costs a small device. */
const worthwhile = 0.95

/** How contents travel when nothing is known of what a node holds: compressed where that is smaller, else as they are. */
export class Transfers {
  readonly #store: Store
  readonly #compressor: Compressor

  constructor(store: Store, compressor: Compressor) {
    this.#store = store
    this.#compressor = compressor
  }

  /** Computes the transfer of a content. Slow for a large one, so it is done before a transaction. */
  prepare(bytes: Uint8Array): { readonly record: TransferRecord; readonly bytes: Uint8Array | null } {
    const packed = this.#compressor.compress(bytes)
    if (packed.length < bytes.length * worthwhile) {
      const record = { encoding: 'brotli', base: null, digest: digestOf(packed), size: packed.length } as const
      return { record, bytes: packed }
    }
    return { record: { encoding: 'identity', base: null, digest: digestOf(bytes), size: bytes.length }, bytes: null }
  }

  /** The transfer of a content that is stored; prepared now if it wasn't before. */
  of(content: { readonly digest: Uint8Array; readonly size: number }): Transfer {
    const name = toHex(content.digest)
    const found = this.#store.contents.findTransfer(name, null) ?? this.#late(name)
    return {
      encoding: found.encoding,
      base: found.base === null ? null : fromHex(found.base),
      digest: fromHex(found.digest),
      size: found.size,
    }
  }

  #late(name: string): TransferRecord {
    const { record, bytes } = this.prepare(this.#store.contents.get(name) ?? new Uint8Array())
    this.#store.contents.putTransfer(name, record, bytes)
    return record
  }
}
