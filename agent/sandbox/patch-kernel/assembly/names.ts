// The name section: names follow the things that they name [D 4.9].

import { codeBytes } from './byte-codec'
import { functionReference, globalReference, newFunctions, newGlobals, newSegments, segmentReference } from './maps'
import {
  byte,
  fail,
  here,
  isBroken,
  jump,
  limit,
  open,
  plainUleb,
  put,
  putByte,
  putUleb,
  skip,
  take,
  until,
  writeAt,
  written,
} from './memory'
import { context, count, flag, tree, uint } from './numbers'
import { oldLength } from './old-module'
import { allKnown, anyMoved, beginHashes, codeHashes, keepHashes, look, putExpected } from './symbol-hashes'

const place = 26

let partCount = 0
/** Of each part: id, where it begins and ends, how many names it has, or -1 for another form. */
let parts: usize = 0
let inside: usize = 0
let apart: usize = 0
/** Of each name of the part at hand: index, start, end. */
let names: usize = 0

function isPlain(id: i32): bool {
  return id === 1 || (id >= 4 && id <= 9)
}

export function readNames(from: usize, to: usize): bool {
  if (to - from < 5 || load<u8>(from) !== 4 || load<u32>(from + 1) !== 0x656d616e) return false
  open(from + 5, to)
  let many = 0
  while (here() < to) {
    byte()
    skip(plainUleb())
    if (isBroken()) return false
    many++
  }
  partCount = many
  parts = take(16 * many)
  open(from + 5, to)
  for (let i = 0; i < many; i++) {
    const at = parts + 16 * i
    const id = byte()
    const size = plainUleb()
    const start = here()
    store<i32>(at, id)
    store<u32>(at + 4, start)
    store<u32>(at + 8, start + size)
    store<i32>(at + 12, -1)
    if (isPlain(id)) {
      until(start + size)
      const found = checkNames()
      if (found < 0) return false
      store<i32>(at + 12, found)
      until(to)
    }
    jump(start + size)
  }
  return true
}

/** How many names there are; -1 where it has another form. */
function checkNames(): i32 {
  const many = plainUleb()
  let last: i64 = -1
  for (let i: u32 = 0; i < many; i++) {
    const index = plainUleb()
    if (isBroken() || <i64>index <= last) return -1
    last = index
    skip(plainUleb())
    if (isBroken()) return -1
  }
  return isBroken() || here() !== limit() ? -1 : many
}

function listNames(from: usize, to: usize, many: i32): void {
  names = take(12 * many)
  open(from, to)
  plainUleb()
  for (let i = 0; i < many; i++) {
    store<u32>(names + 12 * i, plainUleb())
    const length = plainUleb()
    store<u32>(names + 12 * i + 4, here())
    skip(length)
    store<u32>(names + 12 * i + 8, here())
  }
}

/** The name of an old thing, or 0. */
function findName(index: i64, many: i32): usize {
  let low = 0
  let high = many - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const at = names + 12 * middle
    const is = <i64>load<u32>(at)
    if (is === index) return at
    if (is < index) low = middle + 1
    else high = middle - 1
  }
  return 0
}

export function codeNames(most: i32, outStart: usize, outEnd: usize): void {
  putByte(4)
  putByte(0x6e)
  putByte(0x61)
  putByte(0x6d)
  putByte(0x65)
  const many = count(place, 0, partCount, most)
  inside = take(most + 64)
  apart = take(most + 64)
  for (let i = 0; i < many; i++) {
    const known = i < partCount
    const before = parts + 16 * i
    const alike = known && flag(context(place, 1))
    const id: i32 = alike ? load<i32>(before) : tree(context(place, 2), 7)
    let old: usize = known && load<i32>(before) === id ? before : 0
    if (old === 0)
      for (let k = 0; k < partCount; k++)
        if (load<i32>(parts + 16 * k) === id) {
          old = parts + 16 * k
          break
        }
    const named = old === 0 ? flag(context(place, 3)) : load<i32>(old + 12) >= 0
    const out = written()
    writeAt(inside, inside, inside + most + 32)
    if (named) {
      const oldNames = old === 0 ? 0 : load<i32>(old + 12)
      if (old !== 0) listNames(load<u32>(old + 4), load<u32>(old + 8), oldNames)
      codeMap(id, oldNames, most)
    } else {
      const from: usize = old === 0 ? 0 : load<u32>(old + 4)
      const to: usize = old === 0 ? 0 : load<u32>(old + 8)
      const length = count(place, 4, <i32>(to - from), most)
      codeBytes(from, to, 0, length)
    }
    const end = written()
    writeAt(outStart, out, outEnd)
    putByte(id)
    putUleb(<u32>(end - inside), 0)
    put(inside, end)
  }
}

function codeMap(id: i32, oldNames: i32, most: i32): void {
  const size = count(place, 5, oldNames, most)
  putUleb(size, 0)
  beginHashes()
  let next: u64 = 0
  let history: u32 = 0
  let last: usize = 0
  let lastEnd: usize = 0
  let left: i64 = 8 * (<i64>oldLength() + <i64>most)
  for (let i = 0; i < size; i++) {
    const index = next + uint(context(place, 6))
    next = index + 1
    const before = findName(reference(id, index), oldNames)
    putUleb(<u32>index, 0)
    const known = before !== 0
    const from: usize = known ? load<usize>(before + 4) : last
    const to: usize = known ? load<usize>(before + 8) : lastEnd
    left -= <i64>(to - from)
    if (left < 0) fail()
    let kept = false
    if (known) {
      look(from, to)
      kept = flag(context(place, 7, allKnown ? 4 : history, anyMoved ? 1 : 0))
    }
    history = ((history << 1) | (kept ? 0 : 1)) & 3
    // The name is put together apart: its length goes before it.
    const out = written()
    writeAt(apart, apart, apart + most + 32)
    let told = kept
    if (kept) {
      putExpected(from, to)
      keepHashes(from, to)
    } else told = codeHashes(from, to)
    if (!told) {
      if (known) putExpected(from, to)
      else put(from, to)
    }
    const end = written()
    writeAt(inside, out, inside + most + 32)
    const length = told ? <i32>(end - apart) : count(place, 8, <i32>(end - apart), most)
    putUleb(length, 0)
    last = written()
    if (told) put(apart, end)
    else codeBytes(apart, end, 0, length)
    lastEnd = written()
  }
}

/** The old thing that a new one follows, or -1. */
function reference(id: i32, index: u64): i64 {
  if (id === 1) return index < <u64>newFunctions() ? functionReference(<i32>index) : -1
  if (id === 7) return index < <u64>newGlobals() ? globalReference(<i32>index) : -1
  if (id === 9) return index < <u64>newSegments() ? segmentReference(<i32>index) : -1
  return index
}
