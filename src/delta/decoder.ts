import { HyphaError } from '../errors.ts'
import type { Compressor } from '../ports/compressor.ts'
import type { PatchKernel } from '../ports/patch-kernel.ts'
import { Coder } from './coder.ts'
import { codeComponent, readComponent } from './component-codec.ts'
import { context, Place } from './contexts.ts'
import { malformed, maxContentBytes, tableBits, Unsupported } from './limits.ts'
import { McuApplier } from './mcu/applier.ts'
import { readModule } from './module.ts'
import { codeModule, type Watcher } from './module-codec.ts'
import { NumberCoder } from './numbers.ts'
import { initialState, priorText } from './prior.ts'
import { Sink } from './sink.ts'

/** What the first byte of a patch says of what follows [D 2.1]. */
export const PatchKind = { whole: 0, general: 1, module: 2, component: 3 } as const

export const patchKindNames = ['whole', 'general', 'module', 'component'] as const

export interface PatchHeader {
  readonly kind: (typeof patchKindNames)[number]
  /** Cells of the table of probabilities, as a power of two; null for kinds that have none. */
  readonly tableBits: number | null
  /** Whether it is of the profile for microcontrollers, whose memory the next bytes tell [D 10.1]. */
  readonly mcu: boolean
}

/** Bits of the first byte that hold the kind. */
const kindBits = 3

/** The profile for microcontrollers, among those of a module [D 2.2]. */
const mcuProfile = 16

/** @throws HyphaError `delta-malformed` */
export function readPatchHeader(first: number | undefined): PatchHeader {
  if (first === undefined) throw malformed('it is empty')
  const kind = patchKindNames[first & ((1 << kindBits) - 1)]
  const bits = (first >> kindBits) + tableBits.least
  if (kind === 'module' && first >> kindBits === mcuProfile) return { kind, tableBits: null, mcu: true }
  if (kind === undefined || bits > tableBits.most)
    throw malformed(`its first byte, ${first}, is of no kind that is known`)
  if (kind === 'module' || kind === 'component') return { kind, tableBits: bits, mcu: false }
  if (first >> kindBits !== 0) throw malformed(`its first byte, ${first}, is of no kind that is known`)
  return { kind, tableBits: null, mcu: false }
}

export const patchHeaderByte = (kind: number, bits: number | null): number =>
  kind | ((bits === null ? 0 : bits - tableBits.least) << kindBits)

/** The first byte of a patch of the profile for microcontrollers. */
export const mcuFirstByte = PatchKind.module | (mcuProfile << kindBits)

/**
 * Applies a patch that comes in pieces [D 8]: what is ready is given out as it is known, strictly forward. After a restart it is fed from the patch's
 * beginning again, and makes the same bytes.
 *
 * All functions throw HyphaError: `delta-malformed` where the patch doesn't obey its format or doesn't fit `base`, `delta-base-wrong` where `base` is of
 * another kind than the patch needs. After an error the decoder is of no use.
 */
export class PatchDecoder {
  readonly #base: Uint8Array
  readonly #compressor: Compressor
  readonly #watcher: Watcher
  #header: PatchHeader | null = null
  #coder: Coder | null = null
  #mcu: McuApplier | null = null
  #sink: Sink | null = null
  #steps: Generator<void, void, void> | null = null
  #finished = false
  /** Patches that can't be applied piece by piece are collected. */
  readonly #pieces = new Sink(maxContentBytes)

  constructor(base: Uint8Array, compressor: Compressor, watcher: Watcher = {}) {
    this.#base = checkLength(base, 'the old file')
    this.#compressor = compressor
    this.#watcher = watcher
  }

  get header(): PatchHeader | null {
    return this.#header
  }

