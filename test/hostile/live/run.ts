import { asHyphaError } from '@hypha/core/errors.ts'
import { patience, type Result, type Row } from './row.ts'
import { type Lane, lanes } from './rows.ts'
import { startWorld, type World } from './world.ts'

export interface RunOptions {
  /** The folder of `makeFixture`. */
  readonly fixture: string
  /** Rows whose name begins so; all where it is empty. */
  readonly only?: string
  /** None whose name begins so. */
  readonly without?: string | undefined
  /** Whether a row is expected to be let through: it is not waited for as long. */
  readonly gives?: (name: string) => boolean
  readonly onResult?: (result: Result) => void
}

/** Carries out all rows against a new copy of the fleet, lanes side by side; answers in the order of the table. */
export async function runRows({
  fixture,
  only = '',
  without,
  gives = () => false,
  onResult = () => undefined,
}: RunOptions): Promise<Result[]> {
  const isChosen = (name: string) => name.startsWith(only) && (without === undefined || !name.startsWith(without))
  const world = await startWorld(fixture)
  try {
    const perLane = await Promise.all(lanes.map((lane) => runLane(world, lane, isChosen, gives, onResult)))
    return perLane.flat()
  } finally {
    await world.close()
  }
}

async function runLane<T>(
  world: World,
  lane: Lane<T>,
  isChosen: (name: string) => boolean,
  gives: (name: string) => boolean,
  onResult: (result: Result) => void,
) {
  const rows = lane.rows.filter(({ name }) => isChosen(name))
  const results: Result[] = []
  if (rows.length === 0) return results
  const target = await lane.open(world)
  for (const row of rows) {
    lane.wait?.(target, gives(row.name) ? patience.letThrough : patience.refused)
    const result = await runRow(row, target, lane)
    onResult(result)
    results.push(result)
  }
  await lane.close?.(target)
  return results
}

async function runRow<T>(row: Row<T>, target: T, lane: Lane<T>): Promise<Result> {
  const { name, sent, at, code: expected } = row
  const began = performance.now()
  let code: string | null = null
  let fault: string | null = null
  try {
    code = await within(row.run(target))
    // What was refused must have left everything as it was; what wasn't needs mending before the next row.
    if (code === expected) await within(lane.unharmed?.(target))
  } catch (thrown) {
    fault = asHyphaError(thrown).message
  }
  const refused = fault === null && code === expected
  if (!refused) await lane.mend?.(target)
  return { name, sent, at, expected, code, refused, ms: Math.round(performance.now() - began), fault }
}

const longestMs = 2 * patience.refused

/** No attack may keep the others waiting. */
async function within<T>(run: Promise<T> | undefined): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${longestMs} ms`)), longestMs)
  })
  try {
    return await Promise.race([run as Promise<T>, late])
  } finally {
    clearTimeout(timer)
  }
}
