import { bytesEqual } from '@hypha/core/bytes/text.ts'
import type { Identify } from '@hypha/core/wire/board/identify.ts'
import type { BoardState } from '@hypha/core/wire/board/state.ts'
import { firmwareApp } from '@hypha/core/wire/ids.ts'
import type { ChildState, Inventory, SectionState } from '@hypha/core/wire/messages/state.ts'

type Slot = BoardState['slots'][number]

/** A board as its node tells of it: in the words of nodes. */
export function childOf(identify: Identify, state: BoardState | null, connected: boolean): ChildState {
  const { board, key, invite, incarnation } = identify
  return {
    node: board,
    key,
    invite,
    connected,
    incarnation,
    inventory: inventoryOf(identify),
    slotBytes: identify.slotBytes,
    envelopeBytes: identify.envelopeBytes,
    root: state?.root ?? 0,
    directive: state?.directive ?? 0,
    sections: state === null ? [] : sectionsOf(board, state),
    contents: (state?.slots ?? []).flatMap(({ status, digest }) =>
      digest !== null && isWhole(status) ? [digest] : [],
    ),
    refused: null,
  }
}

const isWhole = (status: Slot['status']): boolean => ['stored', 'trial', 'confirmed'].includes(status)

const inventoryOf = (identify: Identify): Inventory => ({
  agentVersion: identify.firmware,
  arch: identify.hardware,
  os: 'none',
  memoryBytes: identify.memoryBytes,
  // Of one slot: the other is for what comes after.
  storageBytes: identify.slotBytes,
  interfaces: identify.interfaces,
  features: identify.features,
  forms: ['core'],
  sensors: identify.sensors,
  actuators: identify.actuators,
  labels: [],
  updates: [firmwareApp],
})

/** Of each app the slot that it was activated in last, or is received into. */
function sectionsOf(board: string, state: BoardState): SectionState[] {
  const latest = new Map<string, Slot>()
  for (const slot of state.slots) {
    if (slot.app === null || slot.releaseDigest === null) continue
    const other = latest.get(slot.app)
    if (other === undefined || (slot.epoch ?? 0) > (other.epoch ?? 0)) latest.set(slot.app, slot)
  }
  return [...latest.values()].map((slot) => sectionOf(board, slot, state))
}

const statuses: Readonly<Record<Slot['status'], SectionState['status']>> = {
  empty: 'receiving',
  receiving: 'receiving',
  stored: 'preparing',
  trial: 'trial',
  confirmed: 'confirmed',
  failed: 'reverted',
}

function sectionOf(board: string, slot: Slot, state: BoardState): SectionState {
  const runs = state.running.flatMap((running) => {
    const its = state.slots.find((other) => other.slot === running.slot)
    return its !== undefined && its.app === slot.app && its.module !== null
      ? [{ running, its, module: its.module }]
      : []
  })
  const error = runs.find(({ its }) => its.slot === slot.slot)?.running.error ?? null
  return {
    app: slot.app!,
    epoch: slot.epoch ?? 0,
    release: slot.releaseDigest!,
    status: statuses[slot.status],
    code: slot.status === 'failed' ? error : null,
    message: null,
    running: runs.find(({ running }) => running.status !== 'stopped')?.its.releaseDigest ?? null,
    instances: runs
      .filter(({ its }) => its.releaseDigest !== null && bytesEqual(its.releaseDigest, slot.releaseDigest!))
      .map(({ running, module }) => ({
        module,
        home: board,
        status: running.status,
        restarts: running.restarts,
        turns: running.turns,
        error: running.error,
      })),
    prepare: null,
  }
}
