import { readFileSync } from 'node:fs'
import { makePatch } from '@hypha/core/delta/make-patch.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import { rootMetadata } from '@hypha/core/trust/root.ts'
import { describe, expect, it } from 'vitest'
import { Asked, buildChecked } from '../../support/firmware.ts'
import { crypto, makeRoot } from '../../support/signed.ts'
import { makePush, type Push } from '../node/story.ts'

const program = buildChecked('update-check')
const vector = (name: string) =>
  new Uint8Array(readFileSync(new URL(`../../vectors/delta/${name}.wasm`, import.meta.url)))

/** What the tool takes of a push: directive, release, content as sent, its digest, its size, the base's digest. */
function words({ directive, envelope, core }: Push, sent: Uint8Array, base: Uint8Array | null): Uint8Array[] {
  const size = Uint8Array.of(core.length & 255, core.length >> 8, 0, 0)
  return [directive, envelope, sent, crypto.sha256(core), size, base ? crypto.sha256(base) : new Uint8Array()]
}

/** The update from one module to another with the power cut at every write; answers what the tool counted. */
async function cutEverywhere(old: Push, now: Push, patched: boolean): Promise<Record<string, number>> {
  const tool = new Asked(program)
  const sent = patched ? makePatch(old.core, now.core, brotli, { profile: 'mcu' }).bytes : now.core
  const answer = await tool.ask(
    'update',
    rootMetadata.encode(makeRoot()),
    ...words(old, old.core, null),
    ...words(now, sent, patched ? old.core : null),
  )
  tool.end()
  expect(answer).toMatch(/^ok /)
  const numbers = answer.split(' ').slice(1)
  return Object.fromEntries(numbers.flatMap((word, i) => (i % 2 === 0 ? [[word, Number(numbers[i + 1])]] : [])))
}

// Some thousand updates: seconds of work, and a machine with other work may take a minute for them.
describe('An update of a board whose power is cut at any write, and again later', { timeout: 240_000 }, () => {
  const old = makePush(vector('frost-alarm-old'), { number: 3, floor: 2 })
  const now = makePush(vector('frost-alarm-new'), { number: 4, floor: 3 })

  it('leaves the old module or the new one, whole, and ends with the new one: as a patch', async () => {
    const { cuts, old: olds, new: news, again } = await cutEverywhere(old, now, true)
    expect(cuts).toBeGreaterThan(300)
    expect(olds).toBeGreaterThan(200)
    expect(again).toBeGreaterThan(100)
    // A start ends a trial: until the last write of the confirmation it is the old one.
    expect(news).toBeLessThan(3)
    expect(olds! + news!).toBeLessThanOrEqual(cuts!)
  })

  it('leaves the old module or the new one, whole, and ends with the new one: sent whole', async () => {
    const { cuts } = await cutEverywhere(old, now, false)
    expect(cuts).toBeGreaterThan(600)
  })
})
