import { HyphaError } from '@hypha/core/errors.ts'
import { withMemoryMaximum } from '@hypha/core/wasm/limits.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import { cellName } from '../linked-calls.ts'
import type { InstanceKey, RunnableInstance, RunnableModule, RunnableSection } from '../turns.ts'
import { cellGroups } from './cell-groups.ts'
import { linksOf, type Neighbours } from './cell-links.ts'
import type { CellInstance } from './protocol.ts'
import type { CellSpec } from './turn-runner.ts'

const pageBytes = 65_536

/**
 * Divides an app's part of a directive into cells. Pure.
 *
 * @param runsComponents whether this node has processes for modules without a core form.
 * @throws HyphaError `module-form-unsupported`, or `link-not-served` where an import has no link, or one that can't be made.
 */
export function planCells(section: RunnableSection, node: string, runsComponents: boolean): CellSpec[] {
  for (const { name, form } of section.modules.values()) {
    if (form === 'component' && !runsComponents) {
      throw new HyphaError(
        'module-form-unsupported',
        `module "${name}" has no core form, and this node runs no components`,
      )
    }
  }
  return cellGroups(section, node).map(({ ownModule, instances }) =>
    planCell(section, instances, { node, name: cellName(node, section.app, ownModule) }),
  )
}

function planCell(
  section: RunnableSection,
  unsorted: readonly RunnableInstance[],
  { node, name }: { readonly node: string; readonly name: string },
): CellSpec {
  const instances = calleesFirst(section, unsorted)
  const modules = [...new Set(instances.map(({ module }) => module))].map((name) => moduleOf(section, name))
  const indexOf = new Map(instances.map((instance, index) => [keyText(instance.module, instance.home), index]))
  const neighbours: Neighbours = {
    node,
    indexOf: (module, home) => indexOf.get(keyText(module, home)),
    ofModule: (module) =>
      new Map(
        instances.flatMap((each, index): [string, number][] =>
          each.module === module && each.home !== null ? [[each.home, index]] : [],
        ),
      ),
  }
  const leased = (section.leased ?? []).filter((each) => indexOf.has(keyText(each.module, each.home)))
  return {
    name,
    leased: leased.map(({ module, home }) => ({ app: section.app, module, home })),
    app: section.app,
    epoch: section.epoch,
    release: section.release,
    components: modules.some(({ form }) => form === 'component'),
    modules: modules.map(({ name, form, bytes, world, limits, publish }) => ({
      name,
      form,
      // The core modules within a component get theirs where they are taken out of it.
      bytes: form === 'core' ? withMemoryMaximum(bytes, Math.ceil(limits.memoryBytes / pageBytes)) : bytes,
      world,
      limits,
      publish,
    })),
    instances: instances.map((instance): CellInstance => {
      const module = modules.findIndex(({ name }) => name === instance.module)
      return {
        key: keyOf(section, instance),
        module,
        links: linksOf(section, instance, modules[module]!, neighbours),
        config: new Map(Object.entries(instance.config)),
      }
    }),
    timersMs: instances.map(({ module }) => {
      const { world, timerMs } = moduleOf(section, module)
      return world.exports.some(({ name }) => name.startsWith('hypha:module/timer@')) ? timerMs : null
    }),
  }
}

type Provider = RunnableInstance['links'] extends ReadonlyMap<string, infer P> ? P : never

/** The order in which instances are made and started. */
function calleesFirst(section: RunnableSection, instances: readonly RunnableInstance[]): RunnableInstance[] {
  const byKey = new Map(instances.map((instance) => [keyText(instance.module, instance.home), instance]))
  const calleesOf = (provider: Provider): readonly RunnableInstance[] => {
    if (provider.kind === 'device') return instances.filter(({ module }) => module === provider.module)
    const callee = provider.kind === 'instance' ? byKey.get(keyText(provider.module, provider.home)) : undefined
    return callee === undefined ? [] : [callee]
  }
  const sorted = new Set<RunnableInstance>()
  const visit = (instance: RunnableInstance, path: readonly RunnableInstance[]): void => {
    if (sorted.has(instance)) return
    if (path.includes(instance)) {
      const circle = [...path.slice(path.indexOf(instance)), instance].map((entry) =>
        instanceName(keyOf(section, entry)),
      )
      throw new HyphaError('link-not-served', `links go in a circle: ${circle.join(' → ')}`)
    }
    for (const provider of instance.links.values()) {
      for (const callee of calleesOf(provider)) visit(callee, [...path, instance])
    }
    sorted.add(instance)
  }
  for (const instance of instances) visit(instance, [])
  return [...sorted]
}

function moduleOf(section: RunnableSection, name: string): RunnableModule {
  const module = section.modules.get(name)
  if (module === undefined) throw new HyphaError('internal', `the section of "${section.app}" has no module "${name}"`)
  return module
}

const keyOf = (section: RunnableSection, instance: RunnableInstance): InstanceKey => ({
  app: section.app,
  module: instance.module,
  home: instance.home,
})

const keyText = (module: string, home: string | null): string => `${module}@${home ?? ''}`
