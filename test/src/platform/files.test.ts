import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodeFiles } from '@hypha/core/platform/files.ts'
import { type Files, replaceFile } from '@hypha/core/ports/files.ts'
import { afterEach, beforeEach, expect, test } from 'vitest'

let root: string
let files: Files
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hypha-files-'))
  files = nodeFiles(join(root, 'home'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const bytes = (...values: number[]) => Uint8Array.from(values)

test('what is absent reads as null, lists as nothing, and is removed without a complaint', () => {
  expect(files.read('no/such')).toBeNull()
  expect(files.list('no')).toEqual([])
  files.remove('no/such')
})

test('a file is written and read at any place, and shortened', async () => {
  files.ensureFolder('a/b')
  const file = files.open('a/b/c')
  file.writeAt(4, bytes(5, 6))
  file.writeAt(0, bytes(1, 2, 3, 4))
  await file.sync()
  expect(file.size()).toBe(6)
  expect(file.readAt(3, 100)).toEqual(bytes(4, 5, 6))
  expect(file.readAt(6, 1)).toEqual(bytes())
  expect(file.readAt(60, 1)).toEqual(bytes())
  file.truncate(2)
  expect(files.read('a/b/c')).toEqual(bytes(1, 2))
  await file.sync()
  file.close()
  await files.syncFolder('a/b')
  expect(files.list('a/b')).toEqual(['c'])
})

test('a file is replaced as a whole', async () => {
  await replaceFile(files, 'x', bytes(1))
  await replaceFile(files, 'x', bytes(2, 3))
  expect(files.read('x')).toEqual(bytes(2, 3))
  expect(files.list('')).toEqual(['x'])
})

test('a path that leaves the root is refused', () => {
  expect(() => files.read('../outside')).toThrow(expect.objectContaining({ code: 'file-failed' }))
  expect(() => files.open('/etc/hostname')).toThrow(expect.objectContaining({ code: 'file-failed' }))
})

test("a system's error names the file", () => {
  files.ensureFolder('folder')
  expect(() => files.open('folder')).toThrow(
    expect.objectContaining({ code: 'file-failed', where: join(root, 'home/folder') }),
  )
})

test("all of it works under Node's permission model", () => {
  const core = fileURLToPath(new URL('../../../src/', import.meta.url))
  const script = `
    const { nodeFiles } = await import(${JSON.stringify(`${core}platform/files.ts`)})
    const { replaceFile } = await import(${JSON.stringify(`${core}ports/files.ts`)})
    const files = nodeFiles(process.argv[1])
    files.ensureFolder('sub')
    await replaceFile(files, 'sub/file', Uint8Array.of(1, 2, 3))
    const file = files.open('sub/file')
    file.writeAt(3, Uint8Array.of(4))
    await file.sync()
    await file.sync()
    file.truncate(3)
    file.close()
    files.rename('sub/file', 'sub/other')
    await files.syncFolder('sub')
    console.log(files.list('sub').join(), files.read('sub/other').length)`
  const home = join(root, 'home')
  const args = ['--permission', `--allow-fs-read=${core}*`, `--allow-fs-read=${home}`, `--allow-fs-write=${home}`]
  const out = execFileSync(process.execPath, [...args, '--input-type=module', '-e', script, home], { encoding: 'utf8' })
  expect(out.trim()).toBe('other 3')
})
