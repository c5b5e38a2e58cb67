import { malformed } from '../limits.ts'

/** Most that a decoder of this profile may hold [D 10.2]. */
export const mostStateBytes = 8192

/** Cells of the table, as a power of two. */
export const mcuTableBits = { least: 8, most: 11 } as const

/** Contexts that are mixed for one bit, and sets of weights. */
export const mcuInputs = 3
export const mcuWeightSets = 24

const inputBytes = 256
const windowBytes = 64
/** The longest token: a padded LEB128. */
const tokenBytes = 16

/** Places of the numbers of 32 bits that a decoder holds beside its tables. */
export const Slot = {
  low: 0,
  high: 1,
  value: 2,
  inputAt: 3,
  inputEnd: 4,
  borrowed: 5,
  started: 6,
  stage: 7,
  written: 8,
  length: 9,
  mapKind: 10,
  mapLeft: 11,
  mapAt: 12,
  mapShift: 13,
  mapsUsed: 14,
  typesEnd: 15,
  functionsEnd: 16,
  globalsEnd: 17,
  nextSection: 18,
  left: 19,
  bodies: 20,
  nextBody: 21,
  nextBodyIndex: 22,
  oldBodies: 23,
  firstBody: 24,
  codeEnd: 25,
  history: 26,
  one: 27,
  two: 28,
  moved: 29,
  walkLeft: 30,
  form: 31,
  start: 32,
  at: 33,
  end: 34,
  phase: 35,
  count: 36,
  op: 37,
  immediate: 38,
  address: 39,
  tokenAt: 40,
  tokenLength: 41,
  tokenKind: 42,
  place: 43,
  windowAt: 44,
  windowLength: 45,
  sectionEnd: 46,
} as const

const slots = 48
const fixedBytes = slots * 4 + mcuInputs * mcuWeightSets * 4 + inputBytes + windowBytes + tokenBytes
const runBytes = 8

/** What the head of a patch says of the memory that it takes. */
export interface McuSizes {
  readonly tableBits: number
  /** Runs of all maps together. */
  readonly runs: number
}

export const stateBytesOf = ({ tableBits, runs }: McuSizes): number => fixedBytes + (2 << tableBits) + runs * runBytes

/** Runs that fit beside a table, in a reader's memory. */
export const mostRuns = (tableBits: number, stateBytes: number = mostStateBytes): number =>
  Math.floor((Math.min(stateBytes, mostStateBytes) - stateBytesOf({ tableBits, runs: 0 })) / runBytes)

/** Room beside a table that tables are chosen to leave. */
const wantedRuns = 64

/** The largest table that leaves room for some runs in a reader's memory; null where the smallest doesn't. */
export function tableBitsIn(stateBytes: number): number | null {
  let bits: number = mcuTableBits.most
  while (bits >= mcuTableBits.least && mostRuns(bits, stateBytes) < wantedRuns) bits--
  return bits < mcuTableBits.least ? null : bits
}

/**
 * All that a decoder holds between two steps, in one buffer: kept and put back, it goes on where it was [D 10.2].
 *
 * @throws HyphaError `delta-malformed` where the sizes don't fit the profile, or the buffer
 */
export class McuState {
  readonly buffer: ArrayBuffer
  readonly slots: Int32Array<ArrayBuffer>
  readonly weights: Int32Array<ArrayBuffer>
  /** Where a run begins, and how far it moves, in turn. */
  readonly runs: Int32Array<ArrayBuffer>
  readonly cells: Uint16Array<ArrayBuffer>
  readonly input: Uint8Array<ArrayBuffer>
  readonly window: Uint8Array<ArrayBuffer>
  readonly token: Uint8Array<ArrayBuffer>

  constructor(sizes: McuSizes, buffer: ArrayBuffer = new ArrayBuffer(stateBytesOf(sizes))) {
    const needed = stateBytesOf(sizes)
    if (needed > mostStateBytes) throw malformed(`it needs ${needed} bytes of state, of at most ${mostStateBytes}`)
    if (buffer.byteLength < needed)
      throw malformed(`it needs ${needed} bytes of state where ${buffer.byteLength} are given`)
    this.buffer = buffer
    let at = 0
    const words = (count: number) => {
      const view = new Int32Array(buffer, at, count)
      at += count * 4
      return view
    }
    this.slots = words(slots)
    this.weights = words(mcuInputs * mcuWeightSets)
    this.runs = words(sizes.runs * 2)
    this.cells = new Uint16Array(buffer, at, 1 << sizes.tableBits)
    at += 2 << sizes.tableBits
    const bytes = (count: number) => {
      const view = new Uint8Array(buffer, at, count)
      at += count
      return view
    }
    this.input = bytes(inputBytes)
    this.window = bytes(windowBytes)
    this.token = bytes(tokenBytes)
  }
}
