import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HyphaError } from '@hypha/core/errors.ts'
import { expect, onTestFinished, test } from 'vitest'
import { fuzz } from './engine.ts'
import { outcome, type Prepared, reads, type Target } from './target.ts'

const target: Target = { name: 'planted', about: 'a reader with a defect', prepare: () => planted(() => undefined) }

/** Reads a length and as many bytes; what it does at a length of 7 is the defect. */
function planted(defect: () => void): Prepared {
  const read = (input: Uint8Array) => {
    const [length = 0] = input
    if (input.length - 1 < length) throw new HyphaError('bytes-truncated', 'too short')
    if (length === 7) defect()
  }
  return { seeds: [Uint8Array.of(3, 1, 2, 3)], run: (input) => outcome(reads(() => read(input))) }
}

const some = { more: (count: number) => count < 20_000 }

test.each([
  ['an error that is none of ours', () => new TypeError('no such property')],
  ['an error of ours that says that we have to mend it', () => new HyphaError('internal', 'impossible')],
])('%s is found, with the input that brings it up', async (_what, error) => {
  const prepared = planted(() => {
    throw error()
  })
  const find = await fuzz(target, prepared, 1, some)
  expect(find?.input[0]).toBe(7)
  expect(() => prepared.run(find!.input)).toThrow(error().message)
})

test('an error of ours that others have to mend is none', async () => {
  const prepared = planted(() => {
    throw new HyphaError('bytes-malformed', 'seven')
  })
  expect(await fuzz(target, prepared, 1, some)).toBeNull()
})

test('the same seed makes the same inputs, another seed others', async () => {
  const inputs = async (seed: number) => {
    const seen: string[] = []
    const hooks = { before: (input: Uint8Array) => void seen.push(input.join()), more: (count: number) => count < 200 }
    await fuzz(
      target,
      planted(() => undefined),
      seed,
      hooks,
    )
    return seen
  }
  expect(await inputs(5)).toEqual(await inputs(5))
  expect(await inputs(5)).not.toEqual(await inputs(6))
})

const main = fileURLToPath(new URL('main.ts', import.meta.url))

const run = (...args: string[]) =>
  new Promise<{ code: number; stdout: string }>((resolve) => {
    const child = execFile(process.execPath, [main, ...args], (_error, stdout) =>
      resolve({ code: child.exitCode ?? -1, stdout }),
    )
  })

test('the command lists its targets, reads an input again, and refuses what it does not know', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-fuzz-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'input.bin')
  writeFileSync(file, Uint8Array.of(0x9f, 0xff))
  const [list, replay, unknown] = await Promise.all([
    run('--list'),
    run('cbor', '--replay', file),
    run('nothing', '--for', '1s'),
  ])
  expect([list.code, replay.code, unknown.code]).toEqual([0, 0, 2])
  expect(list.stdout).toMatch(/^cbor +any bytes as one CBOR item$/m)
  expect(replay.stdout).toContain('outcome: bytes-malformed')
})
