// Where numbers went that are no addresses [D 5.10].

import { take } from './memory'

const bodyBits = 8
const moduleBits = 12
const mostNeighbours = 128
const leastNumber = 8
const mostTrust: u32 = 3

/** Tables of 2^bits places: number, where it went, how often at a stretch. */
let ofBody: usize = 0
let ofModule: usize = 0
let near: usize = 0
let shift: usize = 0
let count = 0
let first = 0
let second = 0
let sureOfFirst: u32 = 0
let sureOfSecond: u32 = 0

export function beginNumbers(): void {
  ofBody = take(12 << bodyBits)
  ofModule = take(12 << moduleBits)
  near = take(4 * mostNeighbours + 4)
  shift = take(4 * mostNeighbours + 4)
}

export function beginNumbersOfBody(): void {
  memory.fill(ofBody, 0, 12 << bodyBits)
  count = 0
}

export function firstNumber(): i32 {
  return first
}
export function secondNumber(): i32 {
  return second
}
export function firstSure(): u32 {
  return sureOfFirst
}
export function secondSure(): u32 {
  return sureOfSecond
}

function inBody(value: i32): usize {
  return ofBody + 12 * ((<u32>value * 0x9e3779b1) >>> (32 - bodyBits))
}

function inModule(key: i32): usize {
  return ofModule + 12 * ((<u32>key * 0x9e3779b1) >>> (32 - moduleBits))
}

function trust(at: usize, key: i32): u32 {
  return load<i32>(at) === key ? load<u32>(at + 8) : 0
}

function keep(at: usize, key: i32, to: i32): void {
  const sure = load<u32>(at + 8)
  if (load<i32>(at) !== key || load<i32>(at + 4) !== to || sure === 0) {
    store<i32>(at, key)
    store<i32>(at + 4, to)
    store<u32>(at + 8, 1)
  } else if (sure < mostTrust) store<u32>(at + 8, sure + 1)
}

/** Finds the two suggestions for a number. */
export function suggest(kind: i32, value: i32): void {
  sureOfFirst = sureOfSecond = 0
  if (value < leastNumber) return
  const key = value ^ (kind << 26)
  const own = trust(inBody(value), value)
  const sure = own > 0 ? own : trust(inModule(key), key)
  if (sure > 0) {
    first = load<i32>((own > 0 ? inBody(value) : inModule(key)) + 4)
    sureOfFirst = (own > 0 ? 6 : 0) + (first === value ? 0 : 3) + sure
  }
  let at = count - 1
  while (at >= 0 && load<i32>(near + 4 * at) > value) at--
  if (at < 0) return
  second = value + load<i32>(shift + 4 * at)
  sureOfSecond = second === value ? 1 : 2
}

export function learnNumber(kind: i32, value: i32, to: i32): void {
  if (value < leastNumber) return
  keep(inBody(value), value, to)
  const key = value ^ (kind << 26)
  keep(inModule(key), key, to)
  let at = count
  while (at > 0 && load<i32>(near + 4 * (at - 1)) >= value) at--
  if (at === count || load<i32>(near + 4 * at) !== value) {
    if (count === mostNeighbours) return
    const rest = 4 * (count - at)
    memory.copy(near + 4 * at + 4, near + 4 * at, rest)
    memory.copy(shift + 4 * at + 4, shift + 4 * at, rest)
    store<i32>(near + 4 * at, value)
    count++
  }
  store<i32>(shift + 4 * at, to - value)
}
