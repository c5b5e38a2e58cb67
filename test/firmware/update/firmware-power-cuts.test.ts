import { toUtf8 } from '@hypha/core/bytes/text.ts'
import { makePatch } from '@hypha/core/delta/make-patch.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import { rootMetadata } from '@hypha/core/trust/root.ts'
import { describe, expect, it } from 'vitest'
import { Asked, buildChecked } from '../../support/firmware.ts'
import { crypto, makeRoot } from '../../support/signed.ts'
import { makeFirmwarePush } from '../node/firmware-story.ts'

const program = buildChecked('firmware-check')

/** Something with the head of an image, for a board that is only this check. */
function image(version: string, seed: number): Uint8Array {
  let state = seed
  const bytes = Uint8Array.from({ length: 2_600 }, (_, i) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return i % 3 === 0 ? state >>> 24 : i & 0x3f
  })
  const head = new Uint8Array(64)
  head.set(toUtf8('HFW1'), 0)
  head.set(toUtf8('check'), 12)
  head.set(toUtf8(version), 32)
  bytes.set(head, 192)
  return bytes
}

/** An update with the power cut at every write; answers what the tool counted. */
async function cutEverywhere(patched: boolean): Promise<Record<string, number>> {
  const old = image('0.1.0', 1)
  const now = {
    a: image('0.2.0', 2),
    b: Uint8Array.from(old, (byte, i) => (i > 300 && i % 50 === 0 ? byte ^ 9 : byte)),
  }
  const push = makeFirmwarePush(now, { number: 4, floor: 3, arch: 'check' })
  const sent = patched ? makePatch(old, now.b, brotli, { profile: 'mcu' }).bytes : now.b
  const tool = new Asked(program)
  const answer = await tool.ask(
    'update',
    rootMetadata.encode(makeRoot()),
    push.directive,
    push.envelope,
    sent,
    crypto.sha256(now.b),
    Uint8Array.of(now.b.length & 255, now.b.length >> 8, 0, 0),
    patched ? crypto.sha256(old) : new Uint8Array(),
    old,
  )
  tool.end()
  expect(answer).toMatch(/^ok /)
  const numbers = answer.split(' ').slice(1)
  return Object.fromEntries(numbers.flatMap((word, i) => (i % 2 === 0 ? [[word, Number(numbers[i + 1])]] : [])))
}

// Some thousand updates: seconds of work, and a machine with other work may take a minute for them.
describe('An update of the firmware of a board whose power is cut at any write, and again later', {
  timeout: 240_000,
}, () => {
  it.each([
    ['sent whole', false],
    ['as a patch', true],
  ])('starts the old one or the new one, whole, and ends with the new one: %s', async (_, patched) => {
    const { cuts, old, new: news, again } = await cutEverywhere(patched)
    expect(cuts).toBeGreaterThan(350)
    expect(old).toBeGreaterThan(200)
    expect(again).toBeGreaterThan(50)
    // From the record of the trial on it is the new one that starts: the confirmation is three writes and its facts.
    expect(news).toBeGreaterThan(3)
    expect(old! + news!).toBeLessThanOrEqual(cuts!)
  })
})
