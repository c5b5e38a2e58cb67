import { worthwhile } from '../../place/measured.ts'
import type { PlanChange } from '../../place/what-if.ts'
import type { WhatIfAnswer } from '../api/schemas/plan.ts'

/** What would be elsewhere, changes alike together, and what that would cost. */
export function describeChanges({ plan, changes, costBefore, costAfter }: WhatIfAnswer): string {
  if (changes.length === 0) return `${plan.app} ${plan.release}: nothing would move.`
  const alike = Map.groupBy(changes, (change) => JSON.stringify(sentenceOf(change, 'each')))
  const lines = [...alike.values()].flatMap((group) => {
    const [title, ...why] = sentenceOf(group[0]!, group.length === 1 ? group[0]!.home : 'each')
    const names = group.map(nameOf)
    const who = names.length <= 4 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`
    return [`${who}: ${title}`, ...why.map((line) => `  ${line}`)]
  })
  const cost = `Links cost ${rounded(costBefore)} now, and would cost ${rounded(costAfter)}.`
  return [`${plan.app} ${plan.release}:`, ...lines, cost].join('\n')
}

/** What measured traffic would have elsewhere, and the hints that make it so. */
export function describeMeasured(answer: WhatIfAnswer): string {
  const { plan, changes, costBefore, costAfter } = answer
  const measured = plan.traffic.filter(({ source }) => source === 'measured')
  const head = `${plan.app} ${plan.release}`
  if (measured.length === 0) return `${head}: no link between its modules has left its cell in the last minute.`
  if (changes.length === 0 || costAfter > costBefore * worthwhile) {
    const best = `its links cost ${rounded(costBefore)} as measured, and the best places would make it ${rounded(costAfter)}`
    return `${head}: nothing is worth a move: ${best}.`
  }
  const hints = measured.flatMap(({ caller, interface: name, callsPerS, bytesPerCall }) => [
    `  [module.${caller}.link."${name.split('@')[0]}"]`,
    `  rate = "${Math.max(0.001, Number(callsPerS.toFixed(3)))}/s"`,
    `  bytes = "${Math.ceil(bytesPerCall)}B"`,
  ])
  return [describeChanges(answer), 'To have it so, say in hypha.toml what was measured, and push:', ...hints].join('\n')
}

const nameOf = ({ module, home }: PlanChange): string => (home === null ? module : `${module} of ${home}`)

/** From where to where, then why; with `word` for the device that it belongs to. */
function sentenceOf({ home, from, to, why }: PlanChange, word: string | null): string[] {
  const places = (nodes: readonly string[]) => (nodes.length === 0 ? 'no place' : nodes.join(', '))
  const lines = [`${places(from)} → ${places(to)}`, ...why]
  if (home === null || word === null) return lines
  return lines.map((line) => line.replaceAll(new RegExp(`(?<![a-z0-9-])${home}(?![a-z0-9-])`, 'g'), word))
}

const rounded = (value: number): string => `${Math.round(value * 100) / 100}`
