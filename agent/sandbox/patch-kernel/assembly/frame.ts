// What is known of the body that is being edited: where its locals went, and which blocks are open [D 5.3, 5.4].

import { local } from './kinds'
import { fail, take } from './memory'

const mappedLocals = 4096
const mostBlocks = 65536

let seen: usize = 0
let shift: usize = 0
let trust: usize = 0
let localCount = 0
let heights: usize = 0
let blocks = 0
let height = 0

export function beginFrames(): void {
  seen = take(4 * mappedLocals)
  shift = take(4 * mappedLocals)
  trust = take(mappedLocals)
  heights = take(4 * mostBlocks)
}

export function clearFrame(): void {
  localCount = 0
  memory.fill(trust, 0, mappedLocals)
  blocks = 1
  store<i32>(heights, 0)
  height = 0
}

export function openBlocks(): i32 {
  return height
}

export function mapLocal(local: i32): i32 {
  if (local < 0 || local >= mappedLocals) return local
  if (load<u8>(trust + local) > 0) return local + load<i32>(shift + 4 * local)
  let at = localCount - 1
  while (at >= 0 && load<i32>(seen + 4 * at) > local) at--
  return at < 0 ? local : local + load<i32>(shift + 4 * load<i32>(seen + 4 * at))
}

/** 0 for one that wasn't seen, then up to 3. */
export function localTrust(local: i32): u32 {
  return local < 0 || local >= mappedLocals ? 0 : load<u8>(trust + local)
}

/** One that went where it was expected. */
export function confirmLocal(local: i32): void {
  if (local < 0 || local >= mappedLocals) return
  const sure = load<u8>(trust + local)
  if (sure === 0) learnLocal(local, mapLocal(local))
  else if (sure < 3) store<u8>(trust + local, sure + 1)
}

export function learnLocal(from: i32, to: i32): void {
  if (from < 0 || from >= mappedLocals) return
  if (load<u8>(trust + from) === 0) {
    let at = localCount
    while (at > 0 && load<i32>(seen + 4 * (at - 1)) > from) at--
    memory.copy(seen + 4 * at + 4, seen + 4 * at, 4 * (localCount - at))
    store<i32>(seen + 4 * at, from)
    localCount++
  }
  store<i32>(shift + 4 * from, to - from)
  store<u8>(trust + from, 1)
}

function push(value: i32): void {
  if (blocks >= mostBlocks) fail()
  store<i32>(heights + 4 * blocks++, value)
}

/** A block that both bodies open, or close. */
export function openBoth(): void {
  height++
  push(height)
}
export function closeBoth(): void {
  height--
  if (blocks > 0) blocks--
}
/** One that only the old body has, or only the new one. */
export function openOld(): void {
  push(-1)
}
export function closeOld(): void {
  if (blocks > 0) blocks--
}
export function openNew(): void {
  height++
}
export function closeNew(): void {
  height--
}

export function mapLabel(value: i32): i32 {
  const at = blocks - 1 - value
  const was = at >= 0 && value >= 0 && at < blocks ? load<i32>(heights + 4 * at) : -1
  return was >= 0 ? max(0, height - was) : value
}
