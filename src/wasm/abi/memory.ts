import { HyphaError } from '../../errors.ts'

/** What the binder needs of an instance. `realloc` is the guest's `cabi_realloc`. */
export interface AbiContext {
  /** The exported memory; asked again whenever the guest's memory has grown. */
  memory(): { readonly buffer: ArrayBuffer }
  realloc(oldPointer: number, oldSize: number, align: number, newSize: number): number
  /** What one call may lift out of the memory, in bytes; default `maxLiftedBytes`. */
  readonly maxLiftedBytes?: number
}

/**
 * Lists may overlap: in 64 KiB of memory a list of 8,000 strings of 64 KiB each has room, so it isn't the memory's size that bounds what a
 * call makes of it.
 */
export const maxLiftedBytes = 16 * 1024 * 1024

/** The guest's memory behind checked views. Their fields are read after `refresh`, which every call and every `allocate` does. */
export class GuestMemory {
  u8 = new Uint8Array(0)
  view = new DataView(new ArrayBuffer(0))
  /** The function that is being called, for errors. */
  where = ''
  readonly #context: AbiContext
  readonly #maxLifted: number
  #lifted = 0

  constructor(context: AbiContext) {
    this.#context = context
    this.#maxLifted = context.maxLiftedBytes ?? maxLiftedBytes
  }

  /** Begins a call: views on the memory as it is now, and nothing lifted yet. */
  enter(where: string): void {
    this.where = where
    this.#lifted = 0
    this.refresh()
  }

  /** A memory that has grown leaves its old buffer detached, and views on that have no length. */
  refresh(): void {
    if (this.u8.length === 0) this.#renew()
  }

  #renew(): void {
    const { buffer } = this.#context.memory()
    this.u8 = new Uint8Array(buffer)
    this.view = new DataView(buffer)
  }

  trap(message: string): HyphaError {
    return new HyphaError('abi-trap', `${this.where}: ${message}`, { where: this.where })
  }

  /** For a value from the host that isn't of the WIT type. */
  wrong(expected: string, value: unknown): HyphaError {
    const shown = typeof value === 'object' || typeof value === 'function' ? typeof value : String(value).slice(0, 80)
    return new HyphaError('abi-value', `${this.where}: expected ${expected}, got ${shown}`, { where: this.where })
  }

  /** A pointer of the guest's as an unsigned number, aligned and with `size` bytes behind it. */
  check(pointer: number, align: number, size: number): number {
    const at = pointer >>> 0
    if ((at & (align - 1)) !== 0) throw this.trap(`the pointer ${at} is not aligned to ${align}`)
    if (at + size > this.u8.length)
      throw this.trap(`${size} bytes at ${at} are beyond the memory of ${this.u8.length} bytes`)
    return at
  }

  /** As `check`, for a list or text that is going to be copied out. */
  checkLifted(pointer: number, align: number, size: number): number {
    this.#lifted += size
    if (this.#lifted > this.#maxLifted) throw this.trap(`the values are over the cap of ${this.#maxLifted} bytes`)
    return this.check(pointer, align, size)
  }

  /** Room in the guest's memory; views are renewed, since the memory may have grown. */
  allocate(align: number, size: number): number {
    if (size > maxListBytes) throw this.wrong(`at most ${maxListBytes} bytes`, size)
    const pointer = this.#context.realloc(0, 0, align, size)
    this.refresh()
    return this.check(pointer, align, size)
  }
}

/** Component model, Canonical ABI, `MAX_LIST_BYTE_LENGTH`. */
const maxListBytes = 2 ** 28 - 1
