import { describe, expect, it } from 'vitest'
import { fuzz } from './engine.ts'
import { targets } from './targets.ts'

// A short look, the same every time; `npm run fuzz -- TARGET --for 10m` looks longer, and elsewhere each time.
const seed = 20_260_101

describe(`bytes from outside, mutated with seed ${seed}, are read or refused, and nothing else happens`, () => {
  it.each(targets.map((target) => [target.name, target] as const))('%s', async (_name, target) => {
    const prepared = await target.prepare()
    try {
      const executions = target.short ?? 2_000
      const find = await fuzz(target, prepared, seed, { more: (count) => count < executions })
      const shown = find && { input: Buffer.from(find.input).toString('hex'), why: find.why }
      expect(shown).toBeNull()
    } finally {
      await prepared.close?.()
    }
  })
})
