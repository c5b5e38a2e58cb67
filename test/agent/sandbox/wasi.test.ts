import type { World } from '@hypha/core/wasm/types.ts'
import { afterEach, expect, test } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { instanceOf, sectionOf, testSandbox } from '../../support/sandbox.ts'
import { guestModule } from '../../support/sandbox-guest.ts'
import { wat } from '../../support/wasm-guest.ts'

const running: { stop(options: { save: boolean }): Promise<unknown> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((app) => app.stop({ save: false })))
})

/** What C and Rust toolchains import without being asked, in core form. */
const program = `(module
  (import "wasi:cli/stdout@0.2.3" "get-stdout" (func $stdout (result i32)))
  (import "wasi:cli/stderr@0.2.3" "get-stderr" (func $stderr (result i32)))
  (import "wasi:cli/environment@0.2.3" "get-environment" (func $environment (param i32)))
  (import "wasi:cli/exit@0.2.3" "exit" (func $exit (param i32)))
  (import "wasi:random/random@0.2.3" "get-random-u64" (func $random (result i64)))
  (import "wasi:clocks/wall-clock@0.2.3" "now" (func $now (param i32)))
  (import "wasi:io/streams@0.2.3" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.3" "[resource-drop]output-stream" (func $drop (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "hello\\nwor") (data (i32.const 32) "ld\\n") (data (i32.const 40) "oh\\n")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "hypha:module/timer@0.1.0#tick") (param i64)
    (call $write (call $stdout) (i32.const 8) (i32.const 9) (i32.const 512))
    (call $write (call $stdout) (i32.const 32) (i32.const 3) (i32.const 512))
    (call $write (call $stderr) (i32.const 40) (i32.const 3) (i32.const 512))
    (call $drop (i32.const 1))
    (call $environment (i32.const 512))
    (if (i32.load (i32.const 516)) (then unreachable))
    (call $now (i32.const 512))
    (if (i64.eqz (i64.load (i32.const 512))) (then unreachable))
    (if (i64.eq (call $random) (call $random)) (then unreachable))
    (call $exit (i32.const 1))))`

test('A module that a C or Rust toolchain made writes to the log, finds an empty environment, and ends its turn by exit.', async () => {
  const { sandbox, journal, event } = testSandbox(new FakeClock())
  const plain = await guestModule('program', { exports: { 'module/timer#tick': '' } }, { timerMs: 1_000 })
  const imports = [
    'cli/environment',
    'cli/exit',
    'cli/stderr',
    'cli/stdout',
    'clocks/wall-clock',
    'io/streams',
    'random/random',
  ]
  const world: World = { ...plain.world, imports: imports.map((name) => ({ name: `wasi:${name}@0.2.3`, funcs: [] })) }
  const app = await sandbox.prepare(sectionOf([{ ...plain, bytes: await wat(program), world }]), journal)
  running.push(app)
  await app.activate()
  expect((await event('trapped')).text).toContain('exit(1)')
  const lines = journal
    .of(instanceOf('program'))
    .flatMap(({ logs }) => logs.map(({ level, text }) => `${level} ${text}`))
  expect(lines).toEqual(['info hello', 'info world', 'warn oh'])
})
