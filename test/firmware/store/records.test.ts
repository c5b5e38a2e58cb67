import { toHex } from '@hypha/core/bytes/text.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Asked, buildChecked } from '../../support/firmware.ts'

const program = buildChecked('store-check')
const u32 = (value: number) => Uint8Array.of(value & 255, (value >> 8) & 255, (value >> 16) & 255, 0)
const kv = Uint8Array.of(8)
const nameOf = (number: number) => new TextEncoder().encode(`key-${number}`)

/** Runs a story on a fresh store, and ends its process. */
async function withStore(story: (store: Asked) => Promise<void>): Promise<void> {
  const store = new Asked(program)
  try {
    expect(await store.ask('open')).toBe('ok -')
    await story(store)
  } finally {
    store.end()
  }
}

/** What the store says that a name has; '-' for nothing. */
const held = async (store: Asked, name: number) => (await store.ask('get', kv, nameOf(name))).split(' ')[1]

const step = fc.record({
  name: fc.nat(9),
  value: fc.option(fc.uint8Array({ minLength: 1, maxLength: 60 })),
  /** The power is cut in the write with this number, if the step has as many. */
  cutAt: fc.option(fc.integer({ min: 1, max: 200 }), { freq: 3 }),
})

describe('The store of a board', () => {
  it('has each name as it was before a write that was cut, or as it is after it, whatever was written and cut before', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) =>
        withStore(async (store) => {
          const expected = new Map<number, string>()
          for (const { name, value, cutAt } of steps) {
            if (cutAt !== null) await store.ask('cut', u32(cutAt))
            const answer = value
              ? await store.ask('put', kv, nameOf(name), value)
              : await store.ask('delete', kv, nameOf(name))
            await store.ask('cut', u32(0))
            const after = value ? toHex(value) : '-'
            if (answer === 'cut') {
              expect(await store.ask('open')).toBe('ok -')
              const now = await held(store, name)
              expect([expected.get(name) ?? '-', after]).toContain(now)
              expected.set(name, now!)
            } else {
              expect(answer).toBe('ok -')
              expected.set(name, after)
            }
            for (const [each, text] of expected) expect(await held(store, each)).toBe(text)
          }
          // And after a start, too.
          expect(await store.ask('open')).toBe('ok -')
          for (const [each, text] of expected) expect(await held(store, each)).toBe(text)
        }),
      ),
      { numRuns: 25 },
    )
  })

  it('keeps a counter from falling, with the power cut at every single write of a thousand', async () => {
    await withStore(async (store) => {
      const counter = Uint8Array.of(6)
      let seen = 0
      for (let next = 1; next <= 60; next++) {
        for (let cutAt = 1; ; cutAt++) {
          await store.ask('cut', u32(cutAt))
          const answer = await store.ask('put', counter, new Uint8Array(), u32(next))
          await store.ask('cut', u32(0))
          if (answer !== 'cut') break
          await store.ask('open')
          const [, hex = ''] = (await store.ask('get', counter, new Uint8Array())).split(' ')
          const now = hex === '-' ? 0 : Number.parseInt(hex.slice(0, 2), 16)
          expect(now).toBeGreaterThanOrEqual(seen)
          seen = now
          if (now === next) break
        }
        seen = next
      }
      expect(Number(await store.ask('writes'))).toBeGreaterThan(300)
    })
  })

  it('says that it is full, and takes something else once something was deleted', async () => {
    await withStore(async (store) => {
      let name = 0
      const value = new Uint8Array(50).fill(7)
      while ((await store.ask('put', kv, nameOf(name), value)) === 'ok -') name++
      expect(name).toBeGreaterThan(8)
      expect(await store.ask('put', kv, nameOf(name), value)).toBe('board-full -')
      expect(await store.ask('delete', kv, nameOf(0))).toBe('ok -')
      expect(await store.ask('put', kv, nameOf(name), value)).toBe('ok -')
      for (let each = 1; each <= name; each++) expect(await held(store, each)).toBe(toHex(value))
    })
  })
})
