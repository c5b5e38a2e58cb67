import { join } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import { expect, test, vi } from 'vitest'
import { buildApp } from '../../../gateway/push/build/build.ts'
import { appOf } from './app-folder.ts'

const manifest = '[app]\nname = "broken"\n\n[module.part]\n'

async function failure(files: Record<string, string | Uint8Array>): Promise<{ error: HyphaError; dir: string }> {
  const dir = appOf({ 'hypha.toml': manifest, ...files })
  try {
    await buildApp(dir)
  } catch (error) {
    if (error instanceof HyphaError) return { error, dir }
    throw error
  }
  throw new Error('the app was built')
}

test('A mistake in AssemblyScript is shown in the words of its compiler, with its place', async () => {
  const { error, dir } = await failure({
    'part/assembly/index.ts': 'export function tick(now: u64): void {\n  const a: string = 5\n}\n',
  })
  expect(error).toMatchObject({ code: 'compile-failed', where: `${join(dir, 'part/assembly/index.ts')}:2:21` })
  expect(error.message).toMatch(/TS2322: Type 'i32' is not assignable to type '~lib\/string\/String'/)
})

test('A mistake in C is shown in the words of its compiler, with its place', async () => {
  const { error, dir } = await failure({
    'part/part.c':
      '#include <hypha/module/timer.h>\nvoid hypha_module_timer_tick(uint64_t now_ms) {\n  undeclared(now_ms);\n}\n',
  })
  expect(error).toMatchObject({ code: 'compile-failed', where: `${join(dir, 'part/part.c')}:3:3` })
  expect(error.message).toMatch(/call to undeclared function 'undeclared'/)
})

test('A part of an interface is no export, in AssemblyScript', async () => {
  const { error, dir } = await failure({ 'part/assembly/index.ts': 'export function start(): void {}\n' })
  expect(error).toMatchObject({ code: 'world-invalid', where: join(dir, 'part/assembly/index.ts') })
  expect(error.message).toBe('part exports only a part of hypha:module/lifecycle@0.1.0: stop is missing')
})

test('A part of an interface is no export, in C', async () => {
  const { error } = await failure({
    'part/part.c':
      '#include <hypha/module/state.h>\nhypha_bytes_t hypha_module_state_save(void) { return (hypha_bytes_t){0, 0}; }\n',
  })
  expect(error.code).toBe('world-invalid')
  expect(error.message).toBe('part exports only a part of hypha:module/state@0.1.0: restore is missing')
})

test('A module that nothing would ever call is refused', async () => {
  const { error } = await failure({ 'part/assembly/index.ts': 'export function helper(): void {}\n' })
  expect(error).toMatchObject({ code: 'world-invalid', message: 'part exports nothing that would drive it' })
})

test('A folder without sources is refused with the places that were looked at', async () => {
  const { error, dir } = await failure({ 'part/notes.txt': '' })
  expect(error).toMatchObject({ code: 'source-missing', where: `${join(dir, 'hypha.toml')}:4` })
  expect(error.mend).toMatch(/assembly\/index.ts, \*\.c, Cargo\.toml or one \*\.wasm/)
})

test('A file that is no WebAssembly is refused', async () => {
  const { error, dir } = await failure({ 'part/part.wasm': 'text' })
  expect(error).toMatchObject({ code: 'source-missing', where: join(dir, 'part/part.wasm') })
})

test('A clang that is asked for and not there is named', async () => {
  vi.stubEnv('HYPHA_CLANG', '/nowhere/clang')
  const { error } = await failure({ 'part/part.c': 'int x;\n' }).finally(() => vi.unstubAllEnvs())
  expect(error).toMatchObject({
    code: 'tool-missing',
    message: 'HYPHA_CLANG names "/nowhere/clang", which isn\'t there',
  })
})

// (module (import NAME "emit" (func)) (export "hypha:module/timer@0.1.0#tick" (func 0)) …) in bytes.
function coreImporting(module: string, func: string, exported: string): Uint8Array {
  const name = (text: string): number[] => [text.length, ...new TextEncoder().encode(text)]
  const section = (id: number, body: number[]): number[] => [id, body.length, ...body]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [2, 0x60, 0, 0, 0x60, 1, 0x7e, 0]),
    ...section(2, [1, ...name(module), ...name(func), 0, 0]),
    ...section(3, [1, 1]),
    ...section(5, [1, 0, 1]),
    ...section(7, [2, ...name('memory'), 2, 0, ...name(exported), 0, 1]),
    ...section(10, [1, 2, 0, 0x0b]),
  ])
}

test.each([
  [
    'hypha:host/telemetri@0.1.0',
    'emit',
    'hypha:module/timer@0.1.0#tick',
    /neither Hypha nor the app states/,
    /hypha:host\/telemetry@0\.1\.0/,
  ],
  [
    'hypha:host/telemetry@0.1.0',
    'emitt',
    'hypha:module/timer@0.1.0#tick',
    /no function of that interface/,
    /wit folder/,
  ],
  ['wasi_snapshot_preview1', 'fd_write', 'hypha:module/timer@0.1.0#tick', /neither Hypha nor the app/, /own toolchain/],
  ['hypha:host/clock@0.1.0', 'now', 'hypha:module/timer@0.1.0#tock', /tick is missing/, /Implement/],
  [
    'hypha:host/clock@0.1.0',
    'now',
    'my:own/thing@1.0.0#act',
    /exports functions of "my:own\/thing@1\.0\.0"/,
    /wit folder/,
  ],
])('A prebuilt core that imports %s %s and exports %s is refused', async (module, func, exported, message, mend) => {
  const { error } = await failure({ 'part/part.wasm': coreImporting(module, func, exported) })
  expect(error.code).toBe('world-invalid')
  expect(error.message).toMatch(message)
  expect(error.mend).toMatch(mend)
})

test('A prebuilt core that was cut off is refused with its file, as a matter of its author', async () => {
  const whole = coreImporting('hypha:host/clock@0.1.0', 'now', 'hypha:module/timer@0.1.0#tick')
  const { error, dir } = await failure({ 'part/part.wasm': whole.subarray(0, whole.length - 3) })
  expect(error).toMatchObject({ code: 'wasm-malformed', act: 'author' })
  expect(error.message).toMatch(/^part: /)
  expect(error.where).toContain(join(dir, 'part/part.wasm'))
})

test('Rust is built where its target is, and what is missing is named where not', async () => {
  const dir = appOf({
    'hypha.toml': manifest,
    'part/Cargo.toml':
      '[package]\nname = "part"\nversion = "0.1.0"\nedition = "2021"\n[lib]\ncrate-type = ["cdylib"]\n[workspace]\n',
    'part/src/lib.rs':
      '#![no_std]\n#[panic_handler]\nfn panic(_: &core::panic::PanicInfo) -> ! { loop {} }\n#[export_name = "hypha:module/timer@0.1.0#tick"]\npub extern "C" fn tick(_: u64) {}\n',
  })
  const outcome = await buildApp(dir).then(
    ([module]) => module!.language,
    (error: HyphaError) => `${error.code}: ${error.mend}`,
  )
  expect(outcome).toMatch(/^rust$|^tool-missing: .*rustup target add wasm32-unknown-unknown/)
})
