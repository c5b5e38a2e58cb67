import { HyphaError } from '@hypha/core/errors.ts'
import {
  type DeviceInstances,
  maxDeviceModules,
  maxPeers,
  maxServed,
  type Section,
  type ServedLink,
} from '@hypha/core/trust/directive.ts'
import type { Release } from '@hypha/core/trust/release.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import type { Plan, PlannedInstance } from '../plan.ts'
import type { DirectApp } from './input.ts'

type Caller = ServedLink['callers'][number]
type Called = Pick<ServedLink, 'module' | 'home' | 'interface'>

/**
 * Which calls from other cells an app's instances answer: those of the links in its plans, and no others. In the middle of a rollout callers of both releases are answered, wherever they and the instance are. [P 11.1]
 */
export class ServedLinks {
  /** By the node that answers, then by what is called. */
  readonly #nodes = new Map<string, Map<string, { readonly called: Called; readonly callers: Map<string, Caller> }>>()
  /** By device-scoped module: its instances. */
  readonly #devices = new Map<string, Map<string, DeviceInstances['at'][number]>>()

  constructor({ plan, release, rollout, holders }: DirectApp) {
    const parts = [{ plan, release }, ...(rollout === undefined ? [] : [rollout.next])]
    const chosen = new Set(
      parts.flatMap((part) => part.plan.instances.flatMap(({ links }) => links.flatMap(deviceModule))),
    )
    for (const part of parts) this.#addDevices(part.plan, chosen, holders)
    for (const part of parts) this.#addCallers(part.plan, part.release)
  }

  #addDevices({ instances }: Plan, chosen: ReadonlySet<string>, holders: DirectApp['holders']): void {
    for (const { module, home, node } of instances) {
      if (home === null || !chosen.has(module)) continue
      const at = this.#devices.get(module) ?? new Map()
      this.#devices.set(module, at.set(home, { home, node: holders?.get(`${module}@${home}`)?.node ?? node }))
    }
  }

  #addCallers({ instances }: Plan, { modules }: Release): void {
    const isolated = new Set(modules.filter(({ spec }) => spec.isolate).map(({ name }) => name))
    for (const { node, module, home, links } of instances) {
      const caller = { node, module, home }
      for (const { interface: name, provider } of links) {
        if (provider.kind === 'instance') {
          // Modules that share a cell call each other directly.
          const apart = provider.node !== node || isolated.has(module) || isolated.has(provider.module)
          if (apart) this.#add(provider.node, { module: provider.module, home: provider.home, interface: name }, caller)
        } else if (provider.kind === 'device') {
          for (const at of this.#devices.get(provider.module)?.values() ?? [])
            this.#add(at.node, { module: provider.module, home: at.home, interface: name }, caller)
        }
      }
    }
  }

  #add(node: string, called: Called, caller: Caller): void {
    const answered = this.#nodes.get(node) ?? new Map()
    this.#nodes.set(node, answered)
    const key = `${called.module}@${called.home ?? ''} ${called.interface}`
    const entry = answered.get(key) ?? { called, callers: new Map<string, Caller>() }
    answered.set(key, entry)
    entry.callers.set(`${caller.node} ${caller.module}@${caller.home ?? ''}`, caller)
  }

  /** The section with what it says of links brought up to date; itself where it says so already. Throws `bytes-too-long`. */
  bring(section: Section, node: string): Section {
    const served = this.#servedIn(section, node)
    const devices = this.#devicesFor(section, node)
    if (JSON.stringify([served, devices]) === JSON.stringify([section.served, section.devices])) return section
    return { ...section, served, devices }
  }

  #servedIn({ app, instances }: Section, node: string): ServedLink[] | null {
    const here = new Set(instances.map(({ module, home }) => `${module}@${home ?? ''}`))
    const served = byKey(this.#nodes.get(node))
      .filter(({ called }) => here.has(`${called.module}@${called.home ?? ''}`))
      .map(({ called, callers }): ServedLink => ({ ...called, callers: byKey(callers) }))
    for (const { module, home, callers } of served)
      check(callers.length, maxPeers, `callers of ${instanceName({ app, module, home })}`, node)
    check(served.length, maxServed, `links to serve of ${app}`, node)
    return served.length === 0 ? null : served
  }

  #devicesFor({ app, instances }: Section, node: string): DeviceInstances[] | null {
    const chosen = new Set(instances.flatMap(({ links }) => links.flatMap(deviceModule)))
    const devices = [...chosen].sort().map((module) => ({ module, at: byKey(this.#devices.get(module)) }))
    for (const { module, at } of devices) check(at.length, maxPeers, `devices of ${app}/${module}`, node)
    check(devices.length, maxDeviceModules, `modules of ${app} whose device is chosen`, node)
    return devices.length === 0 ? null : devices
  }
}

const deviceModule = ({ provider }: PlannedInstance['links'][number]): string[] =>
  provider.kind === 'device' ? [provider.module] : []

function byKey<T>(entries: ReadonlyMap<string, T> | undefined): T[] {
  return [...(entries ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
}

function check(count: number, most: number, what: string, node: string): void {
  if (count <= most) return
  throw new HyphaError('bytes-too-long', `The directive of ${node} would name ${count} ${what}, and can name ${most}`, {
    where: node,
    mend: 'Let devices send messages in place of calls, or split the module.',
  })
}
