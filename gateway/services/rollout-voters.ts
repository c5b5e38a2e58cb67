import { bytesEqual, fromHex } from '@hypha/core/bytes/text.ts'
import type { NodeState, SectionState } from '@hypha/core/wire/messages/state.ts'
import type { NodeStage, RolloutVoter } from '../distribute/rollout-machine.ts'
import type { Store } from '../store/store.ts'
import { isLateBoard } from './board-standing.ts'
import { onlyOfPatches } from './holdings.ts'
import { reportedBy } from './reported.ts'
import type { RolloutRecord } from './rollout-record.ts'

interface Known {
  online: boolean
  sections: readonly SectionState[]
  /** Why it refused the last directive, in words; null where it didn't. */
  refused: string | null
  /** It is a board that catches up, and has no vote. */
  late: boolean
}

/** What nodes said of themselves last, in memory: a machine that is asked at each of a thousand reports can't read them all each time. */
export class Voters {
  readonly #store: Store
  readonly #known = new Map<string, Known>()

  constructor(store: Store) {
    this.#store = store
  }

  state(node: string, { sections, refused, tier }: NodeState): void {
    const known = this.#of(node)
    known.late = tier === 'mcu' && isLateBoard(this.#store, node)
    known.sections = sections
    known.refused = refused?.message ?? null
  }

  presence(node: string, online: boolean): void {
    this.#of(node).online = online
  }

  forget(node: string): void {
    this.#known.delete(node)
  }

  #of(node: string): Known {
    const known = this.#known.get(node)
    if (known !== undefined) return known
    const record = this.#store.nodes.get(node)
    const reported = record && reportedBy(record)
    const read: Known = {
      online: record?.presence?.online === true && record.removedAt === null && record.revoked === null,
      sections: reported?.sections ?? [],
      refused: reported?.refused?.message ?? null,
      late: record?.tier === 'mcu' && isLateBoard(this.#store, node),
    }
    if (record !== null) this.#known.set(node, read)
    return read
  }

  isOnline(node: string): boolean {
    return this.#of(node).online
  }

  /** Those of a rollout's nodes that are to run its release. `expected` says who is believed to come back in a moment. */
  of(app: string, rollout: RolloutRecord, expected: (node: string) => boolean): RolloutVoter[] {
    const runs = new Set(rollout.plan.instances.map(({ node }) => node))
    const release = fromHex(rollout.release)
    return rollout.waves.flatMap((nodes, wave) =>
      nodes.flatMap((node): RolloutVoter[] => {
        if (!runs.has(node)) return []
        const known = this.#of(node)
        if (known.late) return []
        const section = known.sections.find((each) => each.app === app)
        const online = known.online || expected(node)
        return [{ node, wave, online, ...stageOf(section, rollout, release, known.refused) }]
      }),
    )
  }
}

/** How far a node is with an epoch, by what it reports. */
export function stageOf(
  section: SectionState | undefined,
  { epoch, since = epoch }: Pick<RolloutRecord, 'epoch' | 'since'>,
  release: Uint8Array,
  refused: string | null = null,
): Pick<RolloutVoter, 'stage' | 'why' | 'clock'> {
  const none = { stage: 'waiting', why: refused, clock: null } as const
  if (section === undefined) return none
  type Of = { readonly epoch: number; readonly release: Uint8Array } | null
  // What it runs may have been told it anew since: with an instance that came from a node that was lost.
  const ran = (of: Of) => of !== null && of.epoch >= since && bytesEqual(of.release, release)
  const about = (of: Of) => ran(of) && of?.epoch === epoch
  const { prepare } = section
  const why = section.message ?? section.code
  const runs: Partial<Record<SectionState['status'], NodeStage>> = ran(section)
    ? { trial: 'flipped', confirmed: 'confirmed', reverted: 'failed' }
    : {}
  const stage = runs[section.status]
  if (stage !== undefined) return { stage, why, clock: prepare?.clock ?? null }
  if (prepare?.status === 'not-flipped' && ran(prepare)) {
    return { stage: 'failed', why: prepare.message ?? prepare.code, clock: prepare.clock }
  }
  if (prepare !== null && about(prepare)) {
    const said = prepare.message ?? prepare.code
    if (prepare.status === 'refused' && !onlyOfPatches.has(prepare.code ?? '')) {
      return { stage: 'refused', why: said, clock: prepare.clock }
    }
    const ready = prepare.status === 'prepared' || prepare.status === 'committed'
    return { stage: ready ? 'prepared' : 'waiting', why: said ?? (ready ? null : prepare.status), clock: prepare.clock }
  }
  if (about(section) && section.status === 'refused') return { stage: 'refused', why, clock: null }
  return none
}
