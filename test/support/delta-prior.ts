// Trains what a delta's coder knows before its first bit, and writes it into src/delta/prior-table.ts: node test/support/delta-prior.ts
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Coder } from '@hypha/core/delta/coder.ts'
import { codeContentLength } from '@hypha/core/delta/decoder.ts'
import { planModule } from '@hypha/core/delta/make-plan.ts'
import { readModule } from '@hypha/core/delta/module.ts'
import { codeModule } from '@hypha/core/delta/module-codec.ts'
import { NumberCoder } from '@hypha/core/delta/numbers.ts'
import { packPrior, type Tally } from '@hypha/core/delta/prior.ts'
import { Sink } from '@hypha/core/delta/sink.ts'
import { loadPairs, type Pair } from '../../bench/delta/pairs.ts'

/** Some 33 KB of text. */
const cells = 12_288

function tallyOf(pair: Pair): Tally {
  const [old, now] = [readModule(pair.old), readModule(pair.now)]
  const coder = new Coder(18, true)
  const contexts = new Map<number, [number, number]>()
  coder.observer = (context, bit) => {
    const counts = contexts.get(context >>> 0) ?? [0, 0]
    counts[bit]!++
    contexts.set(context >>> 0, counts)
  }
  const numbers = new NumberCoder(coder)
  const { length } = now.bytes
  codeContentLength(numbers, old.bytes.length, length)
  codeModule(numbers, old, planModule(old, now), new Sink(length), length).next()
  return { contexts, bytes: coder.finish().length }
}

const { pairs, missing } = loadPairs(join(import.meta.dirname, 'delta-prior.json'), Number.POSITIVE_INFINITY)
if (Object.keys(missing).length > 0) throw new Error(`pairs are missing: ${JSON.stringify(missing)}`)
const table = packPrior(pairs.map(tallyOf), cells)
const text = `/** Written by test/support/delta-prior.ts. */\nexport const priorTable =\n  '${table}'\n`
writeFileSync(join(import.meta.dirname, '../../src/delta/prior-table.ts'), text)
console.log(`${cells} cells, ${table.length} characters`)
