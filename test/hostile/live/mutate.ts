import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { project } from '../../../examples/demo/processes.ts'
import type { Mutation } from './mutations/kit.ts'
import type { Result } from './row.ts'

// Takes each check out of a copy of the source, and runs all rows against what is left.

/** What the programs need; dependencies are linked, so that the copy's own packages stand beside them. */
const parts = [
  'src',
  'agent',
  'gateway',
  'firmware-bridge',
  'examples',
  'sdk',
  'test/support',
  'test/hostile/live',
  'test/firmware/node',
  'test/vectors/delta',
  'package.json',
  'tsconfig.json',
]

/** No run of all rows takes longer. */
const longestMs = 600_000

export interface Outcome {
  readonly name: string
  /** Why no row fails; null where some must. */
  readonly backedBy: string | null
  /** Rows that weren't refused as they should be. */
  readonly failed: readonly string[]
  /** Rows that should have failed, and didn't; and the other way round. */
  readonly held: readonly string[]
  readonly surprising: readonly string[]
  readonly ms: number
  /** Why it could not be judged. */
  readonly fault: string | null
}

/** Whether exactly those rows failed that should. */
export const asExpected = ({ held, surprising, fault }: Outcome): boolean =>
  held.length === 0 && surprising.length === 0 && fault === null

/** A copy of the source that is changed and mended again. */
export class Tree {
  readonly folder: string
  /** What was there before, by path: the project's own files may change meanwhile. */
  readonly #before = new Map<string, string>()

  constructor(name: string) {
    mkdirSync(join(project, 'dist', 'hostile'), { recursive: true })
    this.folder = mkdtempSync(join(project, 'dist', 'hostile', `${name}-`))
    for (const part of parts) {
      mkdirSync(join(this.folder, part, '..'), { recursive: true })
      cpSync(join(project, part), join(this.folder, part), {
        recursive: true,
        filter: (path) => !path.endsWith('/node_modules'),
      })
    }
    linkAll(join(project, 'node_modules'), join(this.folder, 'node_modules'))
  }

  /** The mutated text of each file. Throws where the source has changed, so that the list can't rot. */
  apply({ name, cuts }: Mutation): void {
    for (const { file, find, replace } of cuts) {
      const path = join(this.folder, file)
      const text = readFileSync(path, 'utf8')
      if (!this.#before.has(path)) this.#before.set(path, text)
      const count = text.split(find).length - 1
      if (count !== 1) throw new Error(`${name}: ${file} has ${count} times, and should have once: ${find}`)
      writeFileSync(
        path,
        text.replace(find, () => replace),
      )
    }
  }

  mend(): void {
    for (const [path, text] of this.#before) writeFileSync(path, text)
    this.#before.clear()
  }

  /** All rows but those against boards, whose checks are in C; those that `gives` matches are expected to be let through. */
  async run(fixture: string, gives: readonly string[]): Promise<Result[]> {
    const main = join(this.folder, 'test/hostile/live/main.ts')
    const args = [
      main,
      '--json',
      '--without',
      'board/',
      '--fixture',
      fixture,
      ...gives.flatMap((pattern) => ['--gives', pattern]),
    ]
    // A group of its own: whoever ends it ends the gateway and the agent too.
    const child = spawn(process.execPath, args, {
      cwd: this.folder,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const limit = setTimeout(() => this.#end(child), longestMs)
    const onExit = () => this.#end(child)
    process.once('exit', onExit)
    let [out, errors] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text
    })
    await once(child, 'close')
    clearTimeout(limit)
    process.off('exit', onExit)
    if (out === '') throw new Error(`the attacks could not be carried out: ${errors.slice(-500)}`)
    return (JSON.parse(out) as { results: Result[] }).results
  }

  #end({ pid }: ChildProcess): void {
    try {
      if (pid !== undefined) process.kill(-pid, 'SIGKILL')
    } catch (thrown) {
      // It has ended by itself.
      if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Hard links for files: Node sees a folder of its own, and nothing is copied. Links within stay links, so that they lead into the copy. */
function linkAll(from: string, to: string): void {
  mkdirSync(to, { recursive: true })
  for (const name of readdirSync(from)) {
    const [source, target] = [join(from, name), join(to, name)]
    const stat = lstatSync(source)
    if (stat.isSymbolicLink()) symlinkSync(readlinkSync(source), target)
    else if (stat.isDirectory()) linkAll(source, target)
    else if (!existsSync(target)) linkSync(source, target)
  }
}

export const matches = (pattern: string, name: string): boolean =>
  pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern

async function judge(tree: Tree, mutation: Mutation, fixture: string): Promise<Outcome> {
  const began = performance.now()
  const { name, fails, backedBy = null } = mutation
  const made = (failed: readonly string[], results: readonly Result[], fault: string | null): Outcome => ({
    name,
    backedBy,
    failed,
    held: results
      .filter((row) => row.refused && fails.some((pattern) => matches(pattern, row.name)))
      .map((row) => row.name),
    surprising: failed.filter((row) => !fails.some((pattern) => matches(pattern, row))),
    ms: Math.round(performance.now() - began),
    fault,
  })
  try {
    tree.apply(mutation)
    const results = await tree.run(fixture, fails)
    const unknown = fails.filter((pattern) => !results.some((row) => matches(pattern, row.name)))
    const fault = unknown.length > 0 ? `there are no rows ${unknown.join(', ')}` : null
    return made(
      results.filter((row) => !row.refused).map((row) => row.name),
      results,
      fault,
    )
  } catch (thrown) {
    return made([], [], (thrown as Error).message)
  } finally {
    tree.mend()
  }
}

/** Runs the unchanged source, which must refuse all, and then each mutation; `width` at a time. */
export async function mutateAll(
  mutations: readonly Mutation[],
  fixture: string,
  onOutcome: (outcome: Outcome) => void,
  width = 2,
): Promise<Outcome[]> {
  const queue: Mutation[] = [{ name: 'nothing', cuts: [], fails: [] }, ...mutations]
  const outcomes: Outcome[] = []
  const work = async (index: number) => {
    const tree = new Tree(`w${index}`)
    process.once('exit', () => tree.remove())
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const outcome = await judge(tree, next, fixture)
      outcomes.push(outcome)
      onOutcome(outcome)
    }
    tree.remove()
  }
  await Promise.all(Array.from({ length: width }, (_, index) => work(index)))
  return outcomes
}
