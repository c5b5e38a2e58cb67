// The coder and its numbers [D 3], reading.

import { fail, take } from './memory'

const maxInputs = 8
const leastChance: u32 = 24
const slowest: u32 = 15
/** Sets of weights that a place names, and knots of what guesses mean. */
const weightSets = 256
const knotsOfSet = 33

/** Cells are held with the upper bit of their chance turned over, so that zeros are fresh ones. */
const turned: u32 = 0x80000000

let cells: usize = 0
let mask: u32 = 0
let weights: usize = 0
let meant: usize = 0
let found: usize = 0
let contexts: usize = 0
let rates: usize = 0
let squashes: usize = 0
let stretches: usize = 0
let low: u32 = 0
let high: u32 = 0xffffffff
let value: u32 = 0
let from: usize = 0
let end: usize = 0

const knots: StaticArray<i32> = [
  1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047, 2549, 2994, 3348, 3607, 3785, 3901, 3975,
  4024, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094,
]

function logistic(): void {
  squashes = take(8192)
  stretches = take(8192)
  for (let i = 1; i < 4096; i++) {
    const x = i - 2048
    const part = x & 127
    const knot = (x >> 7) + 16
    store<i16>(
      squashes + 2 * i,
      (unchecked(knots[knot]) * (128 - part) + unchecked(knots[min(knot + 1, 32)]) * part + 64) >> 7,
    )
  }
  let next = 0
  for (let x = -2047; x <= 2047; x++) {
    const chance: i32 = load<i16>(squashes + 2 * (x + 2048))
    for (; next <= chance; next++) store<i16>(stretches + 2 * next, x)
  }
  for (; next < 4096; next++) store<i16>(stretches + 2 * next, 2047)
}

/** `prior` is the table of cells that are known. */
export function beginCoder(bits: u32, prior: usize, priorEnd: usize, patch: usize, patchEnd: usize): void {
  logistic()
  cells = take(4 << bits)
  mask = (1 << bits) - 1
  weights = take((weightSets + (2 << maxInputs)) * maxInputs * 4)
  for (let i = 0; i < weightSets * maxInputs; i++) store<i32>(weights + 4 * i, 16000)
  meant = take(4 * weightSets * knotsOfSet)
  for (let i = 0; i < knotsOfSet; i++) store<i32>(meant + 4 * i, load<i16>(squashes + 2 * min(4095, i * 128)) * 16 + 8)
  for (let i = 1; i < weightSets; i++) memory.copy(meant + 4 * knotsOfSet * i, meant, 4 * knotsOfSet)
  rates = take(256)
  for (let uses = 0; uses < 64; uses++) store<i32>(rates + 4 * uses, 655360 / (min<i32>(uses, slowest) * 10 + 15))
  found = take(4 * maxInputs)
  contexts = take(4 * maxInputs)
  const known = take(priorEnd - prior)
  const knownEnd = fromBase64(prior, priorEnd, known)
  const firstCell = known + 2 + (maxInputs + 2) * load<u16>(known)
  for (let at = known + 2; at < firstCell; at += maxInputs + 2) {
    const set = weights + 4 * maxInputs * <usize>load<u16>(at)
    for (let i = 0; i < maxInputs; i++) store<i32>(set + 4 * i, (<i32>load<i8>(at + 2 + i)) * 512)
  }
  let cell: u32 = 0
  for (let at = firstCell; at < knownEnd; ) {
    const gap: u32 = load<u8>(at++)
    cell += gap
    if (gap === 255) continue
    const told: u32 = load<u8>(at++)
    const chance: u32 = <u32>load<i16>(squashes + 2 * (steps(told & 31) + 1)) * 16 + 8
    store<u32>(cells + 4 * (cell & mask), ((chance << 16) | ((1016 + (told >>> 5)) << 6) | 3) ^ turned)
  }
  from = patch
  end = patchEnd
  for (let i = 0; i < 4; i++) value = (value << 8) | next()
}

function fromBase64(from: usize, to: usize, into: usize): usize {
  let at = into
  let bits: u32 = 0
  let held = 0
  for (let next = from; next < to; next++) {
    const digit: u32 = load<u8>(next)
    bits <<= 6
    if (digit >= 0x61) bits |= digit - 0x61 + 26
    else if (digit >= 0x41) bits |= digit - 0x41
    else if (digit >= 0x30) bits |= digit - 0x30 + 52
    else bits |= digit === 0x2b ? 62 : 63
    held += 6
    if (held < 8) continue
    held -= 8
    store<u8>(at++, bits >> held)
  }
  return at
}

