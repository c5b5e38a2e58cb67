// Function bodies [D 5]: the same after mapping, or edited, or anew.

import { beginBody, bodyId, walk } from './code-memory'
import { mix, setContext } from './coder'
import {
  clearFrame,
  closeBoth,
  closeNew,
  closeOld,
  confirmLocal,
  learnLocal,
  localTrust,
  mapLabel,
  mapLocal,
  openBlocks,
  openBoth,
  openNew,
  openOld,
} from './frame'
import { change, changeNumber, insert, remember } from './immediates'
import {
  countOf,
  highOf,
  kindOf,
  lowOf,
  makeInstruction,
  needInstruction,
  opOf,
  padOf,
  setCount,
  setField,
  setOp,
} from './instruction'
import { func, global, i32Const, label, local, offset } from './kinds'
import { codeLocals } from './locals'
import { walked, writeMapped } from './mapper'
import { highestAddress, learnMap, lowestAddress, predict } from './maps'
import { fail, here, open, put, take } from './memory'
import { context, flag, quick } from './numbers'
import { beginNumbers, beginNumbersOfBody, firstSure, learnNumber, secondSure, suggest } from './numbers-map'
import { expectedPad, writeInstruction } from './write-instruction'

const actionPlace = 13
const fieldPlace = 14
const copyAction = 0
const fieldAction = 1
const insertAction = 2
const deleteAction = 3
const firstBlock = 16
const longestBlock = 1024

let was: usize = 0
let now: usize = 0
let expected: usize = 0
let have = false
let at: usize = 0
let end: usize = 0
let fetchedAt: usize = 0
let wasOp = 0
let earlierOp = 0

export function beginBodies(): void {
  was = makeInstruction()
  now = makeInstruction()
  expected = take(4 * 4096)
  beginNumbers()
}

function fetch(): void {
  have = at < end
  if (!have) return
  walk(1)
  fetchedAt = at
  open(at, end)
  needInstruction(was)
  at = here()
  earlierOp = wasOp
  wasOp = opOf(was)
}

function opens(op: i32): bool {
  return (op >= 2 && op <= 4) || op === 6 || op === 0x1f
}

/** A body that follows the old one between `from` and `to`, or none where both are 0. */
export function codeBody(from: usize, to: usize): void {
  at = codeLocals(from, to)
  end = to
  clearFrame()
  beginNumbersOfBody()
  beginBody(at, end)
  let history: u32 = 0xff
  let last = copyAction
  let streak = 0
  let size = firstBlock
  wasOp = earlierOp = 0
  fetch()
  while (openBlocks() >= 0) {
    if (have && streak >= 12) {
      if (flag(context(actionPlace, min(size, longestBlock), 0, 10))) {
        at = writeMapped(fetchedAt, end, size, true)
        if (at === 0) fail()
        walk(walked())
        size = min(longestBlock, size * 2)
        if (openBlocks() < 0) break
        fetch()
        continue
      }
      size = firstBlock
      streak = -24
    }
    let action = insertAction
    if (have) {
      expectImmediates()
      action = codeAction(history, last)
    }
    streak = action === copyAction ? streak + 1 : min(streak, 0)
    history = ((history << 1) | (action === copyAction ? 1 : 0)) & 0xffff
    last = action
    if (action === deleteAction) {
      if (opens(wasOp)) openOld()
      else if (wasOp === 0x0b) closeOld()
      fetch()
      continue
    }
    if (action === copyAction && copyAsItWas()) {
      remember(was)
      confirm()
      enter(wasOp, true)
      fetch()
      continue
    }
    if (action === fieldAction) codeFields()
    else if (action === copyAction) confirm()
    else if (action === insertAction) insert(now, have ? wasOp : -1)
    writeInstruction(now)
    remember(now)
    enter(opOf(now), action !== insertAction)
    if (action !== insertAction) fetch()
  }
}

/** Whether an immediate of the old instruction is a number that is no address. */
function isNumber(i: i32): bool {
  const kind = kindOf(was, i)
  const value = lowOf(was, i)
  return (kind === i32Const || kind === offset) && (value < lowestAddress() || value >= highestAddress())
}

/** What is known of the last immediate that is expected. */
function sure(): u32 {
  const last = countOf(was) - 1
  if (last < 0) return 0
  const moved: u32 = lowOf(was, last) === load<i32>(expected + 4 * last) ? 0 : 4
  if (kindOf(was, last) === local) return moved + localTrust(lowOf(was, last))
  if (!isNumber(last)) return moved
  suggest(kindOf(was, last), lowOf(was, last))
  return 8 + firstSure() * 3 + secondSure()
}

