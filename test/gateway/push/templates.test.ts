import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { buildApp } from '../../../gateway/push/build/build.ts'
import { loadManifest } from '../../../gateway/push/build/manifest.ts'
import { newApp, templates } from '../../../gateway/push/build/new.ts'
import { appOf, temporaryFolder } from './app-folder.ts'
import { startGuest } from './guest.ts'

test.each(templates.filter((template) => template !== 'rust'))('The template %s builds and ticks', async (template) => {
  const dir = join(temporaryFolder(), 'my-app')
  newApp(dir, 'my-app', template)
  const [module] = await buildApp(dir)
  const emitted: unknown[] = []
  const guest = startGuest(module!.component, {
    'hypha:host/telemetry': {
      emit: (metric: string, value: number) => {
        emitted.push([metric, value])
        return { tag: 'ok' }
      },
    },
    'hypha:host/log': { write: (level: string, message: string) => emitted.push(`${level} ${message}`) },
  })
  for (let turn = 1; turn <= 10_000; turn++) guest.call('hypha:module/timer', 'tick', BigInt(turn))
  expect(emitted.slice(0, 3)).toEqual([['ticks', 1], 'info hello: the first tick is at 1', ['ticks', 2]])
  expect(emitted.at(-1)).toEqual(['ticks', 10_000])
  expect(guest.memory.buffer.byteLength).toBe(65_536)
  expect(guest.analysis.memory.endBytes).toBeLessThan(65_536)
})

test('Each template carries the name that it was given, and ignores what is built', () => {
  for (const template of templates) {
    const dir = temporaryFolder()
    const files = newApp(dir, 'my-app', template)
    expect(files).toContain('hypha.toml')
    expect(loadManifest(dir)).toMatchObject({ name: 'my-app', modules: [{ name: 'hello', spec: { timerMs: 1000 } }] })
    expect(readFileSync(join(dir, '.gitignore'), 'utf8')).toMatch(/^build\/$/m)
    for (const file of files.filter((name) => !name.endsWith('.wasm'))) {
      expect(readFileSync(join(dir, file), 'utf8')).not.toMatch(/\{\{/)
    }
  }
})

test('A template that there is not, a name that can not be one and a folder in use are refused', () => {
  expect(() => newApp(temporaryFolder(), 'my-app', 'cobol')).toThrow(
    expect.objectContaining({ code: 'template-unknown' }),
  )
  expect(() => newApp(temporaryFolder(), 'My App', 'c')).toThrow(expect.objectContaining({ code: 'id-invalid' }))
  const used = appOf({ 'notes.txt': 'mine' })
  expect(() => newApp(used, 'my-app', 'c')).toThrow(expect.objectContaining({ code: 'folder-occupied', where: used }))
})
