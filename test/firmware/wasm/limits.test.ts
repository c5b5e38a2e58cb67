import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildChecked } from '../../support/firmware.ts'
import { wat } from '../../support/wasm-guest.ts'

let program: string
let guest: string
const folder = mkdtempSync(join(tmpdir(), 'hypha-limits-'))

beforeAll(() => {
  program = buildChecked('hypha-wasm')
  guest = buildChecked('wasm-guest')
})
afterAll(() => rmSync(folder, { recursive: true }))

/** What the tool says of a module in text form: its answers, or its words for what went wrong. */
async function run(text: string, args: readonly string[], tool = program): Promise<string> {
  const path = join(folder, 'module.wasm')
  writeFileSync(path, await wat(text))
  const { stdout, stderr } = spawnSync(tool, [path, ...args], { encoding: 'utf8' })
  return `${stdout}${stderr.replace(path, 'module')}`.trim()
}

test('An endless loop ends with its fuel, and a loop costs one for each round', async () => {
  const text = `(module
    (func (export "endless") (loop (br 0)))
    (func (export "rounds") (param i32) (result i32)
      (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i32.const 7)))`
  expect(await run(text, ['--invoke', 'endless', '--fuel', '100000'])).toMatch(/all fuel consumed/)
  expect(await run(text, ['--invoke', 'rounds', '1000', '--fuel', '999'])).toBe('i32:7')
  expect(await run(text, ['--invoke', 'rounds', '1000', '--fuel', '998'])).toMatch(/all fuel consumed/)
})

test('Filling memory over and over costs fuel by the byte', async () => {
  const text = `(module (memory 16) (func (export "fill") (loop
    (memory.fill (i32.const 0) (i32.const 1) (i32.const 1048576)) (br 0))))`
  expect(await run(text, ['--invoke', 'fill', '--fuel', '1000000'])).toMatch(/all fuel consumed/)
})

test('Deep recursion ends in a trap', async () => {
  const text =
    '(module (func $deep (export "deep") (param i64 i64 f64) (call $deep (local.get 1) (local.get 0) (local.get 2))))'
  expect(await run(text, ['--invoke', 'deep', '1', '2', '3'])).toMatch(/call stack exhausted/)
})

test('Loads and stores end at hypha_memory_end, by the byte', async () => {
  const text = `(module (memory 1) (global (export "hypha_memory_end") i32 (i32.const 1001))
    (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
    (func (export "wide") (param i32) (result i64) (i64.load (local.get 0)))
    (func (export "fill") (param i32) (memory.fill (local.get 0) (i32.const 1) (i32.const 1)))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))`
  const invoke = (...args: string[]) => run(text, ['--invoke', ...args])
  expect(await invoke('load', '1000')).toBe('i32:0')
  expect(await invoke('load', '1001')).toMatch(/out of bounds memory access/)
  expect(await invoke('wide', '993')).toBe('i64:0')
  expect(await invoke('wide', '994')).toMatch(/out of bounds memory access/)
  expect(await invoke('fill', '1000')).toBe('')
  expect(await invoke('fill', '1001')).toMatch(/out of bounds memory access/)
  expect(await invoke('grow', '1')).toBe('i32:-1')
  expect(await invoke('grow', '0')).toBe('i32:1')
  expect(await run(text, ['--memory', '1008', '--invoke', 'load', '1000'])).toBe('i32:0')
  expect(await run(text, ['--memory', '1000', '--invoke', 'load', '0'])).toMatch(/too little memory/)
})

