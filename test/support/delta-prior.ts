// Trains what a delta's coder knows before its first bit, and writes it into src/delta/prior-table.ts: node test/support/delta-prior.ts
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Coder, freshCell, initialWeights } from '@hypha/core/delta/coder.ts'
import { codeContentLength } from '@hypha/core/delta/decoder.ts'
import { planModule } from '@hypha/core/delta/make-plan.ts'
import { type Module, readModule } from '@hypha/core/delta/module.ts'
import { codeModule, type ModuleTarget } from '@hypha/core/delta/module-codec.ts'
import { NumberCoder } from '@hypha/core/delta/numbers.ts'
import { packPrior, type Tally } from '@hypha/core/delta/prior.ts'
import { Sink } from '@hypha/core/delta/sink.ts'
import { loadPairs, type Pair } from '../../bench/delta/pairs.ts'

/** Some 70 KB of text. */
const cells = 24_576

interface Prepared {
  readonly old: Module
  readonly target: ModuleTarget
}

function prepare(pair: Pair): Prepared {
  const old = readModule(pair.old)
  return { old, target: planModule(old, readModule(pair.now)) }
}

function tallyOf(pair: Prepared): Tally {
  const coder = new Coder(18, true)
  const contexts = new Map<number, [number, number]>()
  coder.observer = (context, bit) => {
    const counts = contexts.get(context >>> 0) ?? [0, 0]
    counts[bit]!++
    contexts.set(context >>> 0, counts)
  }
  code(coder, pair)
  return { contexts, bytes: coder.finish().length }
}

function code(coder: Coder, { old, target }: Prepared): void {
  const numbers = new NumberCoder(coder)
  const { length } = target.module.bytes
  codeContentLength(numbers, old.bytes.length, length)
  codeModule(numbers, old, target, new Sink(length), length).next()
}

/** Weights that one pair after another has moved, from the largest on. */
function weightsOf(all: readonly Prepared[]): Int32Array {
  const length = ({ target }: Prepared) => target.module.bytes.length
  return all
    .toSorted((a, b) => length(b) - length(a))
    .reduce((weights, pair) => {
      const coder = new Coder(18, true, { cells: new Int32Array(1 << 18).fill(freshCell), weights })
      code(coder, pair)
      return coder.learnt.weights!
    }, initialWeights())
}

const { pairs, missing } = loadPairs(join(import.meta.dirname, 'delta-prior.json'), Number.POSITIVE_INFINITY)
if (Object.keys(missing).length > 0) throw new Error(`pairs are missing: ${JSON.stringify(missing)}`)
const prepared = pairs.map(prepare)
const table = packPrior(prepared.map(tallyOf), cells, weightsOf(prepared))
const text = `/** Written by test/support/delta-prior.ts. */\nexport const priorTable =\n  '${table}'\n`
writeFileSync(join(import.meta.dirname, '../../src/delta/prior-table.ts'), text)
console.log(`${cells} cells, ${table.length} characters`)
