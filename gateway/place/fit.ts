import type { ReleaseModule } from '@hypha/core/trust/release.ts'
import { pageBytes } from '@hypha/core/wasm/analyse.ts'
import { bareName, serves } from '@hypha/core/wasm/versions.ts'
import type { Inventory } from '@hypha/core/wire/messages/state.ts'
import type { FleetNode, Reason } from '../plan.ts'
import { isDeviceBound, type ModuleLinks } from './links.ts'

/** What an instance takes of a node. */
export interface Need {
  readonly memoryBytes: number
  readonly storageBytes: number
}

/** As a directive's codec caps it: more could not be said to a node. */
export const maxInstancesPerSection = 256
const maxSections = 64

export const isDevice = (node: FleetNode): boolean => node.tier === 'device' || node.tier === 'mcu'

const number = new Intl.NumberFormat('en-US')
export const grouped = (value: number): string => number.format(value)

/** The form in which a node runs a module; null where it runs none that the module has. */
export function formOn(module: ReleaseModule, inventory: Inventory): 'core' | 'component' | null {
  if (module.core !== null && inventory.forms.includes('core')) return 'core'
  return inventory.forms.includes('component') ? 'component' : null
}

/** Memory by the byte on a microcontroller; elsewhere the engine takes it in pages. */
export function needOf(module: ReleaseModule, node: FleetNode): Need {
  const { memoryBytes, kvBytes } = module.spec.limits
  const form = node.inventory === null ? null : formOn(module, node.inventory)
  const artifact = form === 'core' ? module.core! : module.component
  const keeps = module.world.imports.some(({ name }) => bareName(name) === 'hypha:host/kv')
  return {
    memoryBytes: node.tier === 'mcu' ? memoryBytes : Math.ceil(memoryBytes / pageBytes) * pageBytes,
    storageBytes: artifact.size + (keeps ? kvBytes : 0),
  }
}

/** Why a node can't hold a module, whatever else of this app it holds; none where it can. Whether it is reachable is another question. */
export function refusalsOf(links: ModuleLinks, node: FleetNode): Reason[] {
  const { inventory, id } = node
  if (inventory === null) return [{ code: 'no-inventory', text: `${id} has not yet reported what it provides` }]
  const { module } = links
  return [
    ...missingLabels(module, node),
    ...missingForm(module, inventory, id),
    ...missingFeatures(module, inventory, id),
    ...missingInterfaces(links, inventory, node),
    ...(inventory.forms.length === 0
      ? []
      : shortOf(needOf(module, node), node, { memoryBytes: 0, storageBytes: 0 }, module)),
    ...(node.used.apps >= maxSections
      ? [{ code: 'apps-full', text: `${id} already runs ${node.used.apps} apps, as many as it can` } as const]
      : []),
  ]
}

/** What is missing of memory and storage, after what other apps and `taken` have. */
export function shortOf(need: Need, node: FleetNode, taken: Need, module: ReleaseModule): Reason[] {
  const reasons: Reason[] = []
  const { inventory, used, id } = node
  if (inventory === null) return reasons
  const check = (code: 'memory-short' | 'storage-short', what: 'memory' | 'storage', key: keyof Need) => {
    const left = Math.max(0, inventory[key] - used[key] - taken[key])
    if (need[key] <= left) return
    const beside = used[key] + taken[key] > 0 ? ` of ${grouped(inventory[key])}` : ''
    reasons.push({
      code,
      text: `needs ${grouped(need[key])} bytes of ${what}, ${id} has ${grouped(left)} left${beside}`,
    })
  }
  check('memory-short', 'memory', 'memoryBytes')
  check('storage-short', 'storage', 'storageBytes')
  if (reasons[0]?.code === 'memory-short' && node.tier === 'mcu' && module.memory.endBytes === null) {
    const text = `${reasons[0].text}; below a page of 65,536 bytes fits only a module that exports hypha_memory_end, which the SDK's allocators do`
    reasons[0] = { code: 'memory-short', text }
  }
  return reasons
}

function missingLabels(module: ReleaseModule, node: FleetNode): Reason[] {
  const labels = labelsOf(node)
  return module.spec.requires
    .filter((label) => !labels.has(label))
    .map((label) => ({ code: 'label-missing', text: `requires the label ${label}, which ${node.id} does not carry` }))
}

/** Given by the operator, by the node's own file, and by what the node is. */
export function labelsOf(node: FleetNode): ReadonlySet<string> {
  const own = [`tier=${node.tier}`, `node=${node.id}`, ...(node.zone === null ? [] : [`zone=${node.zone}`])]
  return new Set([...node.labels, ...(node.inventory?.labels ?? []), ...own])
}

function missingForm(module: ReleaseModule, inventory: Inventory, id: string): Reason[] {
  if (formOn(module, inventory) !== null) return []
  const has = module.core === null ? 'has no core form' : 'is a component with a core form'
  const runs = inventory.forms.length === 0 ? 'runs no modules' : `runs only the form ${inventory.forms.join(', ')}`
  return [{ code: 'form-unsupported', text: `${has}, and ${id} ${runs}` }]
}

function missingFeatures(module: ReleaseModule, inventory: Inventory, id: string): Reason[] {
  return module.features
    .filter((feature) => !inventory.features.includes(feature))
    .map((feature) => ({
      code: 'feature-missing',
      text: `uses the WebAssembly feature ${feature}, which ${id} does not run`,
    }))
}

function missingInterfaces(links: ModuleLinks, inventory: Inventory, node: FleetNode): Reason[] {
  const reasons: Reason[] = []
  for (const wanted of links.host) {
    if (!inventory.interfaces.some((provided) => serves(provided, wanted))) {
      const near = inventory.interfaces.filter((provided) => bareName(provided) === bareName(wanted))
      const text =
        near.length === 0
          ? `imports ${wanted}, which ${node.id} does not provide`
          : `imports ${wanted}, but ${node.id} provides ${near.join(', ')}`
      reasons.push({ code: 'interface-missing', text })
    } else if (isDeviceBound(wanted) && !isDevice(node)) {
      const text = `imports ${wanted}, which belongs to a device, and ${node.id} is of the tier ${node.tier}; links between nodes are not served yet`
      reasons.push({ code: 'remote-link-unsupported', text })
    }
  }
  return reasons
}
