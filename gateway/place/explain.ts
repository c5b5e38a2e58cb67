import { nodesOf, type Plan } from '../plan.ts'

/**
 * Why the instances of a module are where they are, and why they are nowhere else, in sentences. None if the plan doesn't know the module.
 * With `home`, only the instance of that device.
 */
export function explain(plan: Plan, module: string, home?: string): string[] {
  const wanted = (item: { module: string; home: string | null }) =>
    item.module === module && (home === undefined || item.home === home)
  const whose = (at: string | null) => (at === null ? module : `${module} of ${at}`)
  const sentences = [
    ...plan.instances
      .filter(wanted)
      .map(({ home: at, node, why }) => `${whose(at)} runs on ${node}: ${why.join('; ')}.`),
    ...plan.unplaced
      .filter(wanted)
      .map(({ home: at, reasons }) => `${whose(at)} has no place: ${reasons.map(({ text }) => text).join('; ')}.`),
  ]
  const verdicts = plan.refusals.find((item) => item.module === module)
  if (verdicts === undefined) return sentences
  const refusing = new Set<string>()
  for (const refused of verdicts.refused) {
    const nodes = nodesOf(plan, refused)
    for (const node of nodes) refusing.add(node)
    sentences.push(`Not on ${someOf(nodes)}: ${refused.reasons.map(({ text }) => text).join('; ')}.`)
  }
  const fitting = plan.kinds
    .flat()
    .filter((node) => !refusing.has(node))
    .sort()
  if (fitting.length > 0) sentences.push(`It fits on ${someOf(fitting)}.`)
  return sentences
}

const someOf = (names: readonly string[]): string =>
  names.length <= 8 ? names.join(', ') : `${names.slice(0, 7).join(', ')} and ${names.length - 7} more`
