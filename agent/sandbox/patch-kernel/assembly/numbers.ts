// Numbers as bits in contexts [D 3.6, 3.7].

import { bit, code, mix, setContext } from './coder'
import { fail } from './memory'

/** Places, as in contexts.ts. */
const numbersPlace = 28
const mantissaPlace = 29

export function context(place: u32, a: u32 = 0, b: u32 = 0, c: u32 = 0): u32 {
  let h: u32 = ((place - 0x61c88647) * <u32>-0x7a143595) ^ ((a + 0x7f4a7c15) * <u32>-0x3d4d51cb)
  h = (h ^ (h >>> 15)) * 0x2c1b3c6d + (b + 1) * 0x297a2d39 + (c + 1) * 0x165667b1
  h = (h ^ (h >>> 13)) * 0x2545f491
  return h ^ (h >>> 16)
}

export function quick(seed: u32, key: u32): u32 {
  const h = (key ^ seed) * 0x2c1b3c6d
  return h ^ (h >>> 15)
}

export function flag(at: u32): bool {
  return bit(at) === 1
}

/** 32 bits of which nothing is expected. */
export function even(): u32 {
  let number: u32 = 0
  for (let i = 0; i < 32; i++) number = (number << 1) | code(32768)
  return number
}

export function tree(at: u32, bits: i32): u32 {
  let node: u32 = 1
  for (let i = bits; i > 0; i--) node = (node << 1) | bit(at + node)
  return node - (1 << bits)
}

export function mixedTree(count: i32, set: i32, bits: i32): u32 {
  let node: u32 = 1
  for (let i = bits; i > 0; i--) node = (node << 1) | mix(count, node, set)
  return node - (1 << bits)
}

function below(at: u32, length: u32): u32 {
  if (length <= 1) return length
  let number: u32 = 1
  for (let i = <i32>min<u32>(length, 32) - 2, read = 0; i >= 0; i--, read++) {
    if (read >= 12) number = (number << 1) | code(32768)
    else
      number =
        (number << 1) |
        bit(read < 3 ? context(mantissaPlace, at, length, number) : context(mantissaPlace, at, length, read << 8))
  }
  return number
}

export function uint(at: u32): u32 {
  return below(at, tree(context(numbersPlace, at), 6))
}

export function mixedUint(at: u32, other: u32): u32 {
  setContext(0, context(numbersPlace, at))
  setContext(1, context(numbersPlace, other, 1))
  return below(at, mixedTree(2, 3, 6))
}

function unfolded(folded: u32): i32 {
  return <i32>(folded >>> 1) ^ -(<i32>(folded & 1))
}

export function sint(at: u32): i32 {
  return unfolded(uint(at))
}

export function mixedSint(at: u32, other: u32): i32 {
  return unfolded(mixedUint(at, other))
}

/** A count that differs from an expected one. */
export function count(place: u32, sub: u32, expected: i32, most: i32): i32 {
  const told = <i64>expected + <i64>sint(context(place, sub))
  if (told < 0 || told > <i64>most) fail()
  return <i32>told
}
