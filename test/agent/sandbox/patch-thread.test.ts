import { readFileSync } from 'node:fs'
import { createPatchThread } from '@hypha/agent/sandbox/patch-thread.ts'
import { makePatch } from '@hypha/core/delta/make-patch.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import { expect, onTestFinished, test } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'

const vector = (name: string) =>
  new Uint8Array(readFileSync(new URL(`../../vectors/delta/${name}.wasm`, import.meta.url)))
const [old, now] = [vector('sampler-old'), vector('sampler-new')]
const { bytes: patch } = makePatch(old, now, brotli)

function open() {
  const clock = new FakeClock()
  const thread = createPatchThread({ clock })
  onTestFinished(() => thread.close())
  return { thread, clock }
}

test('patches are applied in a thread, each answered on its own, and what is wrong with one is told as the decoder tells it', async () => {
  const { thread } = open()
  const [made, cut, another, long] = await Promise.allSettled([
    thread.apply(old, patch, now.length),
    thread.apply(old, patch.subarray(0, 20), now.length),
    thread.apply(Uint8Array.of(1, 2, 3), patch, now.length),
    thread.apply(old, patch, now.length - 1),
  ])
  expect(made).toMatchObject({ value: now })
  expect(cut).toMatchObject({ reason: { code: 'delta-malformed' } })
  expect(another).toMatchObject({ reason: { code: 'delta-base-wrong' } })
  expect(long).toMatchObject({ reason: { code: 'bytes-too-long' } })
})

test('a thread that had nothing to do for a while ends, and another starts with the next patch', async () => {
  const { thread, clock } = open()
  for (let time = 0; time < 2; time++) {
    expect(await thread.apply(old, patch, now.length)).toEqual(now)
    clock.advance(60_000)
  }
})

test('who waits when the node ends is told so', async () => {
  const { thread } = open()
  const waiting = expect(thread.apply(old, patch, now.length)).rejects.toMatchObject({ code: 'receive-ended' })
  await thread.close()
  await waiting
})
