import type { Release, ReleaseModule } from '@hypha/core/trust/release.ts'
import type { Inventory, Tier } from '@hypha/core/wire/messages/state.ts'
import { place } from '../../../gateway/place/place.ts'
import { type FleetNode, type MeasuredTraffic, nodesOf, type Plan } from '../../../gateway/plan.ts'

// Made-up releases and fleets: what a plan depends on, and nothing else.

const host = (...names: string[]) => names.map((name) => (name.includes(':') ? name : `hypha:host/${name}@0.1.0`))
const everywhere = host('log', 'clock', 'config', 'telemetry', 'kv', 'messages', 'links')

const provided: Record<Tier, string[]> = {
  mcu: [...everywhere, ...host('sensor', 'actuator')],
  device: [...everywhere, ...host('sensor', 'actuator')],
  edge: [...everywhere, ...host('sql')],
  cloud: [...everywhere, ...host('http')],
}

export interface NodeChoices {
  tier?: Tier
  interfaces?: string[]
  memoryBytes?: number
  storageBytes?: number
  forms?: ('core' | 'component')[]
  features?: string[]
  labels?: string[]
  zone?: string
  online?: boolean
  used?: Partial<FleetNode['used']>
  parent?: string
  silent?: boolean
}

export function node(id: string, choices: NodeChoices = {}): FleetNode {
  const { tier = 'device', labels = [], zone = null, online = true, used = {}, parent = null } = choices
  const inventory: Inventory = {
    agentVersion: '0.1.0',
    arch: 'arm64',
    os: 'linux',
    memoryBytes: choices.memoryBytes ?? 64 * 1024 * 1024,
    storageBytes: choices.storageBytes ?? 1024 ** 3,
    interfaces: choices.interfaces ?? provided[tier],
    features: choices.features ?? ['bulk-memory', 'sign-extension', 'mutable-globals'],
    forms: choices.forms ?? ['core'],
    sensors: [],
    actuators: [],
    labels: [],
    updates: null,
  }
  return {
    id,
    tier,
    online,
    inventory: choices.silent ? null : inventory,
    labels,
    zone,
    used: { memoryBytes: 0, storageBytes: 0, apps: 0, ...used },
    parent,
  }
}

export interface ModuleChoices {
  imports?: string[]
  exports?: string[]
  publish?: string[]
  subscribe?: string[]
  timerMs?: number
  memoryBytes?: number
  endBytes?: number
  kvBytes?: number
  coreBytes?: number | null
  features?: string[]
  requires?: string[]
  fleetScope?: boolean
}

export function module(name: string, choices: ModuleChoices = {}): ReleaseModule {
  const { imports = [], exports = [], publish = [], subscribe = [], coreBytes = 4_000 } = choices
  const memoryBytes = choices.memoryBytes ?? 65_536
  const interfaces = (names: string[]) => host(...names).map((versioned) => ({ name: versioned, funcs: [] }))
  const byte = name.charCodeAt(0)
  return {
    name,
    component: { digest: new Uint8Array(32).fill(byte), size: 9_000 },
    core: coreBytes === null ? null : { digest: new Uint8Array(32).fill(byte + 128), size: coreBytes },
    world: { imports: interfaces(imports), exports: interfaces(exports) },
    memory: { initialBytes: 65_536, maximumBytes: null, endBytes: choices.endBytes ?? null },
    features: choices.features ?? [],
    spec: {
      timerMs: choices.timerMs ?? null,
      subscribe,
      publish,
      config: {},
      limits: { memoryBytes, turnMs: 1_000, telemetryPerS: 100, messagesPerS: 50, kvBytes: choices.kvBytes ?? 65_536 },
      isolate: false,
      fleetScope: choices.fleetScope ?? false,
      requires: choices.requires ?? [],
      httpHosts: [],
      links: null,
      offline: null,
    },
  }
}

export function release(modules: ReleaseModule[], app = 'greenhouse', number = 1): Release {
  return {
    fleet: 'demo',
    app,
    number,
    label: '',
    createdMs: 0,
    floor: 0,
    modules,
    files: null,
    rollout: null,
    follow: null,
  }
}

export const greenhouse = (): Release =>
  release([
    module('sampler', { imports: ['sensor', 'telemetry', 'messages'], publish: ['climate/#'], timerMs: 1_000 }),
    module('frost-alarm', { imports: ['kv', 'messages'], subscribe: ['climate/+'], publish: ['alarm'] }),
    module('ledger', {
      imports: ['sql', 'messages'],
      subscribe: ['climate/#', 'alarm'],
      publish: ['summary'],
      timerMs: 60_000,
    }),
    module('report', { imports: ['http'], subscribe: ['summary'] }),
  ])

export const demoFleet = (): FleetNode[] => [
  node('pi-7'),
  node('pi-8'),
  node('gw-edge', { tier: 'edge' }),
  node('cloud-1', { tier: 'cloud' }),
]

/** sampler (sensor) → smooth → advisor (http, sql) → irrigate (actuator), and not one line about where to run. */
export const irrigation = (): Release =>
  release([
    module('sampler', { imports: ['sensor', 'plants:app/smooth@0.1.0'], timerMs: 1_000 }),
    module('smooth', {
      imports: ['plants:app/advice@0.1.0'],
      exports: ['plants:app/smooth@0.1.0', 'hypha:module/state@0.1.0'],
    }),
    module('advisor', {
      imports: ['http', 'sql', 'plants:app/water@0.1.0'],
      exports: ['plants:app/advice@0.1.0'],
      timerMs: 60_000,
    }),
    module('irrigate', { imports: ['actuator'], exports: ['plants:app/water@0.1.0'] }),
  ])

/** With a hint in `hypha.toml` for one link. */
export function hinted(wanted: Release, caller: string, interfaceName: string, ratePerS: number): Release {
  const hint = { interface: interfaceName, policy: null, deadlineMs: null, ratePerS, bytesPerCall: null }
  const modules = wanted.modules.map((each) =>
    each.name === caller ? { ...each, spec: { ...each.spec, links: [hint] } } : each,
  )
  return { ...wanted, modules }
}

export const planOf = (wanted: Release, fleet: FleetNode[], previous?: Plan, traffic?: MeasuredTraffic[]): Plan =>
  place({
    release: wanted,
    digest: 'ab'.repeat(32),
    fleet,
    ...(previous ? { previous } : {}),
    ...(traffic ? { traffic } : {}),
  })

/** `module@home → node`, for tables. */
export const where = (plan: Plan): string[] =>
  plan.instances.map(({ module: name, home, node: at }) => `${name}${home === null ? '' : `@${home}`} → ${at}`)

export const reasonsOn = (plan: Plan, name: string, at: string): string[] =>
  plan.refusals
    .find((verdicts) => verdicts.module === name)!
    .refused.filter((refused) => nodesOf(plan, refused).includes(at))
    .flatMap(({ reasons }) => reasons.map(({ text }) => text))
