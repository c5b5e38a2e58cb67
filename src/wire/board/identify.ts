import { bytes, list, nullable, record, type TypeOf, text, uint } from '../codec.ts'
import { id, incarnation, interfaceName } from '../ids.ts'

/** Who a board is and what it can hold: the first message of each opening, and again when it changes. [S 8.4] */
export const identify = record({
  /** The board's own id, which its history follows. */
  board: [1, id],
  /** Its Ed25519 public key. */
  key: [2, bytes({ exact: 32 })],
  /** The fleet whose root metadata it holds; null before it has any. */
  fleet: [3, nullable(id)],
  /** What was burnt in beside the root metadata to be accepted by; null where it waits to be accepted. */
  invite: [4, nullable(bytes({ max: 64 }))],
  /** Version of the firmware that runs. */
  firmware: [5, text(40)],
  /** The kind of board, as `hypha mcu build --board` names it. */
  hardware: [6, text(40)],
  flashBytes: [7, uint(0xffff_ffff)],
  ramBytes: [8, uint(0xffff_ffff)],
  /** The largest content that a slot takes. */
  slotBytes: [9, uint(0xffff_ffff)],
  slots: [10, uint(16)],
  /** What a module may have as linear memory, `hypha_memory_end` included, with stack and tables beside it. */
  memoryBytes: [11, uint(0xffff_ffff)],
  /** The longest envelope of root metadata, directive or release that it takes. */
  envelopeBytes: [12, uint(65_536)],
  /** Of `kv`, for all instances together. */
  kvBytes: [13, uint(0xffff_ffff)],
  interfaces: [14, list(interfaceName, 32)],
  sensors: [15, list(text(64), 32)],
  actuators: [16, list(text(64), 32)],
  /** WebAssembly features that its interpreter runs. */
  features: [17, list(text(40), 32)],
  /** Made with each start of its journal of telemetry. */
  incarnation: [18, incarnation],
})

export type Identify = TypeOf<typeof identify>
