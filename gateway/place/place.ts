import type { ModuleVerdicts, PlaceInput, Plan, Refused } from '../plan.ts'
import { brokenLinks, noteOf } from './breaks.ts'
import { crowded } from './choose.ts'
import { instancesOf } from './instances.ts'
import { compare } from './links.ts'
import type { Scene } from './scene.ts'
import { type Solved, solve } from './solve.ts'

/**
 * Places a release on today's fleet. First each module's scope, which is meaning; then for every instance the nodes that can hold it, hard limits first; and of these the
 * one whose links cost least. The same input in any order gives the same plan. It never throws: what can't be placed stands in the plan with its reasons.
 */
export const place = (input: PlaceInput): Plan => planOf(input, solve(input))

export function planOf({ release, digest, replaced }: PlaceInput, { scene, unplaced }: Solved): Plan {
  const notes = replaced === undefined ? [] : brokenLinks(replaced, release).map(noteOf)
  return {
    ...(notes.length === 0 ? {} : { notes }),
    app: release.app,
    release: release.number,
    digest,
    instances: instancesOf(scene),
    kinds: scene.kinds.all.map(({ nodes }) => nodes.map(({ id }) => id)),
    refusals: [...scene.graph.modules.keys()].map((name) => verdictsOf(name, scene)),
    traffic: scene.flows.expected,
    unplaced: [...unplaced].sort((a, b) => compare(a.module, b.module) || compare(a.home ?? '', b.home ?? '')),
    complete: unplaced.length === 0,
  }
}

function verdictsOf(module: string, scene: Scene): ModuleVerdicts {
  const refused: Refused[] = scene.kinds.refusing(module).map(({ kinds, reasons }) => ({
    kinds: runsOf(kinds.map(({ index }) => index)),
    nodes: [],
    reasons,
  }))
  const full = crowded(module, scene).map((each) => ({ kinds: [], ...each }))
  return { module, scope: scene.scopes.get(module)!.scope, refused: [...refused, ...full] }
}

/** Rising numbers, those that follow one another as the first and the last. */
function runsOf(numbers: readonly number[]): number[][] {
  const runs: number[][] = []
  for (const number of numbers) {
    const run = runs.at(-1)
    if (run?.[1] === number - 1) run[1] = number
    else runs.push([number, number])
  }
  return runs
}
