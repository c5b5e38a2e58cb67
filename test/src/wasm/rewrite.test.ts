import { HyphaError } from '@hypha/core/errors.ts'
import { parseCore } from '@hypha/core/wasm/core.ts'
import { withMemoryMaximum } from '@hypha/core/wasm/limits.ts'
import { renameExports, renameImports } from '@hypha/core/wasm/rewrite.ts'
import { describe, expect, it } from 'vitest'
import { engineSees, wat } from '../../support/wasm-guest.ts'

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof HyphaError) return error.code
    throw error
  }
  return 'none'
}

describe('the maximum of a memory', () => {
  const growing = (limits: string): Promise<Uint8Array> =>
    wat(`(module (memory (export "memory") ${limits}) (func (export "grow") (result i32) (memory.grow (i32.const 1))))`)

  it('binds memory.grow where the module has none', async () => {
    const limited = withMemoryMaximum(await growing('1'), 2)
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(limited as Uint8Array<ArrayBuffer>), {})
    const grow = exports.grow as () => number
    expect([grow(), grow()]).toEqual([1, -1])
  })

  it.each([
    ['1 10', 4, 4],
    ['1 3', 4, 3],
    ['4', 4, 4],
    ['1', 60_000, 60_000],
  ])('of (memory %s) given %i pages is %i', async (limits, given, maximum) => {
    expect(parseCore(withMemoryMaximum(await growing(limits), given)).memories[0]!.maximum).toBe(maximum)
  })

  it('is refused where the module begins with more, or has no memory of its own', async () => {
    const big = await growing('5')
    expect(codeOf(() => withMemoryMaximum(big, 4))).toBe('wasm-memory')
    const none = await wat('(module)')
    expect(codeOf(() => withMemoryMaximum(none, 4))).toBe('wasm-memory')
    const imported = await wat('(module (import "a" "memory" (memory 1)))')
    expect(codeOf(() => withMemoryMaximum(imported, 4))).toBe('wasm-memory')
  })
})

describe('names', () => {
  it('of exports become canonical ones, and nothing else changes', async () => {
    const core = await wat(`(module (memory (export "memory") 1)
      (func (export "timer$tick") (param i64)) (func (export "cabi_post_timer$tick") (param i32)) (data (i32.const 8) "text"))`)
    const renamed = renameExports(core, (name) => name.replace(/timer\$tick$/, 'hypha:module/timer@0.1.0#tick'))
    expect(engineSees(renamed).exports.map(({ name }) => name)).toEqual([
      'memory',
      'hypha:module/timer@0.1.0#tick',
      'cabi_post_hypha:module/timer@0.1.0#tick',
    ])
    expect(renameExports(renamed, (name) => name.replace('hypha:module/timer@0.1.0#tick', 'timer$tick'))).toEqual(core)
  })

  it('of exports stay different', async () => {
    const core = await wat('(module (func (export "a")) (func (export "b")))')
    expect(codeOf(() => renameExports(core, () => 'same'))).toBe('wasm-malformed')
  })

  it('of imports change with whatever is imported', async () => {
    const core = await wat(`(module (import "host" "f" (func (param i32))) (import "host" "t" (table 1 2 funcref))
      (import "host" "m" (memory 1 2)) (import "host" "g" (global (mut f64))) (func (export "go")))`)
    const renamed = renameImports(core, (module, name) => [`${module}@1`, `${name}-new`])
    expect(engineSees(renamed).imports).toEqual(
      engineSees(core).imports.map((item) => ({ ...item, module: 'host@1', name: `${item.name}-new` })),
    )
  })
})
