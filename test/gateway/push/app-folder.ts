import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, onTestFinished } from 'vitest'

const make = (): string => mkdtempSync(join(tmpdir(), 'hypha-app-'))

/** A folder that is removed when the test that made it ends. */
export function temporaryFolder(): string {
  const dir = make()
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** A folder for all tests of a file. */
export function folderForFile(): string {
  const dir = make()
  afterAll(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** An app of the given files, by path and text. */
export function appOf(files: Readonly<Record<string, string | Uint8Array>>, dir = temporaryFolder()): string {
  for (const [path, contents] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true })
    writeFileSync(join(dir, path), contents)
  }
  return dir
}

/** A copy of an app without what was built of it. */
export function copyOf(app: string, dir: string): string {
  cpSync(app, dir, { recursive: true, filter: (path) => !/\/build(\/|$)/.test(path.slice(app.length)) })
  return dir
}
