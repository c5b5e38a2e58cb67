import type { Release } from '@hypha/core/trust/release.ts'
import type { Inventory, Tier } from '@hypha/core/wire/messages/state.ts'

// The words that the gateway's stages share. A stage imports these and no other stage.

/** A node as placement sees it. */
export interface FleetNode {
  readonly id: string
  readonly tier: Tier
  readonly online: boolean
  /** It is away, or back only now, and its leases have run out: what could run elsewhere isn't kept for it. */
  readonly lost?: boolean
  /** As the node last reported it; null before its first report. */
  readonly inventory: Inventory | null
  /** Labels that the operator gave it; those of its own file stand in the inventory. */
  readonly labels: readonly string[]
  /** Nodes of one zone are near each other; null where nothing is known. */
  readonly zone: string | null
  /** What other apps have on it. */
  readonly used: CapacityUse
  /** The node that an `mcu` is attached to; null for all others. */
  readonly parent: string | null
  /** Interfaces that it serves for the boards that are attached to it, and to nobody else: sensors and actuators of theirs. */
  readonly forBoards?: readonly string[]
}

export interface CapacityUse {
  readonly memoryBytes: number
  readonly storageBytes: number
  readonly apps: number
}

export type Scope = 'device' | 'site' | 'fleet'

export type ReasonCode =
  /** Hard limits of a node. */
  | 'no-inventory'
  | 'node-offline'
  | 'node-lost'
  | 'label-missing'
  | 'form-unsupported'
  | 'feature-missing'
  | 'interface-missing'
  | 'memory-short'
  | 'storage-short'
  | 'apps-full'
  | 'instances-full'
  /** It could not go on there: it trapped for want of memory, was too slow, went over its rates; or the node itself runs short. */
  | 'escalated'
  /** What the app's own modules ask of each other, and of the devices that they belong to. */
  | 'device-bound'
  | 'callee-missing'
  | 'links-unserved'
  | 'callers-full'
  | 'no-home'
  | 'no-node'
  /** The author's faults: no fleet can hold such a release. */
  | 'import-unresolved'
  | 'import-ambiguous'
  | 'import-incompatible'
  | 'cyclic-link'

/** Reasons that only the author can mend. A push whose plan has one of these is refused. */
export const authorFaults: readonly ReasonCode[] = [
  'import-unresolved',
  'import-ambiguous',
  'import-incompatible',
  'cyclic-link',
]

export interface Reason {
  readonly code: ReasonCode
  /** A sentence with names and numbers, without its full stop. */
  readonly text: string
}

type PlannedProvider =
  | { readonly kind: 'host' }
  | { readonly kind: 'instance'; readonly node: string; readonly module: string; readonly home: string | null }
  /** Of a device-scoped module, the instance of the device that a call is meant for. */
  | { readonly kind: 'device'; readonly module: string }

export interface PlannedLink {
  /** As the module imports it. */
  readonly interface: string
  readonly provider: PlannedProvider
  /** Steps of distance times expected calls a second; left out where caller and callee are on one node. */
  readonly cost?: number
}

/** What a link between two modules is expected to carry, in each of the caller's instances. */
export interface ExpectedTraffic {
  readonly caller: string
  readonly callee: string
  readonly interface: string
  readonly callsPerS: number
  readonly bytesPerCall: number
  readonly source: 'measured' | 'hint' | 'assumed'
}

/** What a link between two modules was seen to carry, all its instances together. */
export interface MeasuredTraffic {
  readonly caller: string
  readonly callee: string
  readonly interface: string
  readonly callsPerS: number
  readonly bytesPerS: number
}

export interface PlannedInstance {
  readonly module: string
  /** The device that it belongs to; null for a shared one. */
  readonly home: string | null
  readonly node: string
  readonly scope: Scope
  readonly form: 'core' | 'component'
  /** It runs only while its node has a lease of it; left out where it needs none. */
  readonly leased?: true
  /** Of its links and its messages, in steps of distance times what flows a second; 0 where all of it stays on the node. */
  readonly cost: number
  /** What is set aside for it on its node. */
  readonly memoryBytes: number
  /** Sentences without their full stops. */
  readonly why: readonly string[]
  /** It is where it may not be, because nothing else can hold it: a sentence that says so, which stands in `why`, too. */
  readonly despite?: string
  readonly links: readonly PlannedLink[]
}

/** Nodes that can't hold a module, for the same reasons. */
export interface Refused {
  /** Places in the plan's `kinds`: from the first to the last of each run. */
  readonly kinds: readonly (readonly number[])[]
  /** Single nodes: those that are full of what was placed there before. */
  readonly nodes: readonly string[]
  readonly reasons: readonly Reason[]
}

/** Where a module can't be. Every node that isn't named there can hold it. */
export interface ModuleVerdicts {
  readonly module: string
  readonly scope: Scope
  readonly refused: readonly Refused[]
}

export interface Unplaced {
  readonly module: string
  readonly home: string | null
  readonly reasons: readonly Reason[]
}

/** The placement of a release on today's fleet, with a reason for every choice and every refusal. It is plain JSON. */
export interface Plan {
  readonly app: string
  readonly release: number
  /** SHA-256 of the release's payload, lower-case hex. */
  readonly digest: string
  /** Sorted by module, home and node. */
  readonly instances: readonly PlannedInstance[]
  /** The fleet, nodes together that are alike in all that placement asks of them. */
  readonly kinds: readonly (readonly string[])[]
  readonly refusals: readonly ModuleVerdicts[]
  /** Of each link between modules. */
  readonly traffic: readonly ExpectedTraffic[]
  readonly unplaced: readonly Unplaced[]
  /** Every module has an instance wherever it should. */
  readonly complete: boolean
  /** What else is to be known before it is brought out, in sentences without their full stops; left out where there is nothing. */
  readonly notes?: readonly string[]
}

/** An instance that may not be on a node for now. */
export interface Barred {
  readonly module: string
  readonly home: string | null
  readonly node: string
  /** Nor on nodes of lower tiers: what is too much for this one is too much for them. */
  readonly below: boolean
  readonly reason: Reason
}

export interface PlaceInput {
  readonly release: Release
  /** SHA-256 of the release's payload, lower-case hex. */
  readonly digest: string
  readonly fleet: readonly FleetNode[]
  /** The plan that runs now: at equal cost, and while their node is away, instances stay where they are. */
  readonly previous?: Plan
  /** The release of that plan, where this one is to take its place. */
  readonly replaced?: Release
  /** Counts in place of what `hypha.toml` says of the same links. */
  readonly traffic?: readonly MeasuredTraffic[]
  /** Holds as a hard limit wherever something else can hold the instance. */
  readonly barred?: readonly Barred[]
}

/** The nodes that a refusal is of, sorted. */
export const nodesOf = ({ kinds }: Pick<Plan, 'kinds'>, refused: Refused): string[] =>
  [
    ...refused.kinds.flatMap(([first = 0, last = first]) => kinds.slice(first, last + 1).flat()),
    ...refused.nodes,
  ].sort()
