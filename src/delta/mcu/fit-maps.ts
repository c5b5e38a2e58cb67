import { addressRange, type Plan } from '../maps.ts'
import type { Module } from '../module.ts'

export interface Run {
  readonly at: number
  readonly shift: number
}

/** Maps as runs; where they don't fit, those that map the fewest are left away. */
export function fittingMaps(old: Module, plan: Plan, most: number): Run[][] {
  const { highest } = addressRange(old)
  const addresses = [...plan.runs]
  if (addresses.length > 0 && addresses.at(-1)!.shift !== 0 && addresses.at(-1)!.at < highest)
    addresses.push({ at: highest, shift: 0 })
  for (let least = 1; ; least *= 2) {
    const maps = [plan.types, plan.functions, plan.globals].map((references) => indexRuns(references, least))
    const room = most - maps.reduce((sum, runs) => sum + runs.length, 0)
    if (addresses.length <= room) return [...maps, addresses]
    if (least > 64) return [...maps.map((runs) => runs.slice(0, most >> 2)), addresses.slice(0, most >> 2)]
  }
}

/** Where old indices went, as runs of one shift that hold for at least `least` of them. */
function indexRuns(references: Int32Array, least: number): Run[] {
  const pairs = [...references.entries()].filter(([, from]) => from >= 0).map(([to, from]) => ({ from, to }))
  pairs.sort((a, b) => a.from - b.from || a.to - b.to)
  const runs: Run[] = []
  let shift = 0
  for (let i = 0; i < pairs.length; ) {
    const { from, to } = pairs[i]!
    let end = i + 1
    while (end < pairs.length && pairs[end]!.to - pairs[end]!.from === to - from) end++
    if (to - from !== shift && end - i >= least && runs.at(-1)?.at !== from) {
      shift = to - from
      runs.push({ at: from, shift })
    }
    i = end
  }
  return runs
}
