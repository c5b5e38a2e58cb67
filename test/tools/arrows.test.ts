import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkArrows } from '../support/arrows.ts'

const project = resolve(import.meta.dirname, '../..')

// A tree of its own, so that nothing is ever planted in the real one.
describe('a planted wrong import is found', () => {
  let root: string

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'hypha-arrows-'))
    symlinkSync(join(project, 'node_modules'), join(root, 'node_modules'))
    cpSync(join(project, 'package.json'), join(root, 'package.json'))
  })
  afterAll(() => rmSync(root, { recursive: true }))

  function plant(files: Record<string, string>): void {
    for (const folder of ['src', 'agent', 'gateway', 'firmware-bridge']) {
      rmSync(join(root, folder), { recursive: true, force: true })
      mkdirSync(join(root, folder))
    }
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
  }

  const breaches = async () => (await checkArrows(root, ['src', 'agent', 'gateway', 'firmware-bridge'])).breaches

  it.each([
    ['src-imports-nothing', 'src/a.ts', `import '../agent/b.ts'`, 'agent/b.ts'],
    ['programs-meet-in-src', 'gateway/a.ts', `import '../agent/b.ts'`, 'agent/b.ts'],
    ['agent-stages-apart', 'agent/receive/a.ts', `import '../install/b.ts'`, 'agent/install/b.ts'],
    ['agent-stages-apart', 'agent/receive/a.ts', `import type { B } from '../install/b.ts'`, 'agent/install/b.ts'],
    ['gateway-stages-apart', 'gateway/place/a.ts', `import '../direct/b.ts'`, 'gateway/direct/b.ts'],
    ['src-is-pure', 'src/wire/a.ts', `import 'node:fs'`, 'src/b.ts'],
    ['sql-lives-in-the-store', 'gateway/ingest/a.ts', `import 'better-sqlite3'`, 'gateway/b.ts'],
    ['aedes-lives-in-the-broker', 'gateway/ingest/a.ts', `import 'aedes'`, 'gateway/b.ts'],
    ['mqtt-lives-in-the-link', 'agent/report/a.ts', `import 'mqtt'`, 'agent/b.ts'],
    ['workers-live-in-the-sandbox', 'agent/report/a.ts', `import 'node:worker_threads'`, 'agent/b.ts'],
    ['jco-has-two-homes', 'gateway/place/a.ts', `import '@bytecodealliance/jco'`, 'gateway/b.ts'],
  ])('%s: %s with %s', async (rule, from, text, other) => {
    plant({ [other]: 'export interface B {}\nexport const b = 1\n', [from]: `${text}\n` })
    expect(await breaches()).toContainEqual(expect.stringMatching(`^${rule}: ${from} → `))
  })

  it('no-circles: two files that import each other', async () => {
    plant({ 'src/a.ts': `import './b.ts'\n`, 'src/b.ts': `import './a.ts'\n` })
    expect(await breaches()).toContainEqual(expect.stringMatching('^no-circles: '))
  })

  it('lawful imports pass', async () => {
    plant({ 'src/a.ts': 'export const a = 1\n', 'agent/receive/b.ts': `import '../../src/a.ts'\nimport 'node:fs'\n` })
    expect(await breaches()).toEqual([])
  })
})

it('the project has no forbidden import, and the check has read it', async () => {
  const report = await checkArrows(project, ['src', 'agent', 'gateway', 'firmware-bridge'])
  expect(report.breaches).toEqual([])
  expect(report.modules).toBeGreaterThan(20)
})
