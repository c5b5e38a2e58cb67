import type { Plan } from '../plan.ts'
import { compare } from './links.ts'

/**
 * Why the instances of a module are where they are, and why they are nowhere else, in sentences. None if the plan doesn't know the module.
 * With `home`, only the instance of that device.
 */
export function explain(plan: Plan, module: string, home?: string): string[] {
  const wanted = (item: { module: string; home: string | null }) =>
    item.module === module && (home === undefined || item.home === home)
  const sentences: string[] = []
  for (const { home: at, node, why } of plan.instances.filter(wanted)) {
    const whose = at === null ? module : `${module} of ${at}`
    sentences.push(`${whose} runs on ${node}: ${why.join('; ')}.`)
  }
  for (const { home: at, reasons } of plan.unplaced.filter(wanted)) {
    const whose = at === null ? module : `${module} of ${at}`
    sentences.push(`${whose} has no place: ${reasons.map(({ text }) => text).join('; ')}.`)
  }
  const verdicts = plan.refusals.find((item) => item.module === module)?.nodes ?? []
  for (const { node, reasons } of verdicts.filter(({ fits }) => !fits).sort((a, b) => compare(a.node, b.node))) {
    sentences.push(`${node} can't hold ${module}: ${reasons.map(({ text }) => text).join('; ')}.`)
  }
  const fitting = verdicts.filter(({ fits }) => fits).map(({ node }) => node)
  if (fitting.length > 0) sentences.push(`It would fit on ${fitting.join(', ')}.`)
  return sentences
}
