import { readFileSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import { makeTransferPatch } from '../../../gateway/delta/make.ts'
import { createPatchMaker, type PatchMakerOptions } from '../../../gateway/delta/maker.ts'
import { applyPatch } from '../../../src/delta/decoder.ts'
import { brotli } from '../../../src/platform/compress.ts'

const vector = (name: string) =>
  new Uint8Array(readFileSync(new URL(`../../vectors/delta/${name}.wasm`, import.meta.url)))
const [old, now] = [vector('sampler-old'), vector('sampler-new')]
const text = new TextEncoder().encode('the same words again and again, '.repeat(300))

function open(options: Partial<PatchMakerOptions> = {}) {
  const problems: string[] = []
  const maker = createPatchMaker({ onProblem: ({ code, message }) => problems.push(`${code}: ${message}`), ...options })
  onTestFinished(() => maker.close())
  return { maker, problems }
}

test('a module is patched as a module, anything else by the old bytes as a dictionary', () => {
  const module = makeTransferPatch(old, now)
  expect(applyPatch(old, module, brotli)).toEqual(now)
  expect(module.length).toBeLessThan(500)
  const general = makeTransferPatch(text, text.subarray(7))
  expect(applyPatch(text, general, brotli)).toEqual(text.subarray(7))
  expect(general.length).toBeLessThan(40)
})

test('patches are made in a process of their own, and what waited when it ends is not made', async () => {
  const { maker, problems } = open()
  expect(maker.ready).toBe(false)
  const patches = await Promise.all([maker.make(old, now), maker.make(text, text.subarray(7))])
  expect(applyPatch(old, patches[0]!, brotli)).toEqual(now)
  expect(applyPatch(text, patches[1]!, brotli)).toEqual(text.subarray(7))
  expect(maker.ready).toBe(true)
  const waiting = maker.make(old, now)
  maker.close()
  expect(await waiting).toBeNull()
  expect(problems).toEqual([])
})

test('what takes too long is given up and told, and the next is made', async () => {
  const { maker, problems } = open({ deadlineMs: 1 })
  expect(await maker.make(old, now)).toBeNull()
  expect(problems).toEqual([expect.stringMatching(/^patch-not-made: .*longer than 1 ms$/)])
  expect(await maker.make(text, old)).toBeNull()
  expect(problems.length).toBe(2)
})

test('what is too large is not begun', async () => {
  const { maker, problems } = open({ maxBytes: old.length + now.length - 1 })
  expect(await maker.make(old, now)).toBeNull()
  expect([maker.ready, problems]).toEqual([false, []])
})
