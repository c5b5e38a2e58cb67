import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { buildApp } from '../../../gateway/push/build/build.ts'
import { newApp } from '../../../gateway/push/build/new.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hypha-clang-'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true })
})

// clang hands a module to any wasm-opt on the path if the call that links also asks to optimise, and that one refuses what a stripped module uses.
it('An installed clang is never asked to optimise as it links', async () => {
  const clang = join(folder, 'clang')
  const calls = join(folder, 'calls')
  writeFileSync(
    clang,
    `#!/bin/sh\necho "$*" >> '${calls}'\ncase " $* " in *" -c "*) exit 0;; esac\necho 'no linker here' >&2\nexit 1\n`,
  )
  chmodSync(clang, 0o755)
  vi.stubEnv('HYPHA_CLANG', clang)
  const app = join(folder, 'app')
  newApp(app, 'app', 'c')
  await expect(buildApp(app)).rejects.toMatchObject({ code: 'compile-failed', message: 'hello: no linker here' })

  const lines = readFileSync(calls, 'utf8').trim().split('\n')
  const links = lines.filter((line) => !line.includes(' -c '))
  expect(lines.length - links.length).toBe(2)
  expect(links).toHaveLength(1)
  expect(links[0]).not.toMatch(/ -O/)
})
