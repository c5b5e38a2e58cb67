// What each opcode has [D 5.1].

import { take } from './memory'

// Kinds of immediates.
export const blockType = 1
export const label = 2
export const func = 3
export const type = 4
export const table = 5
export const local = 6
export const global = 7
export const align = 8
export const offset = 9
export const i32Const = 10
export const i64Const = 11
export const f32Const = 12
export const f64Const = 13
export const memoryIndex = 14
export const heapType = 15
export const data = 16
export const element = 17
export const lane = 18
export const v128Const = 19
export const counted = 20
export const tag = 21
export const valueType = 22

// What an opcode has: up to three kinds, five bits each, from bit 4 on; a form in the lowest four bits.
export const unknown = 0
export const plain = 1
export const memoryForm = 2
export const memoryLane = 3
export const listForm = 4
export const typesForm = 5
export const vectorForm = 6

let forms: usize = 0

function fill(from: i32, to: i32, form: i32, one: i32 = 0, two: i32 = 0): void {
  for (let op = from; op <= to; op++) store<u16>(forms + 2 * op, form | (one << 4) | (two << 9))
}

export function beginInstructions(): void {
  forms = take(0x640 * 2)
  fill(0x00, 0x01, plain)
  fill(0x05, 0x05, plain)
  fill(0x0a, 0x0b, plain)
  fill(0x0f, 0x0f, plain)
  fill(0x19, 0x1b, plain)
  fill(0x45, 0xc4, plain)
  fill(0xd1, 0xd1, plain)
  fill(0x02, 0x04, plain, blockType)
  fill(0x06, 0x06, plain, blockType)
  fill(0x07, 0x08, plain, tag)
  fill(0x09, 0x09, plain, label)
  fill(0x0c, 0x0d, plain, label)
  fill(0x18, 0x18, plain, label)
  fill(0x0e, 0x0e, listForm)
  fill(0x10, 0x10, plain, func)
  fill(0x12, 0x12, plain, func)
  fill(0xd2, 0xd2, plain, func)
  fill(0x11, 0x11, plain, type, table)
  fill(0x13, 0x13, plain, type, table)
  fill(0x1c, 0x1c, typesForm)
  fill(0x20, 0x22, plain, local)
  fill(0x23, 0x24, plain, global)
  fill(0x25, 0x26, plain, table)
  fill(0x28, 0x3e, memoryForm)
  fill(0x3f, 0x40, plain, memoryIndex)
  fill(0x41, 0x41, plain, i32Const)
  fill(0x42, 0x42, plain, i64Const)
  fill(0x43, 0x43, plain, f32Const)
  fill(0x44, 0x44, plain, f64Const)
  fill(0xd0, 0xd0, plain, heapType)
  fill(0x100, 0x107, plain)
  fill(0x108, 0x108, plain, data, memoryIndex)
  fill(0x109, 0x109, plain, data)
  fill(0x10a, 0x10a, plain, memoryIndex, memoryIndex)
  fill(0x10b, 0x10b, plain, memoryIndex)
  fill(0x10c, 0x10c, plain, element, table)
  fill(0x10d, 0x10d, plain, element)
  fill(0x10e, 0x10e, plain, table, table)
  fill(0x10f, 0x111, plain, table)
  fill(0x300, 0x300 + 0x13f, plain)
  fill(0x300, 0x30b, memoryForm)
  fill(0x35c, 0x35d, memoryForm)
  fill(0x30c, 0x30d, vectorForm)
  fill(0x315, 0x322, plain, lane)
  fill(0x354, 0x35b, memoryLane)
  fill(0x500, 0x54e, memoryForm)
  fill(0x503, 0x503, plain, memoryIndex)
}

export function formOf(op: i32): i32 {
  return load<u16>(forms + 2 * op)
}
