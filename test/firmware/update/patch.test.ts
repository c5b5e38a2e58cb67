import { fromHex, toHex } from '@hypha/core/bytes/text.ts'
import { applyPatch } from '@hypha/core/delta/decoder.ts'
import { makePatch } from '@hypha/core/delta/make-patch.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { buildModule, realPairs } from '../../src/delta/modules.ts'
import { Asked, buildChecked } from '../../support/firmware.ts'

const board = new Asked(buildChecked('patch-apply'))
afterAll(() => board.end())

const made = (old: Uint8Array, now: Uint8Array) => makePatch(old, now, brotli, { profile: 'mcu' }).bytes

/** What the board makes of a patch that comes so many bytes at a time: the new file, or the code. */
async function applied(old: Uint8Array, patch: Uint8Array, atATime = 1000): Promise<Uint8Array | string> {
  const answer = await board.ask('apply', old, patch, Uint8Array.of(atATime & 255, atATime >> 8, 0, 0))
  const [bytes = '', code = ''] = answer.split(' ')
  return code === 'ok' ? fromHex(bytes) : code
}

async function roundTrip(old: Uint8Array, now: Uint8Array): Promise<void> {
  expect(await applied(old, made(old, now))).toEqual(Uint8Array.from(now))
}

/** What the other tiers make of it: the new file, or the code. */
function here(old: Uint8Array, patch: Uint8Array): Uint8Array | string {
  try {
    return Uint8Array.from(applyPatch(old, patch, brotli))
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('A patch on a board', () => {
  it.each(realPairs)('makes the new version of $name of the old one, and back', async ({ old, now }) => {
    await roundTrip(old, now)
    await roundTrip(now, old)
    await roundTrip(now, now)
  })

  it.each(realPairs)('makes $name of nothing: a compressed whole', async ({ now }) => {
    await roundTrip(new Uint8Array(), now)
  })

  it('comes in whatever pieces', async () => {
    for (const { old, now } of realPairs) {
      const patch = made(old, now)
      for (const atATime of [1, 7, 190, 300]) expect(await applied(old, patch, atATime)).toEqual(now)
    }
  })

  it('makes a module whose bytes were changed anywhere', async () => {
    const change = fc.record({ at: fc.nat(), byte: fc.nat(255) })
    const pair = fc.constantFrom(...realPairs)
    await fc.assert(
      fc.asyncProperty(pair, fc.array(change, { minLength: 1, maxLength: 4 }), async ({ old, now }, changes) => {
        const changed = now.slice()
        for (const { at, byte } of changes) changed[at % changed.length] = byte
        await roundTrip(old, changed)
        await roundTrip(changed, old)
      }),
      { numRuns: 15 },
    )
  })

  it('makes any module of any other', async () => {
    const functions = fc.array(fc.record({ calls: fc.array(fc.nat(40), { maxLength: 6 }), constant: fc.nat(3000) }), {
      minLength: 1,
      maxLength: 40,
    })
    const data = fc.uint8Array({ maxLength: 200 })
    const module = fc.record({ functions, data, address: fc.nat(70_000), padded: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(module, module, (old, now) => roundTrip(buildModule(old), buildModule(now))),
      { numRuns: 30 },
    )
  })

  it('is taken and refused as on the other tiers, whatever is wrong with it', async () => {
    const change = fc.array(fc.record({ at: fc.nat(), byte: fc.nat(255) }), { minLength: 1, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...realPairs), change, fc.nat(), async ({ old, now }, changes, cut) => {
        const patch = made(old, now)
        for (const { at, byte } of changes) patch[1 + (at % (patch.length - 1))] = byte
        const bytes = cut % 3 === 0 ? patch.slice(0, cut % patch.length) : patch
        // The first byte says of which profile it is: here it stays.
        if (bytes.length === 0) return
        const [mine, theirs] = [here(old, bytes), await applied(old, bytes)]
        expect(typeof theirs === 'string' ? theirs : toHex(theirs)).toBe(typeof mine === 'string' ? mine : toHex(mine))
      }),
      { numRuns: 60 },
    )
  })
})
