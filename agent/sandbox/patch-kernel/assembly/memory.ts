// Where the kernel keeps what it works on, and how it ends: memory is taken once and never given back, since an instance applies one patch.

let top: usize = 0

/** Zeros. */
export function take(bytes: usize): usize {
  if (top === 0) top = (__heap_base + 15) & ~15
  const at = top
  if (bytes > 0x10000000) fail()
  top = (top + bytes + 15) & ~15
  const have = (<usize>memory.size()) << 16
  if (top > have) {
    // Small steps cost more than what they save.
    const pages = <i32>((top - have + 0xffff) >> 16)
    if (memory.grow(max(pages, 16)) < 0 && memory.grow(pages) < 0) fail()
  }
  return at
}

/** It can't be applied here: whoever called goes on with the decoder in TypeScript, which says what is wrong. */
export function fail(): void {
  unreachable()
}

// Reading. What goes wrong is noted, since a section that can't be read in its form is no error; then all reads give 0.
let at: usize = 0
let end: usize = 0
let broken: bool = false
/** Of the number that was read last: bytes over its shortest form, and its upper half. */
let padding: i32 = 0
let upper: i32 = 0

export function open(from: usize, to: usize): void {
  at = from
  end = to
  broken = false
}
export function here(): usize {
  return at
}
export function jump(to: usize): void {
  at = to
}
export function until(to: usize): void {
  end = to
}
export function limit(): usize {
  return end
}
export function done(): bool {
  return at >= end
}
export function isBroken(): bool {
  return broken
}
export function spoil(): void {
  broken = true
  at = end
}
export function pad(): i32 {
  return padding
}
export function high(): i32 {
  return upper
}

export function byte(): i32 {
  if (at >= end) {
    spoil()
    return 0
  }
  return load<u8>(at++)
}

export function skip(count: u32): void {
  if (at > end || count > <u32>(end - at)) spoil()
  else at += count
}

export function uleb(): u32 {
  if (at < end) {
    const first = load<u8>(at)
    if (first < 0x80) {
      padding = 0
      at++
      return first
    }
  }
  const from = at
  let value: u32 = 0
  for (let shift: u32 = 0; ; shift += 7) {
    const next = byte()
    if (broken) return 0
    if (shift === 28 && next > 0x0f) {
      spoil()
      return 0
    }
    value |= (<u32>(next & 0x7f)) << shift
    if (next < 0x80) break
  }
  padding = <i32>(at - from) - ulebLength(value)
  return value
}

/** A number without padding. */
export function plainUleb(): u32 {
  const value = uleb()
  if (pad() > 0) skip(0xffffffff)
  return value
}

/** Up to 32 bits, signed. */
export function sleb(): i32 {
  if (at < end) {
    const first: i32 = load<u8>(at)
    if (first < 0x80) {
      at++
      padding = 0
      upper = (first << 25) >> 31
      return (first << 25) >> 25
    }
  }
  const value = sleb64()
  if (upper !== value >> 31) spoil()
  return value
}

/** The lower half of up to 64 bits, signed; the upper one is `high()`. */
export function sleb64(): i32 {
  let value: i64 = 0
  const from = at
  let shift: i64 = 0
  let next = byte()
  while (next >= 0x80) {
    value |= (<i64>(next & 0x7f)) << shift
    // There are ten bytes at most.
    if (shift === 63) spoil()
    shift += 7
    next = byte()
  }
  if (shift === 63 && next !== 0 && next !== 0x7f) spoil()
  if (broken) return 0
  value |= (<i64>next) << shift
  if (next & 0x40 && shift < 57) value |= (<i64>-1) << (shift + 7)
  const low = <i32>value
  upper = <i32>(value >> 32)
  padding = <i32>(at - from) - slebLength(low, upper)
  return low
}

export function word(): i32 {
  const from = at
  skip(4)
  return broken ? 0 : load<i32>(from)
}

export function ulebLength(value: u32): i32 {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5
}

export function slebLength(low: i32, high: i32): i32 {
  if (high === low >> 31) {
    const size = low < 0 ? ~low : low
    return size < 0x40 ? 1 : size < 0x2000 ? 2 : size < 0x100000 ? 3 : size < 0x8000000 ? 4 : 5
  }
  const size = high < 0 ? ~high : high
  return min(10, (33 + 32 - <i32>clz(size) + 6) / 7)
}

// Writing: the new file and the body that is written are sinks of one kind, of which one is at hand.
let start: usize = 0
let to: usize = 0
let most: usize = 0

export function writeAt(from: usize, here: usize, upTo: usize): void {
  start = from
  to = here
  most = upTo
}
export function written(): usize {
  return to
}

export function putByte(value: i32): void {
  if (to >= most) fail()
  store<u8>(to++, value)
}

export function put(from: usize, upTo: usize): void {
  const count = upTo - from
  if (upTo < from || count > most - to) fail()
  if (count < 16) for (let i: usize = 0; i < count; i++) store<u8>(to + i, load<u8>(from + i))
  else memory.copy(to, from, count)
  to += count
}

export function putUleb(value: u32, extra: i32): void {
  let rest = value
  while (rest >= 0x80) {
    putByte((rest & 0x7f) | 0x80)
    rest >>>= 7
  }
  putByte(extra > 0 ? rest | 0x80 : rest)
  for (let i = 1; i <= extra; i++) putByte(i < extra ? 0x80 : 0)
}

export function putSleb(low: i32, high: i32, extra: i32): void {
  const count = slebLength(low, high)
  let rest: i64 = ((<i64>high) << 32) | <i64>(<u32>low)
  for (let i = 0; i < count; i++) {
    const digit = <i32>(rest & 0x7f)
    rest >>= 7
    putByte(i < count - 1 || extra > 0 ? digit | 0x80 : digit)
  }
  const fill = <i32>(rest & 0x7f)
  for (let i = 1; i <= extra; i++) putByte(i < extra ? fill | 0x80 : fill)
}

export function putWord(value: i32): void {
  for (let i = 0; i < 4; i++) putByte((value >>> (8 * i)) & 255)
}
