// The two modules of the benchmark of links: one calls the other as often as it is told.
import type { InterfaceType } from '@hypha/core/wasm/types.ts'
import type { RunnableModule } from '../../agent/turns.ts'
import { guestModule, limitsOf } from '../../test/support/sandbox-guest.ts'
import { componentOf, wat } from '../../test/support/wasm-guest.ts'

export const work: InterfaceType = {
  name: 'bench:link/work@1.0.0',
  funcs: [
    { name: 'number', params: [{ name: 'x', type: 'f64' }], result: 'f64' },
    { name: 'text', params: [{ name: 'x', type: 'string' }], result: 'u32' },
  ],
}
export const text = 'greenhouse-3/temperature'
export const kinds = ['number', 'text'] as const
export type Kind = (typeof kinds)[number]

const call = {
  number: '(drop (call $work.number (f64.convert_i32_u (local.get $n))))',
  text: `(drop (call $work.text (i32.const 1024) (i32.const ${text.length})))`,
}

const loop = (body: string): string => `
  (block $done (loop $next
    (br_if $done (i32.eqz (local.get $n)))
    ${body}
    (local.set $n (i32.sub (local.get $n) (i32.const 1)))
    (br $next)))`

const answers = {
  number: '(f64.add (local.get $p0) (f64.const 1))',
  text: '(local.get $p1)',
}

const limits = limitsOf({ turnMs: 60_000 })

/** Its inbox takes how often to call, as four bytes; the topic is the kind. */
export const callerModule = (name: string): Promise<RunnableModule> =>
  guestModule(
    name,
    {
      interfaces: [work],
      imports: ['bench:link/work@1.0.0#number', 'bench:link/work@1.0.0#text'],
      exports: {
        'module/inbox#deliver': `(local $n i32)
          (local.set $n (i32.load (local.get $p2)))
          (if (i32.eq (local.get $p1) (i32.const ${'text'.length}))
            (then ${loop(call.text)}) (else ${loop(call.number)}))`,
      },
      fields: `(data (i32.const 1024) "${text}")`,
    },
    { limits, isolate: name !== 'caller' },
  )

export const calleeModule = (isolate: boolean): Promise<RunnableModule> =>
  guestModule(
    'callee',
    {
      interfaces: [work],
      exports: { 'bench:link/work@1.0.0#number': answers.number, 'bench:link/work@1.0.0#text': answers.text },
    },
    { limits, isolate },
  )

const wit = 'package bench:link@1.0.0;\ninterface work { number: func(x: f64) -> f64; text: func(x: string) -> u32; }\n'

// The allocator gives the same bytes again and again, as a callee's does that frees what it was given.
const allocator = `(memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))`

/** The same two as components, to be wired by hand. */
export async function components(): Promise<{ caller: Uint8Array; callee: Uint8Array }> {
  const caller = `(module
    (import "bench:link/work@1.0.0" "number" (func $work.number (param f64) (result f64)))
    (import "bench:link/work@1.0.0" "text" (func $work.text (param i32 i32) (result i32)))
    ${allocator}
    (data (i32.const 1024) "${text}")
    (func (export "number") (param $n i32) ${loop(call.number)})
    (func (export "text") (param $n i32) ${loop(call.text)}))`
  const callee = `(module ${allocator}
    (func (export "bench:link/work@1.0.0#number") (param $p0 f64) (result f64) ${answers.number})
    (func (export "bench:link/work@1.0.0#text") (param $p0 i32) (param $p1 i32) (result i32) ${answers.text}))`
  const calling = `${wit}world w { import work; export number: func(n: u32); export text: func(n: u32); }`
  return {
    caller: await componentOf(await wat(caller), calling),
    callee: await componentOf(await wat(callee), `${wit}world w { export work; }`),
  }
}
