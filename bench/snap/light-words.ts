import type { HyphaError } from '@hypha/core/errors.ts'
import type { Commit } from '@hypha/core/trust/commit.ts'
import type { Section } from '@hypha/core/trust/directive.ts'
import { receipt } from '@hypha/core/trust/receipt.ts'
import { type Inventory, type NodeState, type PrepareState, state } from '@hypha/core/wire/messages/state.ts'

export interface LightActivation {
  readonly app: string
  readonly epoch: number
  /** By `trueMs`. */
  readonly at: number
  readonly commit: {
    readonly cameAt: number
    readonly instantMs: number
    readonly issuedMs: number
    readonly estimatedMs: number
    readonly errorMs: number
    readonly rttMs: number
    readonly late: boolean
  } | null
}

/** An app on a light node. */
export interface LightApp {
  running: Section | null
  /** What is received, verified and said to be ready. */
  prepared: Section | null
  prepare: PrepareState | null
  commit: { readonly bytes: Uint8Array; readonly cameAt: number } | null
  armed: { readonly commit: Commit; readonly cancel: () => void } | null
  /** Why what is to run isn't received or verified. */
  problem: HyphaError | null
}

interface Flipped {
  readonly section: Section
  readonly before: Section | null
  readonly commit: NonNullable<LightActivation['commit']>
}

/** What a light node signs of a flip. */
export function receiptOf(
  { fleet, node, incarnation }: { readonly fleet: string; readonly node: string; readonly incarnation: Uint8Array },
  { section, before, commit }: Flipped,
): Uint8Array {
  return receipt.encode({
    fleet,
    node,
    app: section.app,
    incarnation,
    from: before && { epoch: before.epoch, release: before.release },
    to: { epoch: section.epoch, release: section.release },
    wave: section.wave ?? 0,
    instantMs: commit.instantMs,
    flippedMs: commit.estimatedMs,
    errorMs: commit.errorMs,
    pauseMs: 0,
    inputs: { before: 0, carried: 0, after: 0, lost: 0, doubled: 0 },
    late: commit.late,
    attested: null,
  })
}

/** What a light node says of itself. */
export function stateOf(
  apps: ReadonlyMap<string, LightApp>,
  said: Pick<NodeState, 'incarnation' | 'directive' | 'contents' | 'refused'>,
): Uint8Array {
  const sections = [...apps].flatMap(([app, { running, prepare, problem }]) => {
    const shown = running ?? prepare
    if (shown === null) return []
    return [
      {
        app,
        epoch: shown.epoch,
        release: shown.release,
        status: running === null ? ('receiving' as const) : ('confirmed' as const),
        code: problem?.code ?? null,
        message: problem?.message ?? null,
        running: running?.release ?? null,
        instances: (running?.instances ?? []).map(({ module, home }) => ({
          module,
          home,
          status: 'running' as const,
          restarts: 0,
          turns: 0,
          error: null,
        })),
        prepare,
      },
    ]
  })
  return state.encode({ ...said, tier: 'device', bootedMs: 0, inventory, sections, children: null })
}

const inventory: Inventory = {
  agentVersion: '0.1.0',
  arch: 'arm64',
  os: 'linux',
  memoryBytes: 1_073_741_824,
  storageBytes: 17_179_869_184,
  interfaces: ['log', 'clock', 'config', 'telemetry', 'sensor', 'kv', 'messages'].map(
    (name) => `hypha:host/${name}@0.1.0`,
  ),
  features: [
    'bulk-memory',
    'multi-value',
    'mutable-globals',
    'reference-types',
    'saturating-conversions',
    'sign-extension',
  ],
  forms: ['core'],
  sensors: ['number'],
  actuators: [],
  labels: [],
  updates: null,
}
