/** Where a number is coded: each place has contexts of its own. The numbers are part of the format [D 3.6]. */
export const Place = {
  counts: 1,
  typeRefs: 2,
  funcRefs: 3,
  globalRefs: 4,
  segmentRefs: 5,
  runs: 6,
  sections: 7,
  sizes: 8,
  generic: 9,
  functions: 10,
  same: 11,
  locals: 12,
  action: 13,
  field: 14,
  opcode: 15,
  local: 16,
  index: 17,
  constant: 18,
  offset: 19,
  pad: 20,
  exports: 21,
  globals: 22,
  elements: 23,
  segments: 24,
  bytes: 25,
  names: 26,
  component: 27,
  numbers: 28,
  mantissa: 29,
  immediate: 30,
} as const

/** A context of up to four numbers, spread over 32 bits [D 3.6]. */
export function context(place: number, a = 0, b = 0, c = 0): number {
  let h = Math.imul(place - 0x61c8_8647, -0x7a14_3595) ^ Math.imul(a + 0x7f4a7c15, -0x3d4d_51cb)
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d) + Math.imul(b + 1, 0x297a2d39) + Math.imul(c + 1, 0x165667b1)
  h = Math.imul(h ^ (h >>> 13), 0x2545f491)
  return h ^ (h >>> 16)
}

/** A context of one number, for places where many are needed: `seed` is a large number of its own [D 3.6]. */
export function quickContext(seed: number, key: number): number {
  const h = Math.imul(key ^ seed, 0x2c1b3c6d)
  return h ^ (h >>> 15)
}
