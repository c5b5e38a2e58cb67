import type { Release, ReleaseModule } from '@hypha/core/trust/release.ts'
import { whyIncompatible } from '@hypha/core/wasm/compatible.ts'
import { linkModules } from '@hypha/core/wasm/linking.ts'
import { bareName, serves } from '@hypha/core/wasm/versions.ts'
import type { Plan } from '../plan.ts'

/** A link over which one release can't call the other. */
export interface BrokenLink {
  readonly caller: string
  readonly callee: string
  readonly interface: string
  /** In words, without a full stop. */
  readonly why: string
}

/**
 * Links that hold within each of two releases, and not between them: while one side of such a link has flipped and the other hasn't, its calls fail with `epoch-mismatch`. One for each caller and interface, sorted as
 * the modules are.
 */
export function brokenLinks(before: Release, after: Release): BrokenLink[] {
  const found = new Map<string, BrokenLink>()
  for (const [from, to, newer] of [
    [before, after, 'after'],
    [after, before, 'before'],
  ] as const) {
    const linked = linkModules(from.modules)
    for (const module of from.modules) {
      for (const { interface: name, callee } of linked.get(module.name)!.calls) {
        const why = whyBroken(module, name, callee, to, newer)
        const key = `${module.name} ${bareName(name)}`
        if (why !== null && !found.has(key)) found.set(key, { caller: module.name, callee, interface: name, why })
      }
    }
  }
  return [...found.values()]
}

function whyBroken(
  caller: ReleaseModule,
  name: string,
  callee: string,
  other: Release,
  newer: 'before' | 'after',
): string | null {
  const theirs = other.modules.find((module) => module.name === callee)
  const when = newer === 'after' ? 'in the new release' : 'in the release that runs'
  if (theirs === undefined) return `${callee} isn't there ${when}`
  const exported = theirs.world.exports.find((each) => serves(each.name, name))
  if (exported === undefined) return `${callee} doesn't export it ${when}`
  const why = whyIncompatible(caller.world.imports.find((each) => each.name === name)!, exported)
  return why === null ? null : `${when} ${why}`
}

/** Nodes that must flip together: those that such a link leads from and to, in either plan. */
export function flipTogether(broken: readonly BrokenLink[], plans: readonly Plan[]): [string, string][] {
  const callees = new Map(broken.map(({ caller, interface: name, callee }) => [`${caller} ${bareName(name)}`, callee]))
  if (broken.length === 0) return []
  return plans.flatMap(({ instances }) => {
    const nodesOf = Map.groupBy(instances, ({ module }) => module)
    return instances.flatMap(({ module, node, links }) =>
      links.flatMap(({ interface: name, provider }): [string, string][] => {
        if (provider.kind === 'host' || !callees.has(`${module} ${bareName(name)}`)) return []
        if (provider.kind === 'instance') return [[node, provider.node]]
        return (nodesOf.get(provider.module) ?? []).map((each) => [node, each.node])
      }),
    )
  })
}

/** What a plan says of them. */
export const noteOf = ({ caller, callee, interface: name, why }: BrokenLink): string =>
  `${caller} calls ${name} of ${callee}, and ${why}: nodes on both sides of this link flip in one wave, whatever waves there are`
