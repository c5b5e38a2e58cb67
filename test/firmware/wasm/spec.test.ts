import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildChecked } from '../../support/firmware.ts'

// The official suite, converted by wabt. Modules in text form are passed over: a board never sees text.
const suite = process.env.HYPHA_WASM_SPEC ?? join(import.meta.dirname, '../../vectors/wasm-spec')
const files = readdirSync(suite).filter((name) => name.endsWith('.wast'))

let program: string
const folder = mkdtempSync(join(tmpdir(), 'hypha-spec-'))

beforeAll(() => {
  program = buildChecked('hypha-wasm')
})
afterAll(() => rmSync(folder, { recursive: true }))

test('The suite has files', () => {
  expect(files.length).toBeGreaterThan(0)
})

test.each(files)('The interpreter does what %s of the official suite says', (name) => passes(join(suite, name)))

test('Tables, references, linking, several values and the ends of memory work together', () => {
  passes(join(import.meta.dirname, 'tables-and-blocks.wast'))
})

function passes(path: string): void {
  const json = join(folder, `${basename(path, '.wast')}.json`)
  const converted = spawnSync('wast2json', [path, '-o', json], { encoding: 'utf8' })
  expect(converted.stderr).toBe('')
  const { status, stdout, stderr } = spawnSync(program, ['--spec', json], { encoding: 'utf8', maxBuffer: 1 << 26 })
  expect(`${stdout}${stderr}`).toMatch(/^\S+: \d+ passed, 0 failed, \d+ passed over \(modules in text form\)\n$/)
  expect(status).toBe(0)
}
