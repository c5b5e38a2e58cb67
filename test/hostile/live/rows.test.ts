import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFixture } from './fixture.ts'
import { goalOf, type Result } from './row.ts'
import { allRows } from './rows.ts'
import { runRows } from './run.ts'

// Every row of `npm run hostile`, against a gateway and an agent that run as processes of their own.

const results = new Map<string, Result>()
let fixture: string

beforeAll(async () => {
  fixture = mkdtempSync(join(tmpdir(), 'hypha-hostile-fleet-'))
  await makeFixture(fixture)
  for (const result of await runRows({ fixture })) results.set(result.name, result)
}, 300_000)
afterAll(() => rmSync(fixture, { recursive: true, force: true }))

for (const goal of new Set(allRows.map(goalOf))) {
  describe(goal, () => {
    it.each(allRows.filter((row) => goalOf(row) === goal))('$name: $sent is refused with $code', ({ name, code }) => {
      expect(results.get(name)).toMatchObject({ code, fault: null })
    })
  })
}
