import type { RunnableInstance, RunnableModule, RunnableSection } from '../turns.ts'

/** The instances of one cell. */
export interface CellGroup {
  /** A module that tells the cell from the app's others; null for the one that has all that needs none of its own. */
  readonly ownModule: string | null
  readonly instances: readonly RunnableInstance[]
}

/**
 * Which instances share a cell. An isolated module has one of its own, and so has a module without a core form, unless it is linked with others: it runs in a process. All others are together,
 * where none of them can wait for a call that another one of them is to answer: a cell that waits answers nobody, and what a device's instance asks of a shared one may lead back to that device.
 * So where some call over messages, those that others may call are apart from them. Pure.
 */
export function cellGroups(section: RunnableSection, node: string): CellGroup[] {
  const leased = underLease(section, node)
  if (leased.size === 0 || leased.size === section.instances.length) return groupsOf(section, node)
  const part = (instances: readonly RunnableInstance[]) => groupsOf({ ...section, instances }, node)
  // What needs a lease must not take with it what needs none.
  const free = part(section.instances.filter((instance) => !leased.has(instance)))
  const bound = part([...leased]).map(({ ownModule, instances }) => ({
    ownModule: ownModule ?? nameFor(section, instances),
    instances,
  }))
  return [...free, ...bound]
}

/** The instances that run only under a lease, and those copied beside them that nobody else here calls. */
function underLease(section: RunnableSection, node: string): ReadonlySet<RunnableInstance> {
  const named = new Set((section.leased ?? []).map(({ module, home }) => `${module}@${home ?? ''}`))
  const bound = new Set(section.instances.filter(({ module, home }) => named.has(`${module}@${home ?? ''}`)))
  const calls = (caller: RunnableInstance, { module, home }: RunnableInstance): boolean =>
    [...caller.links.values()].some(
      (each) => each.kind === 'instance' && each.node === node && each.module === module && each.home === home,
    )
  for (let before = -1; before !== bound.size; ) {
    before = bound.size
    for (const copy of section.instances) {
      if (copy.home !== null || bound.has(copy)) continue
      const callers = section.instances.filter((caller) => calls(caller, copy))
      if (callers.length > 0 && callers.every((caller) => bound.has(caller))) bound.add(copy)
    }
  }
  return new Set(section.instances.filter((instance) => bound.has(instance)))
}

function groupsOf(section: RunnableSection, node: string): CellGroup[] {
  const linked = linkedModules(section)
  const alone = ({ module }: RunnableInstance): boolean => {
    const { isolate, form } = section.modules.get(module)!
    return isolate || (form === 'component' && !linked.has(module))
  }
  const ofModules = Map.groupBy(section.instances.filter(alone), ({ module }) => module)
  const groups: CellGroup[] = [...ofModules].map(([ownModule, instances]) => ({ ownModule, instances }))
  const parts = linkedParts(
    section,
    node,
    section.instances.filter((instance) => !alone(instance)),
  )
  const isCallable = ({ instances }: Part): boolean => instances.some(({ module }) => callable(section, module))
  const called = parts.filter(isCallable)
  const both = called.filter(({ sends }) => sends)
  const rest = parts.filter((part) => !isCallable(part))
  const answering = called.filter(({ sends }) => !sends)
  if (rest.some(({ sends }) => sends)) {
    if (answering.length > 0) groups.push(named(section, answering))
  } else rest.push(...answering)
  // One that both calls and is called is with nobody whom it would keep from answering.
  const together = rest.length === 0 && both.length === 1 ? both.splice(0) : rest
  groups.push(...both.map((part) => named(section, [part])))
  if (together.length > 0)
    groups.unshift({ ownModule: null, instances: together.flatMap(({ instances }) => instances) })
  return groups
}

/** Instances that call each other directly. */
interface Part {
  readonly instances: readonly RunnableInstance[]
  /** Whether some call of theirs leaves their cell. */
  readonly sends: boolean
}

function linkedParts(section: RunnableSection, node: string, instances: readonly RunnableInstance[]): Part[] {
  const parts = new Map(instances.map((instance) => [instance, { instances: [instance], sends: false }]))
  for (const instance of instances) {
    for (const provider of instance.links.values()) {
      if (provider.kind === 'host') continue
      const callees = instances.filter(
        ({ module, home }) =>
          module === provider.module &&
          (provider.kind === 'device' || (provider.node === node && home === provider.home)),
      )
      const own = parts.get(instance)!
      if (provider.kind === 'device' || callees.length === 0) own.sends = true
      for (const callee of callees) {
        const other = parts.get(callee)!
        if (other === parts.get(instance)) continue
        const into = parts.get(instance)!
        into.instances.push(...other.instances)
        into.sends ||= other.sends
        for (const moved of other.instances) parts.set(moved, into)
      }
    }
  }
  const ordered = new Set(section.instances)
  return [...new Set(parts.values())].map(({ instances: some, sends }) => ({
    instances: [...ordered].filter((instance) => some.includes(instance)),
    sends,
  }))
}

/** Whether a module exports something that other modules can be linked to. */
const callable = (section: RunnableSection, module: string): boolean =>
  (section.modules.get(module) as RunnableModule).world.exports.some(({ name }) => !name.startsWith('hypha:module/'))

function named(section: RunnableSection, parts: readonly Part[]): CellGroup {
  const instances = parts.flatMap((part) => part.instances)
  return { ownModule: nameFor(section, instances), instances }
}

/** A module that others may call, where there is one: by it they know who waits for whom. */
function nameFor(section: RunnableSection, instances: readonly RunnableInstance[]): string {
  const names = [...new Set(instances.map(({ module }) => module))].sort()
  return names.find((name) => callable(section, name)) ?? names[0]!
}

/** Modules that call others of their app on this node, or are called by them. */
function linkedModules(section: RunnableSection): ReadonlySet<string> {
  const linked = new Set<string>()
  for (const { module, links } of section.instances) {
    for (const provider of links.values()) {
      if (provider.kind !== 'host') linked.add(module).add(provider.module)
    }
  }
  return linked
}
