/** 4096 / (1 + e^(-x/256)) at x = -2048, -1920, … 2048 [D 3.3]. */
const knots = [
  1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047, 2549, 2994, 3348, 3607, 3785, 3901, 3975,
  4024, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094,
]

function squashed(x: number): number {
  const part = x & 127
  const knot = (x >> 7) + 16
  return (knots[knot]! * (128 - part) + knots[knot + 1]! * part + 64) >> 7
}

/** From the logistic domain (-2047 … 2047, at index x + 2048) to a chance of 4,096. */
export const squash = Int16Array.from({ length: 4096 }, (_, i) => (i === 0 ? 0 : squashed(i - 2048)))

/** The inverse: the greatest x of each chance. */
export const stretch = new Int16Array(4096).fill(2047)
for (let x = -2047, from = 0; x <= 2047; x++) {
  const chance = squash[x + 2048]!
  for (; from <= chance; from++) stretch[from] = x
}
