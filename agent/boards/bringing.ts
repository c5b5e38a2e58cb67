import { bytesEqual } from '@hypha/core/bytes/text.ts'
import type { Content, Directive, Section } from '@hypha/core/trust/directive.ts'
import type { BoardState } from '@hypha/core/wire/board/state.ts'
import { firmwareApp } from '@hypha/core/wire/ids.ts'

// What is to be done next with a board, of what it holds and of what it is to hold. Pure.

type Slot = BoardState['slots'][number]

/** A root metadata envelope, and its version. */
export interface RootVersion {
  readonly version: number
  readonly envelope: Uint8Array
}

export interface Wanted {
  /** By rising version. */
  readonly roots: readonly RootVersion[]
  readonly directive: Directive
  /** Why the board refuses the directive, or a section by its epoch: a code. */
  readonly refused: string | null
  readonly refusedSections: ReadonlyMap<string, string>
  /** Whether a commit has put a section to prepare in force, and its instant has come. */
  readonly isDue: (section: Section) => boolean
  /** Whether it has run for long enough to be confirmed. */
  readonly isProven: (section: Section) => boolean
}

export type Task =
  | { readonly kind: 'root'; readonly envelope: Uint8Array }
  | { readonly kind: 'directive' }
  /** Its release, then the content that its instance runs. */
  | { readonly kind: 'bring'; readonly section: Section; readonly envelope: Content; readonly content: Content }
  | { readonly kind: 'activate' | 'confirm'; readonly section: Section }

/** By the app's epoch: what was refused once is refused until something else is asked for. */
export const sectionName = ({ app, epoch, contents }: Section): string =>
  `${app}@${epoch} ${contents.map(({ transfer }) => `${transfer.encoding} ${transfer.size}`).join()}`

export const isOf = (slot: Slot, section: Section): boolean =>
  slot.app === section.app &&
  slot.epoch === section.epoch &&
  slot.releaseDigest !== null &&
  bytesEqual(slot.releaseDigest, section.release)

export const slotOf = (state: BoardState, section: Section): Slot | undefined =>
  state.slots.find((slot) => isOf(slot, section))

/** What a board runs, or is itself. */
export const concernsBoards = ({ app, instances }: Section): boolean => instances.length > 0 || app === firmwareApp

/** The next task; null where there is nothing to do now. */
export function nextTask(state: BoardState, wanted: Wanted): Task | null {
  const root = wanted.roots.find(({ version }) => version === state.root + 1)
  if (root !== undefined && state.root > 0) return { kind: 'root', envelope: root.envelope }
  const { directive, refused } = wanted
  if (refused !== null) return null
  if (state.directive !== directive.version) return { kind: 'directive' }
  // What is to run now, before what is to be made ready beside it.
  const sections = [...directive.sections].sort((a, b) => Number(a.phase === 'prepare') - Number(b.phase === 'prepare'))
  for (const section of sections) {
    if (!concernsBoards(section) || wanted.refusedSections.has(sectionName(section))) continue
    const task = taskFor(section, state, wanted)
    if (task !== null) return task
  }
  return null
}

function taskFor(section: Section, state: BoardState, { isDue, isProven, directive }: Wanted): Task | null {
  const slot = slotOf(state, section)
  switch (slot?.status) {
    case undefined:
    case 'empty':
    case 'receiving':
      // It had the release that is prepared, and has flipped: what runs until then is gone.
      if (section.phase === 'run' && hasFlipped(section, directive, state)) return null
      return bringing(section)
    case 'stored':
      return section.phase === 'run' || isDue(section) ? { kind: 'activate', section } : null
    case 'trial':
      return isProven(section) ? { kind: 'confirm', section } : null
    default:
      return null
  }
}

const hasFlipped = ({ app }: Section, { sections }: Directive, state: BoardState): boolean =>
  sections.some((other) => {
    const status = other.app === app && other.phase === 'prepare' ? slotOf(state, other)?.status : undefined
    return status === 'trial' || status === 'confirmed' || status === 'failed'
  })

/** Null for one whose contents aren't those that a board is told of: a release, and one module. */
function bringing(section: Section): Task | null {
  const envelope = section.contents.find(({ digest }) => bytesEqual(digest, section.envelope))
  const content = section.contents.find(({ digest }) => !bytesEqual(digest, section.envelope))
  return envelope === undefined || content === undefined ? null : { kind: 'bring', section, envelope, content }
}
