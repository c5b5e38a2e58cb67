import { expect, test } from 'vitest'
import { loadManifest } from '../../../gateway/push/build/manifest.ts'
import { appOf } from './app-folder.ts'

const followOf = (tables: string) =>
  loadManifest(appOf({ 'hypha.toml': `[app]\nname = "x"\n[module.m]\n${tables}`, 'm/m.c': '' })).follow

test('An app may be placed by what is measured where its manifest says so, and only then', () => {
  expect(followOf('')).toBeNull()
  expect(followOf('[placement]\n')).toBeNull()
  expect(followOf('[placement]\nfollow = "measured"\n')).toBe('measured')
})

test.each(['follow = "hints"', 'follow = true', 'followed = "measured"'])('[placement] %s is refused', (line) => {
  expect(() => followOf(`[placement]\n${line}\n`)).toThrow(expect.objectContaining({ code: 'manifest-invalid' }))
})
