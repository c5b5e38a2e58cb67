/** Numbers of payloads count modulo 65,536. [S 3.3] */
const numbers = 0x1_0000

export const numberAfter = (number: number, count = 1): number => (number + count) % numbers

/** How far `to` lies ahead of `from`, −32,768 to 32,767. A window has at most 32 numbers, so the sign is never in doubt. */
export function ahead(from: number, to: number): number {
  const distance = (to - from + numbers) % numbers
  return distance < numbers / 2 ? distance : distance - numbers
}
