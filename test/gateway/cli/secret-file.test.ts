import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { writeSecret } from '../../../gateway/admin/cli/secret-file.ts'
import { temporaryFolder } from './support.ts'

const modeOf = (path: string) => statSync(path).mode & 0o777

test('A secret goes into no file that others can read, though one of its name was there', () => {
  const path = join(temporaryFolder(), 'ci.json')
  writeFileSync(path, 'old', { mode: 0o644 })
  writeSecret(path, 'secret')
  expect([readFileSync(path, 'utf8'), modeOf(path)]).toEqual(['secret', 0o600])
})

test('A secret follows no link that somebody has laid', () => {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'theirs'))
  const theirs = join(folder, 'theirs/file')
  writeFileSync(theirs, 'theirs')
  const path = join(folder, 'client.key')
  symlinkSync(theirs, path)
  writeSecret(path, 'secret')
  expect(readFileSync(theirs, 'utf8')).toBe('theirs')
  expect([readFileSync(path, 'utf8'), modeOf(path)]).toEqual(['secret', 0o600])
})
