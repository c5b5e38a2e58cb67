import { fromHex, toHex } from '@hypha/core/bytes/text.ts'

export const callIdBytes = 16
/** Of one instance. */
export const maxBegunCalls = 1_024

/** The ids of the calls that an instance began last: none of them is begun again. */
export class BegunCalls {
  /** In hex, in the order in which they began. */
  readonly #ids = new Set<string>()

  constructor(bytes: Uint8Array | null = null) {
    for (let at = 0; bytes !== null && at + callIdBytes <= bytes.length; at += callIdBytes) {
      this.add(bytes.subarray(at, at + callIdBytes))
    }
  }

  has(id: Uint8Array): boolean {
    return this.#ids.size > 0 && this.#ids.has(toHex(id))
  }

  add(id: Uint8Array): void {
    this.#ids.add(toHex(id))
    if (this.#ids.size <= maxBegunCalls) return
    const [oldest] = this.#ids
    this.#ids.delete(oldest!)
  }

  /** Null where there are none. */
  toBytes(): Uint8Array | null {
    return this.#ids.size === 0 ? null : fromHex([...this.#ids].join(''))
  }
}
