/** What a step does; where it has come to [D 10.3]. */
export const Stage = { length: 0, mapCount: 1, mapRun: 2, section: 3, body: 4, bytes: 5, same: 6, done: 7 } as const

/** Where a number is coded. */
export const Place = {
  length: 1,
  maps: 2,
  follows: 3,
  section: 4,
  size: 5,
  raw: 6,
  same: 7,
  body: 8,
  action: 16,
  byte: 24,
} as const

export const context = (place: number, a = 0, b = 0): number => (place << 24) ^ (a << 9) ^ Math.imul(b, 0x9e35)

/** The next of the encoder's decisions; a decoder answers anything. */
export type Wanted = () => number
