import { readFileSync } from 'node:fs'
import { fromHex, toHex } from '@hypha/core/bytes/text.ts'
import { stateBytesOf } from '@hypha/core/delta/mcu/state.ts'
import { expect, it } from 'vitest'
import { createTransfers } from '../../../gateway/distribute/transfers.ts'
import { temporaryStore } from '../store/support.ts'

const vector = (name: string) =>
  new Uint8Array(readFileSync(new URL(`../../vectors/delta/${name}.wasm`, import.meta.url)))

/** What a firmware is to a gateway: bytes that are no module. */
function image(seed: number): Uint8Array {
  let state = 7
  const bytes = Uint8Array.from({ length: 20_000 }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state >>> 24
  })
  bytes[500] = seed
  return bytes
}

const roomy = { slotBytes: 64 * 1024, memoryBytes: 16 * 1024 }

it('A module for a board is patched over the module that it runs, never over its firmware', () => {
  const { contents } = temporaryStore()
  const transfers = createTransfers(contents)
  const [old, now] = [contents.put(vector('sampler-old')), contents.put(vector('sampler-new'))]
  const firmware = contents.put(image(1))
  expect(transfers.transferForBoard(now, [firmware, old], roomy)).toMatchObject({
    encoding: 'patch',
    base: fromHex(old),
  })
  expect(transfers.transferForBoard(now, [firmware], roomy).base).toBe(null)
})

it('A firmware is patched over the firmware that runs, where that is worth it, else it comes whole', () => {
  const { contents } = temporaryStore()
  const transfers = createTransfers(contents)
  const [old, now] = [contents.put(image(1)), contents.put(image(2))]
  const module = contents.put(vector('sampler-old'))
  const patch = transfers.transferForBoard(now, [module, old], roomy)
  expect(patch).toMatchObject({ encoding: 'patch', base: fromHex(old) })
  expect(patch.size).toBeLessThan(100)
  expect(transfers.transferForBoard(now, [module], roomy)).toMatchObject({ encoding: 'identity', base: null })
  expect(transfers.transferForBoard(now, ['00'.repeat(32)], roomy)).toMatchObject({ encoding: 'identity' })
})

it('A board with little memory gets patches that it can decode in it, or the whole where it has too little for any', () => {
  const { contents } = temporaryStore()
  const transfers = createTransfers(contents)
  const [old, now] = [contents.put(vector('sampler-old')), contents.put(vector('sampler-new'))]
  const stateBytes = (memoryBytes: number) => {
    const { encoding, digest } = transfers.transferForBoard(now, [old], { ...roomy, memoryBytes })
    expect(encoding).toBe('patch')
    const [, bits, low, high] = contents.transferBytes(toHex(digest))!
    return stateBytesOf({ tableBits: bits!, runs: low! | (high! << 8) })
  }
  for (const memoryBytes of [2_000, 3_776, 5_000, 8_192])
    expect(stateBytes(memoryBytes)).toBeLessThanOrEqual(memoryBytes)
  expect(stateBytes(16 * 1024)).toBeGreaterThan(816 + 4_096)
  expect(transfers.transferForBoard(now, [old], { ...roomy, memoryBytes: 1_000 }).encoding).toBe('identity')
})
