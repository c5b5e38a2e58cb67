import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const main = join(import.meta.dirname, '../../../gateway/main.ts')
const home = mkdtempSync(join(tmpdir(), 'hypha-mcu-'))
const env = { ...process.env, HYPHA_PASSPHRASE: 'a passphrase of this test' }
const hypha = (...args: string[]) =>
  [process.execPath, [main, '--home', home, ...args], { env, encoding: 'utf8' }] as const

beforeAll(() => {
  execFileSync(...hypha('init', 'garden'))
})
afterAll(() => rmSync(home, { recursive: true }))

describe('hypha mcu build', () => {
  it('makes an image with a key of its own, and tells what it takes by part', { timeout: 240_000 }, () => {
    const out = join(home, 'image.elf')
    const result = JSON.parse(execFileSync(...hypha('mcu', 'build', '--board', 'lm3s6965evb', '-o', out, '--json')))
    expect(result).toMatchObject({ image: out, board: 'lm3s6965evb' })
    const parts = new Map(result.parts.map((each: { part: string; flash: number }) => [each.part, each.flash]))
    for (const part of ['trust', 'wire', 'wasm', 'update', 'store', 'node'])
      expect(parts.get(part)).toBeGreaterThan(1_000)
    expect(result.flashBytes).toBeLessThan(256 * 1024)
    expect(result.ramBytes).toBeLessThanOrEqual(64 * 1024)
  })

  it('says which boards there are', () => {
    const run = spawnSync(...hypha('mcu', 'build', '--board', 'nano'))
    expect(run.status).not.toBe(0)
    expect(run.stderr).toMatch(/nano.*\[mcu-board-unknown\]/s)
    expect(run.stderr).toContain('lm3s6965evb')
  })

  it('says what to install where the compiler is missing', () => {
    const bare = { ...env, PATH: '' }
    const run = spawnSync(process.execPath, [main, '--home', home, 'mcu', 'build', '--board', 'host'], {
      env: bare,
      encoding: 'utf8',
    })
    expect(run.stderr).toMatch(/\[mcu-toolchain-missing\]\n.*apt-get install/s)
  })
})
