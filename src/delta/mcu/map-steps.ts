import { malformed } from '../limits.ts'
import type { McuCoder } from './coder.ts'
import { context, Place, type Wanted } from './places.ts'
import { type McuState, Slot } from './state.ts'

/** How many runs the map of the next kind has [D 10.3]. */
export function codeMapCount({ slots, runs }: McuState, coder: McuCoder, wanted: number): void {
  const count = coder.uint(context(Place.maps), wanted)
  if (slots[Slot.mapsUsed]! + count > runs.length / 2) throw malformed('it has more runs than its head says')
  slots[Slot.mapLeft] = count
  slots[Slot.mapAt] = 0
  slots[Slot.mapShift] = 0
}

/** Where the next run begins, and how far it moves, both as differences. */
export function codeMapRun({ slots, runs }: McuState, coder: McuCoder, wanted: Wanted): void {
  const kind = slots[Slot.mapKind]!
  const at = slots[Slot.mapAt]! + coder.uint(context(Place.maps, 1, kind), wanted())
  if (at > 0x7fff_ffff) throw malformed('it shifts what can not be')
  const shift = (slots[Slot.mapShift]! + coder.sint(context(Place.maps, 2, kind), wanted())) | 0
  const used = slots[Slot.mapsUsed]!++
  runs[used * 2] = slots[Slot.mapAt] = at
  runs[used * 2 + 1] = slots[Slot.mapShift] = shift
  slots[Slot.mapLeft]!--
}
