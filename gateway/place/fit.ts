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

/** A board has one arena, and runs one module in it. */
export const maxInstancesOn = ({ tier }: FleetNode): number => (tier === 'mcu' ? 1 : maxInstancesPerSection)
const maxAppsOn = ({ tier }: FleetNode): number => (tier === 'mcu' ? 1 : maxSections)

/** Beside a module lie its side table, a third of its size or so, and the release's envelope. [docs/microcontrollers.md, "Flash"] */
const boardStorage = ({ size }: { readonly size: number }): number => Math.ceil(size * 1.4) + 2_048

/** What a turn writes to its kv waits in the arena until the turn has ended. */
const boardPendingBytes = 512

export const isDevice = (node: FleetNode): boolean => node.tier === 'device' || node.tier === 'mcu'

const number = new Intl.NumberFormat('en-US')
export const grouped = (value: number): string => number.format(value)

/** A size to the byte, in the largest unit that it is a whole number of. */
export function sizeText(bytes: number): string {
  if (bytes === 0) return '0'
  if (bytes % 1_048_576 === 0) return `${grouped(bytes / 1_048_576)} MiB`
  return bytes % 1_024 === 0 ? `${grouped(bytes / 1_024)} KiB` : `${grouped(bytes)} bytes`
}

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
    memoryBytes:
      node.tier === 'mcu'
        ? memoryBytes + (keeps ? boardPendingBytes : 0)
        : Math.ceil(memoryBytes / pageBytes) * pageBytes,
    // What a board keeps of `kv` has a place of its own.
    storageBytes: node.tier === 'mcu' ? boardStorage(artifact) : artifact.size + (keeps ? kvBytes : 0),
  }
}

/**
 * Why a node can't hold a module, whatever else of this app it holds; none where it can. Whether it is reachable is another question. `name` stands for the node in the sentences.
 */
export function refusalsOf(links: ModuleLinks, node: FleetNode, name: string = node.id): Reason[] {
  const { inventory } = node
  if (inventory === null) return [{ code: 'no-inventory', text: `${name} has not yet reported what it provides` }]
  const { module } = links
  return [
    ...missingLabels(module, node, name),
    ...missingForm(module, inventory, name),
    ...missingFeatures(module, inventory, name),
    ...missingInterfaces(links, inventory, node, name),
    ...unservedLinks(links, node, name),
    ...(inventory.forms.length === 0 ? [] : shortOf(needOf(module, node), node, nothing, module, name)),
    ...(node.used.apps >= maxAppsOn(node) ? [{ code: 'apps-full', text: appsFull(node, name) } as const] : []),
  ]
}

const appsFull = ({ used, tier }: FleetNode, name: string): string =>
  tier === 'mcu'
    ? `${name} runs one module, and has one of another app`
    : `${name} already runs ${used.apps} apps, as many as it can`

const nothing: Need = { memoryBytes: 0, storageBytes: 0 }

/** What is missing of memory and storage, after what other apps and `taken` have. */
export function shortOf(need: Need, node: FleetNode, taken: Need, module: ReleaseModule, name: string): Reason[] {
  const reasons: Reason[] = []
  const { inventory, used } = node
  if (inventory === null) return reasons
  const check = (code: 'memory-short' | 'storage-short', what: 'memory' | 'storage', key: keyof Need) => {
    const left = Math.max(0, inventory[key] - used[key] - taken[key])
    if (need[key] <= left) return
    const beside = used[key] + taken[key] > 0 ? ` of ${sizeText(inventory[key])}` : ''
    reasons.push({ code, text: `needs ${sizeText(need[key])} of ${what}, ${name} has ${sizeText(left)} left${beside}` })
  }
  check('memory-short', 'memory', 'memoryBytes')
  check('storage-short', 'storage', 'storageBytes')
  if (reasons[0]?.code === 'memory-short' && node.tier === 'mcu' && module.memory.endBytes === null) {
    const text = `${reasons[0].text}; below a page of 64 KiB fits only a module that exports hypha_memory_end, which the SDK's allocators do`
    reasons[0] = { code: 'memory-short', text }
  }
  return reasons
}

/** Whether there is room for a need beside what is taken; `shortOf` says what is missing. */
export const hasRoom = (need: Need, { inventory, used }: FleetNode, taken: Need): boolean =>
  inventory !== null &&
  need.memoryBytes <= inventory.memoryBytes - used.memoryBytes - taken.memoryBytes &&
  need.storageBytes <= inventory.storageBytes - used.storageBytes - taken.storageBytes

function missingLabels(module: ReleaseModule, node: FleetNode, name: string): Reason[] {
  const { requires } = module.spec
  if (requires.length === 0) return []
  const labels = labelsOf(node)
  return requires
    .filter((label) => !labels.has(label))
    .map((label) => ({ code: 'label-missing', text: `requires the label ${label}, which ${name} does not carry` }))
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

function missingInterfaces(links: ModuleLinks, inventory: Inventory, node: FleetNode, name: string): Reason[] {
  const reasons: Reason[] = []
  for (const wanted of links.host) {
    // Where a board's own instance may be, `reachableFrom` says: nobody else is served them here.
    if (isDeviceBound(wanted) && node.forBoards?.some((provided) => serves(provided, wanted))) continue
    if (!inventory.interfaces.some((provided) => serves(provided, wanted))) {
      const near = inventory.interfaces.filter((provided) => bareName(provided) === bareName(wanted))
      const text =
        near.length === 0
          ? `imports ${wanted}, which ${name} does not provide`
          : `imports ${wanted}, but ${name} provides ${near.join(', ')}`
      reasons.push({ code: 'interface-missing', text })
    } else if (isDeviceBound(wanted) && !isDevice(node)) {
      const text = `imports ${wanted}, which belongs to a device and is served only there, and ${name} is of the tier ${node.tier}`
      reasons.push({ code: 'device-bound', text })
    }
  }
  return reasons
}

/** Boards have no links with other modules yet. */
function unservedLinks({ calls, importers }: ModuleLinks, { tier }: FleetNode, name: string): Reason[] {
  if (tier !== 'mcu' || calls.length + importers.length === 0) return []
  const what = calls.length > 0 ? `calls ${calls[0]!.callee}` : `is called by ${importers[0]}`
  return [{ code: 'links-unserved', text: `${what}, and ${name} is a microcontroller, which serves no links yet` }]
}
