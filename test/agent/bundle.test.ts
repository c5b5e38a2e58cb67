import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundleAgent } from '../../agent/bundle.ts'

describe('the agent as a bundle', () => {
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hypha-bundle-'))
    await bundleAgent(folder)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const files = () => (readdirSync(folder, { recursive: true }) as string[]).filter((name) => name.endsWith('.js'))

  it('has its programs, and starts from any folder with nothing beside it', () => {
    expect(files()).toEqual(expect.arrayContaining(['main.js', 'worker/main.js', 'worker/patch.js', 'helper/main.js']))
    const help = execFileSync(process.execPath, [join(folder, 'main.js'), '--help'], { cwd: '/', encoding: 'utf8' })
    expect(help).toContain('hypha-agent join URL')
  })

  it("imports nothing but its own chunks, and jco where that is installed; Node's modules are read when they are used", () => {
    const imported = files().flatMap((name) =>
      [...readFileSync(join(folder, name), 'utf8').matchAll(/(?:from|import)\s*\(?\s*"([^"(){}]+)"/g)].map(
        ([, from]) => from!,
      ),
    )
    const foreign = new Set(imported.filter((from) => !/^\.{1,2}\//.test(from)))
    expect([...foreign]).toEqual(['@bytecodealliance/jco-transpile/component'])
  })
})
