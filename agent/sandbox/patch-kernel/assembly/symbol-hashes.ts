// Numbers of 64 bits within symbols' names that a compiler makes up [D 4.10].

import { put, putByte, take } from './memory'
import { context, even, flag } from './numbers'

const namesPlace = 26
const slotBits = 12
const mostHashes = 32

/** A table of 2^bits places: number, where it went, whether there is one. */
let slots: usize = 0
let history: u32 = 0

// The number that was found last, and how many have been found in its name.
let found = 0
let start: usize = 0
let end: usize = 0
let value: u64 = 0
let hex = false

export function beginHashes(): void {
  slots = take(24 << slotBits)
  history = 0
}

function isHex(byte: u32): bool {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66)
}

/** Finds the first number of a name; answers where to look for the next, or 0. */
function find(from: usize, to: usize): usize {
  found = 0
  return findNext(from, to)
}

function findNext(from: usize, to: usize): usize {
  if (found++ === mostHashes) return 0
  for (let at = from; at < to; at++) {
    const first = load<u8>(at)
    // 17h, 16 digits, E
    if (first === 0x31 && to - at >= 20 && load<u8>(at + 1) === 0x37 && load<u8>(at + 2) === 0x68) {
      let digits: usize = 0
      while (digits < 16 && isHex(load<u8>(at + 3 + digits))) digits++
      if (digits < 16 || load<u8>(at + 19) !== 0x45) continue
      start = at + 3
      end = at + 19
      hex = true
      value = 0
      for (let i = start; i < end; i++) {
        const digit = <u64>load<u8>(i)
        value = (value << 4) | (digit < 0x60 ? digit - 0x30 : digit - 0x57)
      }
      return at + 20
    }
    // .llvm., digits
    if (first === 0x2e && to - at >= 7 && load<u32>(at + 1) === 0x6d766c6c && load<u8>(at + 5) === 0x2e) {
      start = at + 6
      end = start
      while (end < to && end - start < 20 && load<u8>(end) >= 0x30 && load<u8>(end) <= 0x39) end++
      if (end === start || load<u8>(start) === 0x30) continue
      hex = false
      value = 0
      let beyond = false
      for (let i = start; i < end; i++) {
        const digit = <u64>load<u8>(i) - 0x30
        if (value > 0x1999999999999999 || (value === 0x1999999999999999 && digit > 5)) beyond = true
        value = value * 10 + digit
      }
      if (!beyond) return end
      at = end - 1
    }
  }
  return 0
}

function slotOf(number: u64): usize {
  const folded = <u32>(number >> 32) ^ <u32>number
  return slots + 24 * ((folded * 0x9e3779b1) >>> (32 - slotBits))
}

function isKnown(number: u64): bool {
  const at = slotOf(number)
  return load<u32>(at + 16) !== 0 && load<u64>(at) === number
}

function mapped(number: u64): u64 {
  return isKnown(number) ? load<u64>(slotOf(number) + 8) : number
}

function learn(from: u64, to: u64): void {
  const at = slotOf(from)
  store<u64>(at, from)
  store<u64>(at + 8, to)
  store<u32>(at + 16, 1)
  history = ((history << 1) | (from === to ? 0 : 1)) & 3
}

function write(number: u64, asHex: bool): void {
  if (asHex) {
    for (let shift: i32 = 60; shift >= 0; shift -= 4) {
      const digit = <i32>((number >> shift) & 15)
      putByte(digit < 10 ? 0x30 + digit : 0x57 + digit)
    }
    return
  }
  let unit: u64 = 1
  for (let rest = number; rest >= 10; rest /= 10) unit *= 10
  for (; unit > 0; unit /= 10) putByte(0x30 + <i32>((number / unit) % 10))
}

/** Whether there are numbers, and all are known; whether some go elsewhere. */
export let allKnown: bool = false
export let anyMoved: bool = false

export function look(from: usize, to: usize): void {
  allKnown = anyMoved = false
  for (let next = find(from, to), all = true; next !== 0; next = findNext(next, to)) {
    if (!isKnown(value)) all = false
    if (mapped(value) !== value) anyMoved = true
    allKnown = all
  }
}

/** Writes a name with all that is known of its numbers. */
export function putExpected(from: usize, to: usize): void {
  let at = from
  for (let next = find(from, to); next !== 0; next = findNext(next, to)) {
    put(at, start)
    write(mapped(value), hex)
    at = end
  }
  put(at, to)
}

/** Notes that a name is as it was expected. */
export function keepHashes(from: usize, to: usize): void {
  for (let next = find(from, to); next !== 0; next = findNext(next, to)) learn(value, mapped(value))
}

/** Writes a name that is an old one but for its numbers, where it is; false where it isn't. */
export function codeHashes(from: usize, to: usize): bool {
  let next = find(from, to)
  if (next === 0 || !flag(context(namesPlace, 9))) return false
  let at = from
  for (; next !== 0; next = findNext(next, to)) {
    put(at, start)
    const expected = mapped(value)
    let number = expected
    if (!flag(context(namesPlace, 10, isKnown(value) ? 4 : history, hex ? 16 : 10))) {
      const upper = <u64>even()
      number = (upper << 32) | <u64>even()
    }
    write(number, hex)
    learn(value, number)
    at = end
  }
  put(at, to)
  return true
}
