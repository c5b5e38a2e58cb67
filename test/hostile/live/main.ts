import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeFixture } from './fixture.ts'
import { asExpected, matches, mutateAll } from './mutate.ts'
import { mutations } from './mutations.ts'
import type { Result } from './row.ts'
import { runRows } from './run.ts'
import { mutationHead, mutationSummary, outcomeLine, summary, table } from './screen.ts'

const help = `Attacks a gateway and an agent that run on this machine, in a temporary folder, and shows how each attack is refused.

  npm run hostile                        all attacks, as a table; exit code 0 only if each is refused as expected
  npm run hostile -- --only rollback     those whose name begins so
  npm run hostile -- --json              one JSON document
  npm run hostile -- --mutate            takes out each check in turn, and shows that exactly its attacks get through
  npm run hostile -- --mutate --only expiry,floor    those whose name has one of these in it
`

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    // Those whose name begins so aren't carried out.
    without: { type: 'string' },
    mutate: { type: 'boolean', default: false },
    // Rows that are expected to be let through: a name, or its beginning with a star.
    gives: { type: 'string', multiple: true, default: [] },
    // A fleet that was made before: see makeFixture.
    fixture: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

async function main(): Promise<number> {
  if (options.help) {
    process.stdout.write(help)
    return 0
  }
  const made = options.fixture === undefined ? mkdtempSync(join(tmpdir(), 'hypha-hostile-fleet-')) : null
  const fixture = options.fixture ?? made!
  try {
    const began = performance.now()
    if (made !== null) {
      progress('making a fleet …')
      await makeFixture(made)
    }
    if (options.mutate) return await mutate(fixture, began)
    let count = 0
    const onResult = ({ name }: Result) => progress(`${++count} attacks, the last one ${name}`)
    const gives = (name: string) => options.gives.some((pattern) => matches(pattern, name))
    progress('starting a gateway and an agent …')
    const results = await runRows({ fixture, only: options.only, without: options.without, gives, onResult })
    progress('')
    const seconds = (performance.now() - began) / 1000
    process.stdout.write(
      options.json ? `${JSON.stringify({ results })}\n` : `${table(results)}\n${summary(results, seconds)}\n`,
    )
    return results.length > 0 && results.every(({ refused }) => refused) ? 0 : 1
  } finally {
    if (made !== null) rmSync(made, { recursive: true, force: true })
  }
}

async function mutate(fixture: string, began: number): Promise<number> {
  const wanted = options.only.split(',')
  const chosen = mutations.filter(({ name }) => wanted.some((part) => name.includes(part)))
  if (!options.json) process.stdout.write(`${mutationHead}\n`)
  let count = 0
  const ahead = () => progress(`${count} of ${chosen.length + 1} copies of the source attacked …`)
  ahead()
  const outcomes = await mutateAll(chosen, fixture, (outcome) => {
    count++
    progress('')
    if (!options.json) process.stdout.write(`${outcomeLine(outcome)}\n`)
    ahead()
  })
  progress('')
  const seconds = (performance.now() - began) / 1000
  process.stdout.write(options.json ? `${JSON.stringify({ outcomes })}\n` : `${mutationSummary(outcomes, seconds)}\n`)
  return chosen.length > 0 && outcomes.every(asExpected) ? 0 : 1
}

/** One line that replaces itself, on a terminal. */
function progress(text: string): void {
  if (process.stderr.isTTY && !options.json) process.stderr.write(`\r\x1b[K${text.slice(0, 90)}`)
}

// Leaves nothing behind, neither processes nor copies.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
process.exitCode = await main()
