// Trains what a delta's coder knows before its first bit, and writes it into src/delta/prior-table.ts: node test/support/delta-prior.ts
import { readFileSync, writeFileSync } from 'node:fs'
import { Coder, type Learnt } from '@hypha/core/delta/coder.ts'
import { codeContentLength } from '@hypha/core/delta/decoder.ts'
import { planModule } from '@hypha/core/delta/make-plan.ts'
import { readModule } from '@hypha/core/delta/module.ts'
import { codeModule } from '@hypha/core/delta/module-codec.ts'
import { NumberCoder } from '@hypha/core/delta/numbers.ts'
import { packPrior } from '@hypha/core/delta/prior.ts'
import { Sink } from '@hypha/core/delta/sink.ts'

/** Some 11 KB of text. */
const cells = 4096

const vectors = new URL('../vectors/delta/', import.meta.url)
const read = (name: string) => new Uint8Array(readFileSync(new URL(`${name}.wasm`, vectors)))

/** Modules of examples/greenhouse in two versions each, there and back: once AssemblyScript, once C. */
const pairs = [
  ['sampler-new', 'sampler-old'],
  ['frost-alarm-new', 'frost-alarm-old'],
  ['sampler-old', 'sampler-new'],
  ['frost-alarm-old', 'frost-alarm-new'],
] as const

let learnt: Learnt | undefined
for (const [was, is] of pairs) {
  const [old, now] = [readModule(read(was)), readModule(read(is))]
  const coder = new Coder(18, true, learnt)
  const numbers = new NumberCoder(coder)
  const { length } = now.bytes
  codeContentLength(numbers, old.bytes.length, length)
  codeModule(numbers, old, planModule(old, now), new Sink(length), length).next()
  learnt = coder.learnt
}
const table = packPrior(learnt!, cells)
const text = `/** Written by test/support/delta-prior.ts. */\nexport const priorTable =\n  '${table}'\n`
writeFileSync(new URL('../../src/delta/prior-table.ts', import.meta.url), text)
console.log(`${cells} cells, ${table.length} characters`)
