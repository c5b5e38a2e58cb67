import type { Random } from './random.ts'

type Mutation = (bytes: Uint8Array, random: Random, others: readonly Uint8Array[]) => Uint8Array

/** Where formats have their corners: signs, the ends of LEB128 and CBOR's short forms, heads of CBOR items. */
const telling = [
  0x00, 0x01, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1f, 0x20, 0x3f, 0x40, 0x41, 0x58, 0x5b, 0x5f, 0x60, 0x7b, 0x7f, 0x80,
  0x81, 0x9b, 0x9f, 0xa0, 0xa1, 0xbb, 0xbf, 0xc0, 0xd8, 0xf4, 0xf6, 0xf7, 0xf9, 0xfa, 0xfb, 0xfe, 0xff,
]

/** Lengths that don't fit: as they stand in front of what they count. */
const lengths = [
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0x80, 0x80, 0x80, 0x80, 0x08],
  [0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x1b, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x5a, 0xff, 0xff, 0xff, 0xff],
  [0x9a, 0x7f, 0xff, 0xff, 0xff],
  [0xba, 0x00, 0x01, 0x00, 0x00],
  [0xff, 0xff],
  [0x80, 0x00],
].map((bytes) => Uint8Array.from(bytes))

const replaced = (bytes: Uint8Array, at: number, count: number, by: Uint8Array): Uint8Array => {
  const made = new Uint8Array(bytes.length - count + by.length)
  made.set(bytes.subarray(0, at))
  made.set(by, at)
  made.set(bytes.subarray(at + count), at + by.length)
  return made
}

const changedAt = (bytes: Uint8Array, at: number, byte: number): Uint8Array => {
  const copy = Uint8Array.from(bytes)
  if (at < copy.length) copy[at] = byte
  return copy
}

const someBytes = (random: Random, count: number): Uint8Array =>
  Uint8Array.from({ length: count }, () => (random.below(2) === 0 ? random.pick(telling) : random.below(256)))

const mutations: readonly Mutation[] = [
  // A bit, a byte, a number that is one off.
  (bytes, random) => {
    const at = random.below(bytes.length)
    return changedAt(bytes, at, (bytes[at] ?? 0) ^ (1 << random.below(8)))
  },
  (bytes, random) => changedAt(bytes, random.below(bytes.length), random.pick(telling)),
  (bytes, random) => {
    const at = random.below(bytes.length)
    return changedAt(bytes, at, (bytes[at] ?? 0) + (random.below(2) === 0 ? 1 : -1))
  },
  // Cut off, taken out, put in, said twice.
  (bytes, random) => bytes.slice(0, random.below(bytes.length + 1)),
  (bytes, random) => {
    const at = random.below(bytes.length)
    return replaced(bytes, at, Math.min(1 + random.small(16), bytes.length - at), new Uint8Array(0))
  },
  (bytes, random) => replaced(bytes, random.below(bytes.length + 1), 0, someBytes(random, 1 + random.small(12))),
  (bytes, random) => {
    const at = random.below(bytes.length)
    const part = bytes.slice(at, at + 1 + random.small(32))
    return replaced(bytes, random.below(bytes.length + 1), 0, part)
  },
  // A length that doesn't fit.
  (bytes, random) => {
    const at = random.below(bytes.length + 1)
    return replaced(bytes, at, Math.min(random.below(6), bytes.length - at), random.pick(lengths))
  },
  // The beginning of one and the end of another; a part of another in its midst.
  (bytes, random, others) => {
    const other = random.pick(others)
    const [at, from] = [random.below(bytes.length + 1), random.below(other.length + 1)]
    return replaced(bytes.subarray(0, at), at, 0, other.subarray(from))
  },
  (bytes, random, others) => {
    const other = random.pick(others)
    const from = random.below(other.length)
    const part = other.subarray(from, from + 1 + random.small(64))
    const at = random.below(bytes.length + 1)
    return replaced(bytes, at, Math.min(random.below(2) * part.length, bytes.length - at), part)
  },
  (_bytes, random) => someBytes(random, random.small(64)),
]

/** A few mutations of one of the inputs, mostly one. */
export function mutate(inputs: readonly Uint8Array[], random: Random, words: readonly string[] = []): Uint8Array {
  let bytes = random.pick(inputs)
  for (let count = 1 + random.small(4); count > 0; count--) {
    if (words.length > 0 && random.below(3) === 0) {
      const at = random.below(bytes.length + 1)
      const gone = Math.min(random.small(8), bytes.length - at)
      bytes = replaced(bytes, at, gone, new TextEncoder().encode(random.pick(words)))
    } else {
      bytes = random.pick(mutations)(bytes, random, inputs)
    }
  }
  return bytes
}