/** Math.round(level / 31 * 4094). */
function steps(level: u32): u32 {
  return (level * 8188 + 31) / 62
}

export function usedUp(): bool {
  return from >= end
}

function next(): u32 {
  if (from < end) return load<u8>(from++)
  if (from++ >= end + 8) fail()
  return 0
}

export function code(chance: u32): u32 {
  const range = high - low
  const middle = low + (range >>> 16) * chance + (((range & 0xffff) * chance) >>> 16)
  const bit: u32 = value <= middle ? 1 : 0
  if (bit) high = middle
  else low = middle + 1
  while (((low ^ high) & 0xff000000) === 0) {
    value = (value << 8) | next()
    low <<= 8
    high = (high << 8) | 255
  }
  return bit
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function find(context: u32): usize {
  const at = cells + 4 * (context & mask)
  const cell = load<u32>(at)
  const check = min<u32>(context >>> 22, 1015) << 6
  if ((cell & 0xffc0) !== check)
    store<u32>(at, ((cell & 0xffc0) === (1016 + ((context >>> 22) & 7)) << 6 ? cell & ~0xffc0 : 0) | check)
  return at
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function learn(at: usize, bit: u32): void {
  const cell = load<u32>(at) ^ turned
  const uses = cell & 63
  const chance = cell >>> 16
  const rate = load<u32>(rates + 4 * uses)
  const moved = bit ? chance + (((65535 - chance) * rate) >>> 16) : chance - ((chance * rate) >>> 16)
  store<u32>(at, ((moved << 16) | (cell & 0xffc0) | (uses < slowest ? uses + 1 : uses)) ^ turned)
}

function clamped(chance: u32): u32 {
  return max(leastChance, min(chance, 65536 - leastChance))
}

export function bit(context: u32): u32 {
  const at = find(context)
  const chance = (load<u32>(at) ^ turned) >>> 16
  const is = code(clamped(chance))
  learn(at, is)
  return is
}

export function setContext(i: i32, context: u32): void {
  store<u32>(contexts + 4 * i, context)
}

export function mix(count: i32, node: u32, set: i32): u32 {
  const first = weights + 4 * maxInputs * set
  let known = 1
  for (let i = 0; i < count; i++) {
    const at = find(load<u32>(contexts + 4 * i) + node)
    store<u32>(found + 4 * i, at)
  }
  // Only now, since one context may take over another's cell.
  for (let i = 0; i < count; i++) known = (known << 1) | ((load<u32>(load<u32>(found + 4 * i)) & 63) > 1 ? 1 : 0)
  const second = weights + 4 * maxInputs * (weightSets + known)
  let sum = 0
  for (let i = 0; i < count; i++) {
    const cell = load<u32>(load<u32>(found + 4 * i)) ^ turned
    if (cell & 63)
      sum +=
        (<i32>load<i16>(stretches + 2 * (cell >>> 20)) * (load<i32>(first + 4 * i) + load<i32>(second + 4 * i))) >> 8
  }
  sum >>= 8
  const place = max(1, min(4095, sum + 2048))
  const guess: i32 = load<i16>(squashes + 2 * place)
  const knot = meant + 4 * (set * knotsOfSet + (place >> 7))
  const part = place & 127
  const refined = (load<i32>(knot) * (128 - part) + load<i32>(knot + 4) * part) >> 7
  const is = code(clamped((guess * 16 + 8 + refined) >> 1))
  const nearest = meant + 4 * (set * knotsOfSet + ((place + 64) >> 7))
  const was = load<i32>(nearest)
  store<i32>(nearest, was + (((is ? 65535 : 0) - was) >> 6))
  const error = (((<i32>is) << 12) - guess) * 10
  for (let i = 0; i < count; i++) {
    const at = load<u32>(found + 4 * i)
    const cell = load<u32>(at) ^ turned
    if (cell & 63) {
      const moved = (<i32>load<i16>(stretches + 2 * (cell >>> 20)) * error + 0x2000) >> 14
      store<i32>(first + 4 * i, load<i32>(first + 4 * i) + moved)
      store<i32>(second + 4 * i, load<i32>(second + 4 * i) + moved)
    }
    learn(at, is)
  }
  return is
}

export function teach(context: u32, bits: i32, taught: u32): void {
  let node: u32 = 1
  for (let i = bits - 1; i >= 0; i--) {
    const is = (taught >>> i) & 1
    learn(find(context + node), is)
    node = (node << 1) | is
  }
}
