import { maxWaves } from '@hypha/core/trust/directive.ts'
import type { RolloutPolicy } from '@hypha/core/trust/release.ts'
import type { Plan } from '../plan.ts'

export interface WaveNode {
  readonly id: string
  readonly online: boolean
  readonly labels: readonly string[]
}

type WaveRule = NonNullable<RolloutPolicy['waves']>[number]

/** Up to so many nodes go at once by default. */
const fewNodes = 5

/** A canary, a tenth, and the rest. */
const defaultRules: readonly WaveRule[] = [
  { kind: 'share', percent: 10 },
  { kind: 'share', percent: 100 },
]

export interface WaveInput {
  /** Those whose part changes. */
  readonly nodes: readonly WaveNode[]
  readonly before: Plan | null
  readonly after: Plan
  readonly rules: RolloutPolicy['waves']
  readonly snap: boolean
  /** Pairs of nodes that must flip at once, because what they call of each other changes. */
  readonly together?: readonly (readonly [string, string])[]
}

/**
 * Which node is in which wave; every node is in one, and no wave is empty. Of nodes that a share chooses, those that are there come first: who is away proves nothing. Nodes between
 * which an instance moves are in the same wave, the earliest of theirs: it must neither run twice nor nowhere. So are those `together`.
 */
export function wavesOf(input: WaveInput): string[][] {
  const nodes = [...input.nodes].sort((a, b) => Number(b.online) - Number(a.online) || (a.id < b.id ? -1 : 1))
  const chosen = waveByNode(nodes, input)
  const groups = movedTogether(input)
  const earliest = new Map<string, number>()
  for (const { id } of nodes) {
    const group = groups(id)
    earliest.set(group, Math.min(earliest.get(group) ?? maxWaves, chosen.get(id)!))
  }
  const waves = Map.groupBy(nodes, ({ id }) => earliest.get(groups(id))!)
  return [...waves].sort(([a], [b]) => a - b).map(([, members]) => members.map(({ id }) => id).sort())
}

function waveByNode(nodes: readonly WaveNode[], { rules, snap }: WaveInput): Map<string, number> {
  const waves = new Map<string, number>()
  const put = (wave: number, members: readonly WaveNode[]) => {
    for (const { id } of members) if (!waves.has(id)) waves.set(id, wave)
  }
  if (!snap && (rules !== null || nodes.length > fewNodes)) {
    if (rules === null) put(0, nodes.slice(0, 1))
    const first = rules === null ? 1 : 0
    for (const [index, rule] of (rules ?? defaultRules).entries()) put(first + index, membersOf(rule, nodes, waves))
  }
  // Whom no wave names.
  put(maxWaves - 1, nodes)
  return waves
}

/** A share counts those of earlier waves, too. */
function membersOf(rule: WaveRule, nodes: readonly WaveNode[], taken: ReadonlyMap<string, number>): WaveNode[] {
  const free = nodes.filter(({ id }) => !taken.has(id))
  if (rule.kind === 'label') return free.filter(({ labels }) => labels.includes(rule.label))
  const wanted = Math.ceil((nodes.length * rule.percent) / 100) - taken.size
  return free.slice(0, Math.max(0, wanted))
}

/** Union-find over the nodes between which instances move, and those that must flip at once: answers the name of a node's group. */
function movedTogether({ before, after, together = [] }: WaveInput): (node: string) => string {
  const parents = new Map<string, string>()
  const find = (node: string): string => {
    let root = node
    for (let parent = parents.get(root); parent !== undefined; parent = parents.get(root)) root = parent
    return root
  }
  const join = (a: string, b: string) => {
    const [from, to] = [find(a), find(b)]
    if (from !== to) parents.set(from, to)
  }
  const key = ({ module, home }: { module: string; home: string | null }) => `${module}@${home ?? ''}`
  // A module that is copied beside its callers has several nodes for one key: it moves nowhere while it has any of them.
  const was = Map.groupBy(before?.instances ?? [], key)
  for (const [name, now] of Map.groupBy(after.instances, key)) {
    const old = was.get(name)
    if (old === undefined || now.length !== 1 || old.length !== 1) continue
    join(old[0]!.node, now[0]!.node)
  }
  for (const [a, b] of together) join(a, b)
  return find
}
