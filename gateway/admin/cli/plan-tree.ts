import { type Tier, tiers } from '@hypha/core/wire/messages/state.ts'
import { type ExpectedTraffic, nodesOf, type Plan, type PlannedInstance, type PlannedLink } from '../../plan.ts'
import { formatBytes, terminalWidth, wrap } from './table.ts'

export type Tiers = ReadonlyMap<string, Tier>

interface Branch {
  readonly title: string
  /** Sentences below the title. */
  readonly notes?: readonly string[]
  readonly branches?: readonly Branch[]
}

/** A plan as a tree: tiers, their nodes, what runs there and why; then what has no place. */
export function planTree(plan: Plan, tierOf: Tiers, width = Math.min(terminalWidth(), 120)): string {
  const top = [...tiers].reverse()
  const branches: Branch[] = top.flatMap((tier) => {
    const here = plan.instances.filter(({ node }) => tierOf.get(node) === tier)
    return here.length === 0 ? [] : [{ title: tier, branches: nodeBranches(here, plan.traffic) }]
  })
  // A node that joined between the two questions to the gateway.
  const elsewhere = plan.instances.filter(({ node }) => !tierOf.has(node))
  if (elsewhere.length > 0) branches.push({ title: 'other nodes', branches: nodeBranches(elsewhere, plan.traffic) })
  if (plan.unplaced.length > 0) branches.push({ title: 'without a place', branches: unplacedBranches(plan) })
  const notes = (plan.notes ?? []).flatMap((note) => wrap(`Note: ${note}.`, width))
  return [`${plan.app}, release ${plan.release}`, ...draw(branches, '', width), ...notes].join('\n')
}

/** Where modules that have a place can't be, and why. */
export function refusalTree(plan: Plan, width = Math.min(terminalWidth(), 120)): string {
  const placed = new Set(plan.instances.map(({ module }) => module))
  const branches = plan.refusals.flatMap(({ module }): Branch[] => {
    const notes = placed.has(module) ? refusalNotes(plan, module) : []
    return notes.length === 0 ? [] : [{ title: module, notes }]
  })
  return branches.length === 0 ? '' : ['fits nowhere else, because', ...draw(branches, '', width)].join('\n')
}

function unplacedBranches(plan: Plan): Branch[] {
  return plan.unplaced.map(({ module, home, reasons }) => {
    if (home !== null) return { title: `${module} of ${home}`, notes: reasons.map(({ text }) => text) }
    const notes = refusalNotes(plan, module)
    return { title: module, notes: notes.length > 0 ? notes : reasons.map(({ text }) => text) }
  })
}

/** Why nodes can't hold a module; nodes with the same reasons together. */
const refusalNotes = (plan: Plan, module: string): string[] =>
  (plan.refusals.find((each) => each.module === module)?.refused ?? []).map(
    (refused) => `${someOf(nodesOf(plan, refused))}: ${refused.reasons.map(({ text }) => text).join('; ')}`,
  )

interface Alike {
  readonly names: string[]
  readonly own: readonly Branch[]
  readonly shared: readonly Branch[]
}

/** Nodes that run the same for the same reasons are one branch: a plan for a hundred devices stays readable. */
function nodeBranches(instances: readonly PlannedInstance[], traffic: Plan['traffic']): Branch[] {
  const alike = new Map<string, Alike>()
  for (const [node, here] of Map.groupBy(instances, (each) => each.node)) {
    const own = here.map((each) => moduleBranch(each, traffic))
    const shared = own.map(({ title, notes }) => ({
      title,
      notes: notes.map((note) => impersonal(note, node, 'each')),
    }))
    const key = JSON.stringify(shared)
    const group: Alike = alike.get(key) ?? { names: [], own, shared }
    group.names.push(node)
    alike.set(key, group)
  }
  return [...alike.values()].map(({ names, own, shared }) => {
    return { title: someOf(names), branches: names.length === 1 ? own : shared }
  })
}

/** A reason that names its node, with a word for any node that it holds for. */
const impersonal = (text: string, node: string, word: string): string =>
  text.replace(new RegExp(`(?<![a-z0-9-])${node}(?![a-z0-9-])`, 'g'), word)

function moduleBranch(
  { module, home, node, memoryBytes, why, links, cost }: PlannedInstance,
  traffic: Plan['traffic'],
) {
  const owner = home === null ? 'shared' : home === node ? 'its own' : `for ${home}`
  const price = cost > 0 ? ` · links cost ${rounded(cost)}` : ''
  const calls = links.flatMap((link) =>
    linkNote(
      link,
      node,
      traffic.find((each) => isOf(each, module, link)),
    ),
  )
  return { title: `${module} · ${owner} · ${formatBytes(memoryBytes)}${price}`, notes: [...why, ...calls] }
}

const isOf = (expected: ExpectedTraffic, caller: string, link: PlannedLink): boolean =>
  expected.caller === caller && expected.interface === link.interface

/** A link to another module: where to, what it is taken to carry, and what that costs. */
function linkNote({ provider, cost = 0 }: PlannedLink, node: string, expected: ExpectedTraffic | undefined): string[] {
  if (provider.kind === 'host') return []
  const to =
    provider.kind === 'device'
      ? `${provider.module} of the device that is meant`
      : provider.node === node
        ? `${provider.module}, beside it`
        : `${provider.module} on ${provider.node}`
  const carries = expected === undefined ? '' : ` · ${rounded(expected.callsPerS)}/s ${sourceWords[expected.source]}`
  return [`→ ${to}${carries}${cost > 0 ? ` · cost ${rounded(cost)}` : ''}`]
}

const sourceWords = { assumed: 'assumed', hint: 'by hypha.toml', measured: 'measured' } as const

const rounded = (value: number): string => `${Math.round(value * 100) / 100}`

function draw(branches: readonly Branch[], indent: string, width: number): string[] {
  return branches.flatMap(({ title, notes = [], branches: below = [] }, index) => {
    const last = index === branches.length - 1
    const inner = `${indent}${last ? '   ' : '│  '}`
    const bar = `${inner}${below.length > 0 ? '│  ' : ''}`
    return [
      ...wrap(title, width - inner.length).map(
        (line, at) => `${at === 0 ? `${indent}${last ? '└─' : '├─'} ` : bar}${line}`,
      ),
      ...notes.flatMap((note) =>
        wrap(note, width - bar.length - 2).map((line, at) => `${bar}${at === 0 ? '' : '  '}${line}`),
      ),
      ...draw(below, inner, width),
    ]
  })
}

const someOf = (names: readonly string[]): string =>
  names.length <= 4 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`
