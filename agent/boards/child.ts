import { bytesEqual } from '@hypha/core/bytes/text.ts'
import type { Directive, Section } from '@hypha/core/trust/directive.ts'
import type { Identify } from '@hypha/core/wire/board/identify.ts'
import type { BoardState } from '@hypha/core/wire/board/state.ts'
import { firmwareApp } from '@hypha/core/wire/ids.ts'
import type { ChildState, Inventory, PrepareState, SectionState } from '@hypha/core/wire/messages/state.ts'
import { concernsBoards, slotOf } from './bringing.ts'

type Slot = BoardState['slots'][number]

/** What is known of a board beside what it says itself. */
export interface ToldBoard {
  readonly directive: Directive | null
  readonly refused: string | null
  refusalOf(section: Section): string | null
}

const untold: ToldBoard = { directive: null, refused: null, refusalOf: () => null }

/** A board as its node tells of it: in the words of nodes. */
export function childOf(
  identify: Identify,
  state: BoardState | null,
  connected: boolean,
  told: ToldBoard = untold,
  takesFirmware = false,
): Omit<ChildState, 'messageBytes'> {
  const { board, key, invite, incarnation } = identify
  return {
    node: board,
    key,
    invite,
    connected,
    incarnation,
    inventory: inventoryOf(identify, takesFirmware),
    slotBytes: identify.slotBytes,
    envelopeBytes: identify.envelopeBytes,
    root: state?.root ?? 0,
    directive: state?.directive ?? 0,
    sections: state === null ? [] : sectionsOf(board, state, told),
    contents: state === null ? [] : runningSlots(state).flatMap(({ digest }) => digest ?? []),
    refused: told.refused,
  }
}

/** A patch applies to what runs: the other slot is where it goes. */
const runningSlots = ({ running, slots }: BoardState): Slot[] =>
  slots.filter(({ slot }) => running.some((each) => each.slot === slot))

/** What the interpreter takes of the arena beside the module's memory, for a module as small as those that fit: its imports, globals and tables, and some stack. */
const interpreterBytes = 1_024

const inventoryOf = (identify: Identify, takesFirmware: boolean): Inventory => ({
  agentVersion: identify.firmware,
  arch: identify.hardware,
  os: 'none',
  memoryBytes: Math.max(0, identify.memoryBytes - interpreterBytes),
  // Of one slot: the other is for what comes after.
  storageBytes: identify.slotBytes,
  interfaces: identify.interfaces,
  features: identify.features,
  forms: ['core'],
  sensors: identify.sensors,
  actuators: identify.actuators,
  labels: [],
  updates: takesFirmware ? [firmwareApp] : null,
})

/** What its directive asks for, and of apps that it doesn't name what the board has. */
function sectionsOf(board: string, state: BoardState, told: ToldBoard): SectionState[] {
  const wanted = told.directive?.sections.filter(concernsBoards) ?? []
  const apps = new Set(wanted.map(({ app }) => app))
  const asked = [...apps].map((app) => {
    const run = wanted.find((each) => each.app === app && each.phase === 'run')
    const prepare = wanted.find((each) => each.app === app && each.phase === 'prepare')
    return sectionFor(board, state, told, run, prepare)
  })
  // Until its directive has come again, what it holds speaks for itself.
  if (told.directive !== null) return asked
  const latest = new Map<string, Slot>()
  for (const slot of state.slots) {
    if (slot.app === null || slot.releaseDigest === null) continue
    const other = latest.get(slot.app)
    if (other === undefined || (slot.epoch ?? 0) > (other.epoch ?? 0)) latest.set(slot.app, slot)
  }
  return [...latest.values()].map((slot) =>
    sectionOf(board, state, { app: slot.app!, epoch: slot.epoch ?? 0, release: slot.releaseDigest! }, slot, null),
  )
}

const statuses: Readonly<Record<Slot['status'], SectionState['status']>> = {
  empty: 'receiving',
  receiving: 'receiving',
  stored: 'preparing',
  trial: 'trial',
  confirmed: 'confirmed',
  failed: 'reverted',
}

function sectionFor(
  board: string,
  state: BoardState,
  told: ToldBoard,
  run: Section | undefined,
  prepare: Section | undefined,
): SectionState {
  const prepared = prepare && slotOf(state, prepare)
  const flipped = prepared !== undefined && ['trial', 'confirmed', 'failed'].includes(prepared.status)
  const main = run === undefined || flipped ? prepare! : run
  const section = sectionOf(board, state, main, slotOf(state, main), told.refusalOf(main))
  if (prepare === undefined || flipped) return section
  const code = told.refusalOf(prepare)
  const status: PrepareState['status'] =
    code !== null ? 'refused' : prepared?.status === 'stored' ? 'prepared' : 'receiving'
  const { epoch, release, wave } = prepare
  return {
    ...section,
    // Of an app's first release nothing runs yet: what is prepared isn't to be run before its commit.
    ...(run === undefined ? { status: 'preparing', code: null } : {}),
    prepare: { epoch, release, wave: wave ?? 0, status, code, message: null, rehearsal: null, clock: null },
  }
}

function sectionOf(
  board: string,
  state: BoardState,
  { app, epoch, release }: Pick<Section, 'app' | 'epoch' | 'release'>,
  slot: Slot | undefined,
  refusal: string | null,
): SectionState {
  const runs = state.running.flatMap((running) => {
    const its = state.slots.find((other) => other.slot === running.slot)
    return its !== undefined && its.app === app ? [{ running, its }] : []
  })
  const error = runs.find(({ its }) => its.slot === slot?.slot)?.running.error ?? null
  return {
    app,
    epoch,
    release,
    status: refusal !== null ? 'refused' : statuses[slot?.status ?? 'empty'],
    code: refusal ?? (slot?.status === 'failed' ? (error ?? 'board-reverted') : null),
    message: null,
    running: runs.find(({ running }) => running.status !== 'stopped')?.its.releaseDigest ?? null,
    instances: runs
      .filter(({ its }) => its.releaseDigest !== null && bytesEqual(its.releaseDigest, release))
      // The firmware has none: it is no instance of anything.
      .flatMap(({ running, its }) => (its.module === null ? [] : [{ ...running, module: its.module }]))
      .map(({ module, ...running }) => ({
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
