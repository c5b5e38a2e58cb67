import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import { servedByHost } from '../host/provided.ts'
import type { RunnableInstance, RunnableModule, RunnableSection } from '../turns.ts'
import { digestOf } from './digests.ts'
import type { CellLink } from './protocol.ts'
import { exportFor } from './served.ts'

/** What is known of the other instances as links are made. */
export interface Neighbours {
  readonly node: string
  /** Where an instance of the same cell is; undefined for others. */
  indexOf(module: string, home: string | null): number | undefined
  /** The instances of a module in the same cell, by home. */
  ofModule(module: string): ReadonlyMap<string, number>
}

/** What an instance's imports are bound to: the directive's links and nothing else. Throws `link-not-served`. */
export function linksOf(
  section: RunnableSection,
  instance: RunnableInstance,
  module: RunnableModule,
  neighbours: Neighbours,
): Map<string, CellLink> {
  const links = new Map<string, CellLink>()
  for (const imported of module.world.imports) {
    const { name } = imported
    const refuse = (why: string): HyphaError => {
      const importer = instanceName({ app: section.app, module: instance.module, home: instance.home })
      return new HyphaError('link-not-served', `${importer} imports ${name}, ${why}`, { where: name })
    }
    // What toolchains import of WASI without being asked does nothing that a link would have to allow.
    const provider = name.startsWith('wasi:') ? { kind: 'host' as const } : instance.links.get(name)
    if (provider === undefined) throw refuse('which its directive does not link')
    if (provider.kind === 'host') {
      if (!servedByHost(name)) throw refuse('which no host interface of this agent is')
      links.set(name, 'host')
      continue
    }
    const { policy } = module.links?.find((hint) => hint.interface === name) ?? { policy: null }
    const as = (): string => exportedName(section, provider.module, imported, refuse)
    if (provider.kind === 'device') {
      const here = neighbours.ofModule(provider.module)
      links.set(name, { kind: 'message', here, as: here.size > 0 ? as() : name, policy })
      continue
    }
    const index = provider.node === neighbours.node ? neighbours.indexOf(provider.module, provider.home) : undefined
    if (index === undefined) links.set(name, { kind: 'message', here: new Map(), as: name, policy })
    else links.set(name, { kind: 'cell', instance: index, as: as() })
  }
  return links
}

/** The name under which a module of the same cell exports what another one imports. Their types are compared here, since nothing is compared at the call. */
function exportedName(
  section: RunnableSection,
  callee: string,
  imported: RunnableModule['world']['imports'][number],
  refuse: (why: string) => HyphaError,
): string {
  const served = exportFor(section.modules.get(callee)!.world, imported.name)
  if (served === null) throw refuse(`which "${callee}" does not export`)
  for (const func of imported.funcs) {
    const other = served.funcs.find(({ name }) => name === func.name)
    if (other === undefined) throw refuse(`of which "${callee}" does not export ${func.name}`)
    if (!bytesEqual(digestOf(imported.name, func), digestOf(served.name, other))) {
      throw refuse(`but ${func.name} has another type in "${callee}"`)
    }
  }
  return served.name
}
