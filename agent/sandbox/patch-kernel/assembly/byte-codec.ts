// Bytes by edits of old ones [D 6].

import { mix, setContext } from './coder'
import { fail, put, putByte } from './memory'
import { context, flag, mixedTree, quick, sint } from './numbers'

const place = 25
const copyAction = 0
const replaceAction = 1
const insertAction = 2
const moveAction = 3

/** The last two bytes, over all that is coded in this way. */
let one: u32 = 0
let two: u32 = 0

/** `count` bytes that follow those between `old` and `oldEnd`, from `from` of them on. */
export function codeBytes(old: usize, oldEnd: usize, from: u32, count: u32): void {
  let at = old + from
  let history: u32 = 0xff
  let block: u32 = 32
  let streak = 16
  let last = copyAction
  for (let done: u32 = 0; done < count; ) {
    if (streak >= 16 && count - done >= block && oldEnd - at >= block) {
      if (flag(context(place, 8, block))) {
        put(at, at + block)
        at += block
        done += block
        two = load<u8>(at - 2)
        one = load<u8>(at - 1)
        block = min<u32>(4096, block * 2)
        continue
      }
      block = 32
      streak = -48
    }
    const action = codeAction(at, oldEnd, history, last)
    last = action
    history = ((history << 1) | (action === copyAction ? 1 : 0)) & 0xffff
    streak = action === copyAction ? streak + 1 : min(streak, 0)
    if (action === moveAction) {
      const to = <i64>at + <i64>sint(context(place, 9))
      if (to < <i64>old || to > <i64>oldEnd) fail()
      at = <usize>to
      continue
    }
    let byte: u32 = 0
    if (action === copyAction) byte = load<u8>(at)
    else byte = codeByte(action === replaceAction ? <i32>load<u8>(at) : -1)
    putByte(byte)
    two = one
    one = byte
    if (action !== insertAction) at++
    done++
  }
}

function codeAction(at: usize, end: usize, history: u32, last: i32): i32 {
  const mayMove = last !== moveAction
  if (at >= end) return mayMove && flag(context(place, 10, history & 1)) ? moveAction : insertAction
  const expected: u32 = load<u8>(at)
  setContext(0, quick(0x5bd1e995, history))
  setContext(1, quick(0x6c8e9cf5, (expected << 2) | (history & 3)))
  setContext(2, quick(0x3c6ef372, (((one << 8) | expected) << 1) | (history & 1)))
  if (mix(3, 0, 48 + (history & 15)) === 1) return copyAction
  if (flag(context(place, 11, history & 3))) return replaceAction
  if (!mayMove) return insertAction
  return flag(context(place, 12, history & 3)) ? moveAction : insertAction
}

function codeByte(replaced: i32): u32 {
  const hex = (replaced >= 0x30 && replaced <= 0x39) || (replaced >= 0x61 && replaced <= 0x66)
  setContext(0, context(place, 3, hex ? 0x30 : replaced))
  setContext(3, context(place, 6, replaced < 0 ? 0 : 1))
  setContext(1, context(place, 4, one))
  setContext(2, context(place, 5, one, two))
  return mixedTree(4, replaced < 0 ? 64 : hex ? 65 : 67, 8)
}
