import { mutate } from './mutate.ts'
import { Random } from './random.ts'
import type { Prepared, Target } from './target.ts'

/** One input may take so long; even on a slow machine nothing that is read needs a tenth of it. */
export const maxInputMs = 5_000
/** What inputs that were let go may leave behind. */
const maxGrowthBytes = 768 * 1024 * 1024
const maxKept = 512

/** An input for which something happened that must not happen. */
export interface Find {
  readonly input: Uint8Array
  readonly why: unknown
}

export interface Hooks {
  /** Before each input: who watches from outside knows then what was being read when nothing more is heard. */
  readonly before?: (input: Uint8Array) => void
  readonly after?: (executions: number, outcomes: number) => void
  /** Whether to go on. */
  readonly more: (executions: number) => boolean
}

/** Runs inputs until there are enough, or one is a find. The same seed makes the same inputs. */
export async function fuzz(target: Target, prepared: Prepared, seed: number, hooks: Hooks): Promise<Find | null> {
  const random = new Random(seed)
  const { seeds } = prepared
  const kept: Uint8Array[] = [...seeds]
  const outcomes = new Set<string>()
  const memory = heldBytes()
  for (let count = 0; hooks.more(count); count++) {
    // First the seeds as they are: whoever can't read those reads nothing further in.
    const made = count < seeds.length ? seeds[count]! : mutate(kept, random, target.words)
    const input = made.slice(0, target.maxBytes ?? 16_384)
    hooks.before?.(input)
    const find = await once(prepared, input, outcomes, kept, count < seeds.length)
    if (find !== null) return find
    if (count % 256 === 255 && heldBytes() - memory > maxGrowthBytes) {
      return { input, why: new Error(`memory has grown by more than ${maxGrowthBytes} bytes`) }
    }
    hooks.after?.(count + 1, outcomes.size)
  }
  return null
}

async function once(
  prepared: Prepared,
  input: Uint8Array,
  outcomes: Set<string>,
  kept: Uint8Array[],
  isSeed: boolean,
): Promise<Find | null> {
  const begun = performance.now()
  try {
    const result = prepared.run(input)
    const found = typeof result === 'string' ? result : await result
    if (!outcomes.has(found) && kept.length < maxKept) {
      outcomes.add(found)
      if (!isSeed) kept.push(input)
    }
  } catch (why) {
    return { input, why }
  }
  const took = performance.now() - begun
  return took > maxInputMs ? { input, why: new Error(`reading it took ${Math.round(took)} ms`) } : null
}

function heldBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
