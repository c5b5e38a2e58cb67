// Declarations of locals [D 5.7].

import { fail, here, isBroken, open, pad, put, putSleb, putUleb, sleb, sleb64, uleb } from './memory'
import { context, flag, sint, uint } from './numbers'

const localsPlace = 12

/** Where the instructions of a body begin. */
export function behindLocals(from: usize, to: usize): usize {
  open(from, to)
  for (let left = uleb(); left > 0; left--) {
    uleb()
    sleb64()
    if (isBroken()) fail()
  }
  return here()
}

/** Declarations of locals, as the old ones or anew [D 5.7]; answers where the old instructions begin. */
export function codeLocals(from: usize, to: usize): usize {
  let groups: u32 = 0
  let first: usize = 0
  if (from !== 0) {
    open(from, to)
    groups = uleb()
    if (isBroken() || pad() > 0 || groups > 4096) fail()
    first = here()
    for (let i: u32 = 0; i < groups; i++) {
      uleb()
      const padding = pad()
      sleb()
      if (isBroken() || padding > 0 || pad() > 0) fail()
    }
  }
  const behind: usize = from === 0 ? 0 : here()
  if (from !== 0 && flag(context(localsPlace))) {
    put(from, behind)
    return behind
  }
  const count = uint(context(localsPlace, 1))
  if (count > 4096) fail()
  putUleb(count, 0)
  if (from !== 0) open(first, behind)
  for (let i: u32 = 0; i < count; i++) {
    let before: i32 = 0
    if (i < groups) {
      before = uleb()
      sleb()
    }
    const kind = sint(context(localsPlace, 2))
    const many = <u32>before > 0 ? before + sint(context(localsPlace, 3)) : <i32>uint(context(localsPlace, 4))
    putUleb(many, 0)
    putSleb(kind, kind >> 31, 0)
  }
  return behind
}
