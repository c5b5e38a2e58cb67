import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { openEnvelope } from '@hypha/core/trust/cose.ts'
import type { Content, Section } from '@hypha/core/trust/directive.ts'
import { release } from '@hypha/core/trust/release.ts'
import { filesFor } from '@hypha/core/trust/shape.ts'
import { maxReleaseBytes } from '@hypha/core/trust/snapshot.ts'
import type { BoardFirmware } from '@hypha/core/wire/board/firmware.ts'
import type { BoardState } from '@hypha/core/wire/board/state.ts'

// A board's firmware beside its modules: two slots more, one of which always runs.

/** Behind those of modules. */
const firstSlot = 14

/** What a board holds, its firmware included. */
export function withFirmware(state: BoardState, firmware: BoardFirmware | null): BoardState {
  if (firmware === null) return state
  const runs = { slot: firstSlot + firmware.runs, status: 'running', restarts: 0, turns: 0, error: null } as const
  return {
    ...state,
    slots: [...state.slots, ...firmware.slots.map((slot) => ({ ...slot, slot: firstSlot + slot.slot }))],
    running: [...state.running, runs],
  }
}

/** The image of a release for a kind of board and the slot that doesn't run; null where the directive lists none. What the release says, the board verifies. */
export function imageFor(
  envelope: Uint8Array,
  section: Section,
  hardware: string,
  firmware: BoardFirmware | null,
): Content | null {
  const { unverifiedPayload } = openEnvelope(envelope, 'release', maxReleaseBytes)
  const name = firmware?.runs === 0 ? 'slot-b' : 'slot-a'
  const file = filesFor(release.decode(unverifiedPayload), hardware).find((each) => each.name === name)
  return section.contents.find(({ digest }) => file !== undefined && bytesEqual(digest, file.artifact.digest)) ?? null
}