test('Data that begins inside hypha_memory_end and ends beyond is refused', async () => {
  const text = `(module (memory 1) (global (export "hypha_memory_end") i32 (i32.const 100))
    (data (i32.const 98) "abc") (func (export "f")))`
  expect(await run(text, ['--invoke', 'f'])).toMatch(/can't be started: out of bounds memory access/)
})

test('Memory grows as far as there is memory', async () => {
  const text = '(module (memory 1) (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))'
  expect(await run(text, ['--memory', '196608', '--invoke', 'grow', '2'])).toBe('i32:1')
  expect(await run(text, ['--memory', '196600', '--invoke', 'grow', '2'])).toBe('i32:-1')
})

test.each([
  ['SIMD', '(module (func (drop (v128.const i64x2 0 0))))'],
  ['shared memory', '(module (memory 1 1 shared))'],
  ['64-bit memory', '(module (memory i64 1))'],
  ['tail calls', '(module (func $f (return_call $f)))'],
  ['exceptions', '(module (tag $t))'],
])('%s is refused as a feature that this interpreter lacks', async (_, text) => {
  expect(await run(text, [])).toMatch(/a feature that isn't supported/)
})

/** A module with an allocator that does `body`, whose tick asks for the names of the sensors. */
const asking = (body: string, area = 64) => `(module
  (import "hypha:host/sensor@0.1.0" "names" (func $names (param i32)))
  (import "hypha:host/log@0.1.0" "write" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (global $heap (mut i32) (i32.const 1024))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32) ${body})
  (func (export "hypha:module/timer@0.1.0#tick") (param i64) (local $item i32)
    (call $names (i32.const ${area}))
    (local.set $item (i32.load (i32.const ${area})))
    (loop $next
      (call $log (i32.const 1) (i32.load (local.get $item)) (i32.load offset=4 (local.get $item)))
      (local.set $item (i32.add (local.get $item) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $item)
        (i32.add (i32.load (i32.const ${area})) (i32.mul (i32.const 8) (i32.load offset=4 (i32.const ${area})))))))))`
const bump = `(local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
  (global.set $heap (i32.add (local.get $at) (local.get 3))) (local.get $at)`
const tick = (text: string) => run(text, ['tick', '1'], guest)

test('A host function that answers with a list calls the allocator of the module that called it', async () => {
  expect(await tick(asking(bump))).toMatch(/^log broken \nlog indoor \nlog outdoor \nread 0 /)
})

test.each([
  ['gives an address outside', '(i32.const 65530)', "a pointer, length or text given to the host isn't one"],
  ['gives an address that is not aligned', '(i32.const 1026)', "a pointer, length or text given to the host isn't one"],
  ['gives nothing', '(i32.const 0)', "the module's allocator gave no memory"],
  ['traps', 'unreachable', 'unreachable'],
  [
    'calls out',
    `(call $log (i32.const 0) (i32.const 0) (i32.const 0)) ${bump}`,
    'the module called out where it may not',
  ],
  ['never ends', '(loop (br 0)) (i32.const 0)', 'all fuel consumed'],
])('An allocator that %s ends the call', async (_, body, words) => {
  expect(await tick(asking(body))).toBe(`hypha:module/timer@0.1.0#tick: ${words}`)
})

test.each([
  ['a result area outside of memory', asking(bump, 65_532), 'pointer'],
  [
    'a text that is not UTF-8',
    asking(bump)
      .replace('(memory (export', '(data (i32.const 8) "\\ff") (memory (export')
      .replace('(call $names', '(call $log (i32.const 0) (i32.const 8) (i32.const 1)) (call $names'),
    'pointer',
  ],
  [
    'a text that ends outside',
    asking(bump).replace('(call $names', '(call $log (i32.const 0) (i32.const 8) (i32.const 65536)) (call $names'),
    'pointer',
  ],
])('%s ends the call', async (_, text, words) => {
  expect(await tick(text)).toMatch(new RegExp(words))
})

test.each([
  ['an unknown interface', 'hypha:host/teapot@0.1.0', 'brew', '', 'unknown import'],
  ['an unknown function', 'hypha:host/log@0.1.0', 'shout', '', 'unknown import'],
  ['another version', 'hypha:host/log@0.2.0', 'write', '(param i32 i32 i32)', 'unknown import'],
  ['another signature', 'hypha:host/log@0.1.0', 'write', '(param i32 i64)', 'incompatible import type'],
  [
    'an interface that this host lacks',
    'hypha:host/actuator@0.1.0',
    'set',
    '(param i32 i32 f64 i32)',
    'unknown import',
  ],
])('A module that imports %s is not started', async (_, from, name, type, words) => {
  expect(await tick(`(module (import "${from}" "${name}" (func ${type})))`)).toBe(`not started: ${words}`)
})
