import { statfsSync } from 'node:fs'
import { arch, platform, totalmem } from 'node:os'
import type { WasmFeature } from '@hypha/core/wasm/types.ts'
import type { Inventory } from '@hypha/core/wire/messages/state.ts'
import { interfacesOf } from './host/node-file.ts'
import type { Machine } from './machine.ts'

// Set when the agent is bundled (bundle.ts).
declare const HYPHA_AGENT_VERSION: string

export const agentVersion = typeof HYPHA_AGENT_VERSION === 'string' ? HYPHA_AGENT_VERSION : '0.1.0'

/** What V8 runs and the sandbox binds; threads are left out, since cells share no memory. */
const features: readonly WasmFeature[] = [
  'bulk-memory',
  'exceptions',
  'multi-value',
  'mutable-globals',
  'reference-types',
  'saturating-conversions',
  'sign-extension',
  'simd',
  'tail-call',
]

/** What this node is, for whoever places modules; `updates` names the built-in apps whose releases it installs by itself. */
export function takeInventory(
  home: string,
  { nodeFile, drivers, componentProcess }: Machine,
  updates: readonly string[] | null,
): Inventory {
  const { bavail, bsize } = statfsSync(home)
  return {
    agentVersion,
    arch: arch(),
    os: platform(),
    // Modules may have a quarter of the machine's memory together, unless its owner says otherwise.
    memoryBytes: nodeFile.memoryBytes ?? Math.floor(totalmem() / 4),
    storageBytes: bavail * bsize,
    interfaces: interfacesOf(nodeFile),
    features: [...features],
    forms: componentProcess !== null ? ['core', 'component'] : ['core'],
    sensors: [...drivers.sensors],
    actuators: [...drivers.actuators],
    labels: [...nodeFile.labels],
    updates: updates && [...updates],
  }
}
