// Element segments by edits of the old ones [D 4.7].

import { setContext } from './coder'
import { offset } from './kinds'
import { mapFunction, newFunctions } from './maps'
import { fail, here, isBroken, limit, open, plainUleb, putByte, putSleb, putUleb, take } from './memory'
import { context, count, flag, mixedTree } from './numbers'
import { oldLength, readConstant } from './old-module'

const elementsPlace = 23

/** Where functions' slots went, or -1: for the data section. */
let slots: usize = 0
let slotCount: u32 = 0

export function slotOf(word: i32): i32 {
  return <u32>word < slotCount ? load<i32>(slots + 4 * word) : -1
}

let elementCount: u32 = 0
/** Of each old segment of functions: offset, how many, where they stand. */
let elements: usize = 0

export function readElements(from: usize, to: usize): bool {
  open(from, to)
  elementCount = plainUleb()
  if (isBroken() || elementCount > <u32>(limit() - here())) return false
  elements = take(12 * elementCount)
  for (let i: u32 = 0; i < elementCount; i++) {
    if (plainUleb() !== 0) return false
    const offset = readConstant()
    if (isBroken() || offset < 0) return false
    const many = plainUleb()
    if (isBroken() || many > <u32>(limit() - here())) return false
    const list = take(4 * many)
    for (let k: u32 = 0; k < many; k++) store<i32>(list + 4 * k, plainUleb())
    if (isBroken()) return false
    store<i32>(elements + 12 * i, offset)
    store<u32>(elements + 12 * i + 4, many)
    store<u32>(elements + 12 * i + 8, list)
  }
  return here() === to
}

export function codeElements(most: i32): void {
  const many = count(elementsPlace, 0, elementCount, most)
  putUleb(many, 0)
  let end: i64 = 0
  for (let i: u32 = 0; i < elementCount; i++)
    end = max(end, <i64>load<i32>(elements + 12 * i) + <i64>load<i32>(elements + 12 * i + 4))
  slotCount = end > 4 * <i64>oldLength() ? 0 : <u32>end
  slots = take(4 * slotCount)
  memory.fill(slots, 0xff, 4 * slotCount)
  for (let i: u32 = 0; i < <u32>many; i++) {
    const known = i < elementCount
    const at = elements + 12 * i
    const from = known ? load<i32>(at) : 0
    const length = known ? load<i32>(at + 4) : 0
    const list: usize = known ? <usize>load<u32>(at + 8) : 0
    const offset = count(elementsPlace, 1, from, 0x7fffffff)
    const size = count(elementsPlace, 2, length, most)
    putUleb(0, 0)
    putByte(0x41)
    putSleb(offset, offset >> 31, 0)
    putByte(0x0b)
    putUleb(size, 0)
    codeIndices(list, length, size, from, offset)
  }
}

function codeIndices(list: usize, length: i32, size: i32, from: i32, offset: i32): void {
  const bits = max(1, 32 - <i32>clz<u32>(newFunctions() - 1))
  let at = 0
  let history: u32 = 7
  // The maps don't change meanwhile.
  for (let done = 0; done < size; ) {
    if (at < length) {
      const copied = flag(context(elementsPlace, history & 7, 3))
      history = (history << 1) | (copied ? 1 : 0)
      if (copied) {
        const index = mapFunction(load<i32>(list + 4 * at))
        if (index < 0) fail()
        putUleb(index, 0)
        if (<u32>(from + at) < slotCount) store<i32>(slots + 4 * (from + at), offset + done)
        at++
        done++
        continue
      }
      if (flag(context(elementsPlace, history & 3, 4))) {
        at++
        continue
      }
    }
    setContext(0, context(elementsPlace, 0, 5))
    setContext(1, context(elementsPlace, history & 3, 6))
    putUleb(mixedTree(2, 66, bits), 0)
    done++
  }
}
