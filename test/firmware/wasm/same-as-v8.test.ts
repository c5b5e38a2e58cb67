import { beforeAll, expect, test } from 'vitest'
import { buildChecked } from '../../support/firmware.ts'
import { comparable, engineRun, generatedModules, probe, withBatch } from './v8.ts'

/** No function gets so far, since binaryen's code counts its own steps. */
const fuel = '5000000'
const count = Number(process.env.HYPHA_WASM_DIFFERENTIAL ?? 60)

/** Milliseconds; the suite's own form takes seconds. */
const longForm = 1_800_000

let program: string

beforeAll(() => {
  program = buildChecked('wasm-probe')
}, longForm)

test(
  'Generated modules answer, trap and call out as they do in V8',
  () => {
    const modules = generatedModules(count, 2026)
    const printed = withBatch(modules, (path) => probe(program, ['run', path, fuel])).split('=\n')
    let calls = 0
    modules.forEach((bytes, index) => {
      const ours = comparable(printed[index]!)
      const theirs = engineRun(bytes, ours)
      expect({ module: index, does: ours }).toEqual({ module: index, does: theirs })
      calls += theirs.length
    })
    expect(calls).toBeGreaterThan(count)
  },
  longForm,
)
