import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { project } from '../../examples/demo/processes.ts'
import { makeFixture } from './live/fixture.ts'
import { mutateAll, type Outcome } from './live/mutate.ts'
import { mutations, representative } from './live/mutations.ts'
import { allRows } from './live/rows.ts'

// A check that can be taken out without any attack getting through is one that nobody tests. The whole matrix is `npm run hostile -- --mutate`.

describe('The list of checks', () => {
  it.each(mutations)('$name stands in the source as the list has it', ({ cuts }) => {
    for (const { file, find } of cuts) {
      expect(readFileSync(join(project, file), 'utf8').split(find).length - 1, `${file}: ${find}`).toBe(1)
    }
  })

  it.each(mutations)('$name names attacks that there are, or says what stands behind it', ({ fails, backedBy }) => {
    expect(fails.length > 0 || backedBy !== undefined).toBe(true)
    for (const name of fails) {
      const found = allRows.some((row) =>
        name.endsWith('*') ? row.name.startsWith(name.slice(0, -1)) : row.name === name,
      )
      expect(found, name).toBe(true)
    }
  })
})

describe('Without a check, exactly its attacks get through:', () => {
  const outcomes = new Map<string, Outcome>()
  let fixture: string

  beforeAll(async () => {
    fixture = mkdtempSync(join(tmpdir(), 'hypha-hostile-fleet-'))
    await makeFixture(fixture)
    await mutateAll(representative, fixture, (outcome) => outcomes.set(outcome.name, outcome))
  }, 600_000)
  afterAll(() => rmSync(fixture, { recursive: true, force: true }))

  it.each([{ name: 'nothing' }, ...representative])('$name', ({ name }) => {
    expect(outcomes.get(name)).toMatchObject({ held: [], surprising: [], fault: null })
  })
})
