import { context, Place } from './contexts.ts'
import type { NumberCoder } from './numbers.ts'

/** A number of 64 bits within a symbol's name that a compiler makes up: of a Rust symbol, or of what LLVM moved between modules [D 4.10]. */
interface Hash {
  readonly start: number
  readonly end: number
  readonly radix: 10 | 16
  readonly value: bigint
}

const hashes = /17h([0-9a-f]{16})E|\.llvm\.([1-9][0-9]{0,19})/g
const beyond = 1n << 64n
/** Of one name no more are told: a record has a length that it doesn't exceed [D 3.4]. */
const mostHashes = 32

function hashesOf(name: string): Hash[] {
  const all = [...name.matchAll(hashes)].flatMap((match): Hash[] => {
    const [, hex, decimal] = match
    const digits = hex ?? decimal!
    const value = BigInt(hex === undefined ? digits : `0x${digits}`)
    const start = match.index + (hex === undefined ? 6 : 3)
    return value < beyond ? [{ start, end: start + digits.length, radix: hex === undefined ? 10 : 16, value }] : []
  })
  return all.slice(0, mostHashes)
}

const written = ({ radix }: Hash, value: bigint): string =>
  radix === 16 ? value.toString(16).padStart(16, '0') : value.toString()

/** A name with other numbers in place of its own. */
function withHashes(name: string, all: readonly Hash[], values: readonly bigint[]): string {
  let text = ''
  let from = 0
  all.forEach((hash, i) => {
    text += name.slice(from, hash.start) + written(hash, values[i]!)
    from = hash.end
  })
  return text + name.slice(from)
}

/** Slots of what is remembered, as a power of two. */
const slotBits = 12

/** Where such numbers went: the same one stands in many names, and goes to the same everywhere [D 4.10]. */
export class SymbolHashes {
  readonly #numbers: NumberCoder
  readonly #from: (bigint | undefined)[] = new Array(1 << slotBits)
  readonly #to: bigint[] = new Array(1 << slotBits)
  /** Whether the last ones changed: a bit each. */
  #history = 0

  constructor(numbers: NumberCoder) {
    this.#numbers = numbers
  }

  /** A name with all that is known of its numbers. */
  expected(name: string): { readonly name: string; readonly known: boolean } {
    const all = hashesOf(name)
    const known = all.length > 0 && all.every(({ value }) => this.#from[slot(value)] === value)
    return {
      name: withHashes(
        name,
        all,
        all.map(({ value }) => this.#mapped(value)),
      ),
      known,
    }
  }

  #mapped(value: bigint): bigint {
    const at = slot(value)
    return this.#from[at] === value ? this.#to[at]! : value
  }

  /** Notes that a name is as it was expected. */
  keep(name: string): void {
    for (const { value } of hashesOf(name)) this.#learn(value, this.#mapped(value))
  }

  #learn(from: bigint, to: bigint): void {
    const at = slot(from)
    this.#from[at] = from
    this.#to[at] = to
    this.#history = ((this.#history << 1) | (from === to ? 0 : 1)) & 3
  }

  /** A name that is `base` but for its numbers, where it is; null where it isn't. `given` is the encoder's. */
  code(base: string, given: string | null): string | null {
    const all = hashesOf(base)
    if (all.length === 0) return null
    const now = given === null ? null : hashesOf(given)
    const alike =
      now !== null &&
      now.length === all.length &&
      now.every(({ radix }, i) => radix === all[i]!.radix) &&
      withHashes(
        base,
        all,
        now.map(({ value }) => value),
      ) === given
    if (!this.#numbers.flag(context(Place.names, 9), alike)) return null
    const values = all.map((hash, i) => this.#value(hash, now?.[i]?.value ?? 0n))
    return withHashes(base, all, values)
  }

  #value({ value, radix }: Hash, given: bigint): bigint {
    const numbers = this.#numbers
    const at = slot(value)
    const known = this.#from[at] === value
    const expected = this.#mapped(value)
    let to = expected
    if (!numbers.flag(context(Place.names, 10, known ? 4 : this.#history, radix), given === expected)) {
      const upper = numbers.even(Number(given >> 32n))
      to = (BigInt(upper) << 32n) | BigInt(numbers.even(Number(given & 0xffff_ffffn)))
    }
    this.#learn(value, to)
    return to
  }
}

function slot(value: bigint): number {
  const folded = Number(value >> 32n) ^ Number(value & 0xffff_ffffn)
  return Math.imul(folded, 0x9e3779b1) >>> (32 - slotBits)
}