  /** Bytes of the patch; answers the bytes of the new file that they make known. */
  write(chunk: Uint8Array): Uint8Array<ArrayBuffer> {
    if (chunk.length === 0) return new Uint8Array()
    let rest = chunk
    if (this.#header === null) {
      this.#begin(readPatchHeader(chunk[0]))
      rest = chunk.subarray(1)
    }
    if (this.#mcu !== null) return this.#mcu.write(rest)
    if (this.#coder === null) {
      this.#pieces.put(rest)
      return new Uint8Array()
    }
    this.#coder.feed(rest)
    return this.#advance()
  }

  /** No more bytes come; answers the rest of the new file. */
  end(): Uint8Array<ArrayBuffer> {
    if (this.#header === null) throw malformed('it is empty')
    if (this.#mcu !== null) return this.#mcu.end()
    if (this.#coder === null) return this.#decompress()
    this.#coder.end()
    const rest = this.#advance()
    if (!this.#finished || !this.#coder.usedUp) throw malformed('it goes on behind its end')
    return rest
  }

  #begin(header: PatchHeader): void {
    this.#header = header
    if (header.mcu) this.#mcu = new McuApplier(this.#base)
    if (header.tableBits === null) return
    this.#coder = new Coder(header.tableBits, false, initialState(header.tableBits))
    this.#steps = this.#code(header.kind, this.#coder)
  }

  *#code(kind: PatchHeader['kind'], coder: Coder): Generator<void, void, void> {
    const numbers = new NumberCoder(coder)
    const old = readBase(kind, this.#base)
    while (coder.starved) yield
    const length = codeContentLength(numbers, this.#base.length, 0)
    this.#sink = new Sink(length, 65_536)
    if (old.kind === 'module') yield* codeModule(numbers, old.module, null, this.#sink, length, this.#watcher)
    else yield* codeComponent(numbers, old.component, null, this.#sink, length, this.#watcher)
  }

  #advance(): Uint8Array<ArrayBuffer> {
    if (this.#finished) return new Uint8Array()
    try {
      // Each step ends where bytes are missing, so there is nothing to gain from another before they come.
      if (this.#steps!.next().done) this.#finished = true
    } catch (error) {
      if (error instanceof Unsupported) throw malformed(`it doesn't fit the old file (${error.message})`)
      throw error
    }
    return this.#sink?.take() ?? new Uint8Array()
  }

  #decompress(): Uint8Array<ArrayBuffer> {
    const base = this.#header!.kind === 'whole' ? new Uint8Array() : this.#base
    try {
      return this.#compressor.decompressAgainst(this.#pieces.view(), base, maxContentBytes)
    } catch (cause) {
      if (cause instanceof HyphaError && cause.code === 'bytes-malformed') {
        throw new HyphaError('delta-malformed', "patch: it can't be decompressed with the old file", { cause })
      }
      throw cause
    }
  }
}

/** The old file as a patch of its kind needs it. */
function readBase(kind: PatchHeader['kind'], base: Uint8Array) {
  try {
    if (kind === 'module') return { kind, module: readModule(base) } as const
    return { kind: 'component', component: readComponent(base) } as const
  } catch (cause) {
    if (!(cause instanceof Unsupported)) throw cause
    throw new HyphaError('delta-base-wrong', `the patch is for a ${kind} that the old file is not: ${cause.message}`, {
      cause,
    })
  }
}

/** Length of the new file, from that of the old one [D 2.3]. */
export function codeContentLength(numbers: NumberCoder, base: number, given: number): number {
  const length = base + numbers.sint(context(Place.counts, 1), given - base)
  if (length < 0 || length > maxContentBytes) throw malformed(`it makes a file of ${length} bytes`)
  return length
}

export function checkLength(bytes: Uint8Array, what: string): Uint8Array {
  if (bytes.length <= maxContentBytes) return bytes
  throw new HyphaError('delta-too-large', `${what} has ${bytes.length} bytes, of at most ${maxContentBytes}`)
}

/** What a kernel makes of a patch, at most `maxBytes`; null where it can't: `PatchDecoder` then does it, or says what is wrong. */
export function applyByKernel(
  kernel: PatchKernel,
  base: Uint8Array,
  patch: Uint8Array,
  maxBytes: number = maxContentBytes,
): Uint8Array<ArrayBuffer> | null {
  const { kind, tableBits } = readPatchHeader(patch[0])
  if (kind !== 'module' || tableBits === null) return null
  return kernel.apply({ base, patch: patch.subarray(1), prior: priorText(), tableBits, maxBytes })
}

/** Applies a patch that is there as a whole; errors as of `PatchDecoder`. */
export function applyPatch(base: Uint8Array, patch: Uint8Array, compressor: Compressor): Uint8Array<ArrayBuffer> {
  const decoder = new PatchDecoder(base, compressor)
  const first = decoder.write(patch)
  const rest = decoder.end()
  if (first.length === 0) return rest
  const all = new Uint8Array(first.length + rest.length)
  all.set(first)
  all.set(rest, first.length)
  return all
}
