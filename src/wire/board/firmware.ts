import { list, record, type TypeOf, uint } from '../codec.ts'
import { slot } from './state.ts'

/** What a board's two slots hold of the firmware itself: after the first `state`, and whenever it changes. A board that doesn't say so can't be updated over its line. [S 8.17] */
export const firmware = record({
  /** The slot of the one that runs. It is on trial or confirmed; a release's image for the other one is what the board takes next. */
  runs: [1, uint(1)],
  /** The largest image that a slot takes. */
  slotBytes: [2, uint(0xffff_ffff)],
  /** Both. The release is null where the firmware came with the board. */
  slots: [3, list(slot, 2)],
})

export type BoardFirmware = TypeOf<typeof firmware>
