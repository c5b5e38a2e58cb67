import { analyse } from '@hypha/core/wasm/analyse.ts'
import { parseCore } from '@hypha/core/wasm/core.ts'
import { extractCore } from '@hypha/core/wasm/extract.ts'
import { renameExports, renameImports } from '@hypha/core/wasm/rewrite.ts'
import { echoComponent, echoText, wat } from '../../support/wasm-guest.ts'
import { everyKind } from '../../support/wasm-types.ts'
import { insist, outcome, reads, type Target } from '../target.ts'

const types = everyKind.slice(-16)

const small = `(module
  (import "hypha:host/log@0.1.0" "write" (func (param i32 i32)))
  (memory (export "memory") 1 4)
  (global (export "hypha_memory_end") i32 (i32.const 32768))
  (table 2 funcref) (elem (i32.const 0) func 1)
  (func (export "run") (param i32) (result i64)
    (block (loop (br_if 1 (i32.eqz (local.get 0))) (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br 0)))
    (i64.extend_i32_s (i32.load8_u offset=16 (local.get 0))))
  (data (i32.const 8) "hypha"))`

export const coreTarget: Target = {
  name: 'wasm-core',
  about: 'a core module: sections, types, code',
  maxBytes: 32_768,
  short: 2_500,
  prepare: async () => ({
    seeds: [await wat(small), await wat(echoText(types))],
    run(input) {
      const result = reads(() => parseCore(input))
      reads(() => renameExports(input, (name) => `${name}-new`))
      reads(() => renameImports(input, (module, name) => [`${module}-new`, name] as never))
      return outcome(result)
    },
  }),
}

export const componentTarget: Target = {
  name: 'wasm-component',
  about: 'a component: analysis and core form',
  maxBytes: 65_536,
  short: 1_000,
  prepare: async () => ({
    seeds: [await echoComponent(types), await echoComponent(['string', { kind: 'list', of: 'u8' }])],
    run(input) {
      const result = reads(() => analyse(input))
      const core = reads(() => extractCore(input))
      if ('value' in result) insist('value' in core, 'what can be analysed has no answer about its core form')
      return outcome(result)
    },
  }),
}