/** All immediates went where they were expected. */
function confirm(): void {
  const count = countOf(was)
  for (let i = 0; i < count; i++) {
    if (kindOf(was, i) === local) confirmLocal(lowOf(was, i))
    else if (isNumber(i)) learnNumber(kindOf(was, i), lowOf(was, i), lowOf(was, i))
  }
}

function enter(op: i32, both: bool): void {
  if (opens(op)) {
    if (both) openBoth()
    else openNew()
  } else if (op === 0x0b) {
    if (both) closeBoth()
    else closeNew()
  }
}

function codeAction(history: u32, last: i32): i32 {
  const count = countOf(was)
  const kind: u32 = count === 0 ? 0 : count > 7 ? 31 : kindOf(was, count - 1)
  const low: u32 = count === 0 ? 0 : lowOf(was, count - 1)
  const op: u32 = wasOp
  const seen = (low * 0x165667b1) ^ ((op << 5) | kind)
  setContext(0, quick(0x1b873593, ((history & 0xff) << 5) | kind))
  setContext(1, quick(0x19d699a5, (op << 2) | (history & 3)))
  setContext(2, quick(0x7ed55d16, ((<u32>last) << 9) | (kind << 4) | (history & 15)))
  setContext(3, quick(0x4cf5ad43, (op << 12) | ((<u32>earlierOp) << 1) | (history & 1)))
  setContext(4, quick(0x27d4eb2f, seen))
  setContext(5, quick(0x3c2d1e0f, seen + bodyId() * 0x9e3779b1))
  const known = sure()
  setContext(6, quick(0x5a17c3e9, (known << 13) | (op << 2) | (history & 3)))
  setContext(7, quick(0x6f4b29d1, (known << 13) | (kind << 8) | (history & 0xff)))
  if (mix(8, 0, history & 15) === 1) return copyAction
  if (flag(context(actionPlace, last, history & 3, 8))) return insertAction
  if (count === 0) return deleteAction
  return flag(context(actionPlace, last, kind, 9)) ? deleteAction : fieldAction
}

/** What the old instruction's immediates are expected to be [D 5.3]. */
function expectImmediates(): void {
  const count = countOf(was)
  for (let i = 0; i < count; i++) {
    const kind = kindOf(was, i)
    const value = lowOf(was, i)
    store<i32>(
      expected + 4 * i,
      kind === local ? mapLocal(value) : kind === label ? mapLabel(value) : predict(kind, value),
    )
  }
}

/** The old instruction as it is expected; true where that is how it was, which is written then. */
function copyAsItWas(): bool {
  const count = countOf(was)
  let moved = false
  for (let i = 0; i < count; i++) if (lowOf(was, i) !== load<i32>(expected + 4 * i)) moved = true
  if (!moved) {
    put(fetchedAt, at)
    return true
  }
  setOp(now, wasOp)
  setCount(now, count)
  for (let i = 0; i < count; i++) expectOne(i)
  return false
}

function expectOne(i: i32): void {
  const value = load<i32>(expected + 4 * i)
  setField(now, i, kindOf(was, i), value, highOf(was, i), padOf(was, i) === 0 ? 0 : expectedPad(was, i, value))
}

/** The same opcode with other immediates; at least one isn't as expected [D 5.4]. */
function codeFields(): void {
  const count = countOf(was)
  let changed = 0
  setOp(now, wasOp)
  setCount(now, count)
  for (let i = 0; i < count; i++) {
    const kind = kindOf(was, i)
    const forced = i === count - 1 && changed === 0
    if (!forced && !flag(context(fieldPlace, kind, min(i, 8)))) {
      expectOne(i)
      continue
    }
    changed++
    setField(now, i, kind, 0, 0, 0)
    const old = lowOf(was, i)
    if (isNumber(i)) {
      suggest(kind, old)
      changeNumber(now, i, old)
      learnNumber(kind, old, lowOf(now, i))
      continue
    }
    change(now, i, load<i32>(expected + 4 * i), old)
    const to = lowOf(now, i)
    if (kind === local) learnLocal(old, to)
    else if (kind === func || kind === global || kind === i32Const || kind === offset) learnMap(kind, old, to)
  }
}
