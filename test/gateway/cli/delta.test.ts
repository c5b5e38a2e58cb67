import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { runHypha } from './support.ts'

const folder = mkdtempSync(join(tmpdir(), 'hypha-delta-cli-'))
afterAll(() => rmSync(folder, { recursive: true }))

const vector = (name: string) => new URL(`../../vectors/delta/${name}.wasm`, import.meta.url).pathname
const file = (name: string) => join(folder, name)

async function hypha(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const { code, stdout, stderr } = await runHypha(folder, args)
  return { code, out: stdout, err: stderr }
}

describe('hypha delta', () => {
  const [old, now] = [vector('frost-alarm-old'), vector('frost-alarm-new')]

  it('makes a patch, applies it to the file that it was made from, and shows what it changes', async () => {
    const made = await hypha('delta', 'make', old, now, '-o', file('p'), '--json')
    expect(made).toMatchObject({ code: 0 })
    expect(JSON.parse(made.out)).toMatchObject({ kind: 'module', newBytes: readFileSync(now).length })
    expect((await hypha('delta', 'apply', old, file('p'), '-o', file('n'))).code).toBe(0)
    expect(readFileSync(file('n')).equals(readFileSync(now))).toBe(true)
    const shown = JSON.parse((await hypha('delta', 'show', file('p'), '--old', old, '--json')).out)
    expect(shown.functions.length).toBeGreaterThan(0)
    expect(shown.sections.map(({ section }: { section: string }) => section)).toContain('code')
  })

  it('refuses another old file, and a patch that was changed, and writes nothing', async () => {
    await hypha('delta', 'make', old, now, '-o', file('p'))
    const wrong = await hypha('delta', 'apply', now, file('p'), '-o', file('none'), '--json')
    expect(wrong.code).toBe(2)
    expect(JSON.parse(wrong.err).error.code).toBe('delta-base-wrong')
    const bytes = readFileSync(file('p'))
    bytes[bytes.length - 3]! ^= 1
    writeFileSync(file('changed'), bytes)
    const changed = await hypha('delta', 'apply', old, file('changed'), '-o', file('none'), '--json')
    expect(JSON.parse(changed.err).error.code).toBe('delta-malformed')
    expect(() => readFileSync(file('none'))).toThrow()
  })

  it('names a file that can not be read', async () => {
    const { code, err } = await hypha('delta', 'make', file('missing'), now, '-o', file('p'))
    expect(code).toBe(2)
    expect(err).toContain(file('missing'))
  })
})
