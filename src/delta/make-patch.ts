import { bytesEqual } from '../bytes/text.ts'
import { HyphaError } from '../errors.ts'
import type { Compressor } from '../ports/compressor.ts'
import { Coder } from './coder.ts'
import { type ComponentTarget, codeComponent, isComponent, readComponent } from './component-codec.ts'
import {
  applyPatch,
  checkLength,
  codeContentLength,
  mcuFirstByte,
  PatchKind,
  patchHeaderByte,
  patchKindNames,
} from './decoder.ts'
import { tableBits, Unsupported } from './limits.ts'
import { planModule } from './make-plan.ts'
import { mcuHead } from './mcu/decoder.ts'
import { type McuBody, makeMcuBody, makeMcuRawBody } from './mcu/make.ts'
import { mostStateBytes } from './mcu/state.ts'
import { isModule, readModule } from './module.ts'
import { codeModule } from './module-codec.ts'
import { NumberCoder } from './numbers.ts'
import { initialState } from './prior.ts'
import { Sink } from './sink.ts'

export interface Patch {
  readonly kind: (typeof patchKindNames)[number]
  readonly bytes: Uint8Array<ArrayBuffer>
}

export interface MakeOptions {
  /** Cells of the table of probabilities, as a power of two: what applying the patch takes of memory. */
  readonly tableBits?: number
  /** `mcu`: for a reader with 8 KiB of state, which takes no other kind [D 10]. */
  readonly profile?: 'mcu'
  /** Of the profile `mcu`: what the reader has, where that is less than 8 KiB. */
  readonly stateBytes?: number
}

/**
 * The smallest patch that makes `content` of `base`: wasm-aware where both are modules or components that are known, else general; never larger than
 * the content compressed as a whole. A wasm-aware patch is applied before it is given out, so it can't be wrong.
 *
 * @throws HyphaError `delta-too-large`
 */
export function makePatch(
  base: Uint8Array,
  content: Uint8Array,
  compressor: Compressor,
  options: MakeOptions = {},
): Patch {
  checkLength(base, 'the old file')
  checkLength(content, 'the new file')
  if (options.profile === 'mcu') return makeMcuPatch(base, content, compressor, options.stateBytes ?? mostStateBytes)
  const patches = [
    withHeader(PatchKind.whole, null, compressor.compressAgainst(content, new Uint8Array())),
    withHeader(PatchKind.general, null, compressor.compressAgainst(content, base)),
    makeWasmPatch(base, content, compressor, options.tableBits ?? tableBits.most),
  ]
  return patches
    .filter((patch) => patch !== null)
    .reduce((best, patch) => (patch.bytes.length < best.bytes.length ? patch : best))
}

function withHeader(kind: number, bits: number | null, body: Uint8Array): Patch {
  const bytes = new Uint8Array(body.length + 1)
  bytes[0] = patchHeaderByte(kind, bits)
  bytes.set(body, 1)
  return { kind: patchKindNames[kind]!, bytes }
}

/** The wasm-aware patch; null where one of the files has something that its form doesn't know. */
export function makeWasmPatch(
  base: Uint8Array,
  content: Uint8Array,
  compressor: Compressor,
  bits: number = tableBits.most,
): Patch | null {
  try {
    const patch = codeWasm(base, content, bits)
    return patch !== null && bytesEqual(applyPatch(base, patch.bytes, compressor), content) ? patch : null
  } catch (error) {
    // Forms that can't be told, or budgets that a decoder wouldn't grant: the general delta takes them.
    if (error instanceof Unsupported || (error instanceof HyphaError && error.code === 'delta-malformed')) return null
    throw error
  }
}

/** The patch that a microcontroller can apply: of modules that are known by their sections, else of bytes. */
function makeMcuPatch(base: Uint8Array, content: Uint8Array, compressor: Compressor, stateBytes: number): Patch {
  const wise = mcuModuleBody(base, content, stateBytes)
  if (wise !== null && bytesEqual(applyPatch(base, withMcuHead(wise).bytes, compressor), content))
    return withMcuHead(wise)
  return withMcuHead(makeMcuRawBody(base, content, stateBytes))
}

function withMcuHead({ sizes, body }: McuBody): Patch {
  const head = mcuHead(sizes)
  const bytes = new Uint8Array(1 + head.length + body.length)
  bytes[0] = mcuFirstByte
  bytes.set(head, 1)
  bytes.set(body, 1 + head.length)
  return { kind: 'module', bytes }
}

function mcuModuleBody(base: Uint8Array, content: Uint8Array, stateBytes: number): McuBody | null {
  if (!isModule(base) || !isModule(content)) return null
  try {
    const old = readModule(base)
    return makeMcuBody(old, planModule(old, readModule(content)), stateBytes)
  } catch (error) {
    if (error instanceof Unsupported || (error instanceof HyphaError && error.code === 'delta-malformed')) return null
    throw error
  }
}

function codeWasm(base: Uint8Array, content: Uint8Array, bits: number): Patch | null {
  const coder = new Coder(bits, true, initialState(bits))
  const numbers = new NumberCoder(coder)
  const sink = new Sink(content.length, content.length)
  codeContentLength(numbers, base.length, content.length)
  if (isModule(base) && isModule(content)) {
    const old = readModule(base)
    run(codeModule(numbers, old, planModule(old, readModule(content)), sink, content.length))
    return withHeader(PatchKind.module, bits, coder.finish())
  }
  if (!isComponent(base) || !isComponent(content)) return null
  const old = readComponent(base)
  run(codeComponent(numbers, old, planComponent(old, content), sink, content.length, {}))
  return withHeader(PatchKind.component, bits, coder.finish())
}

function planComponent(old: ReturnType<typeof readComponent>, content: Uint8Array): ComponentTarget {
  const component = readComponent(content)
  if (component.modules.length > 0 && old.modules.length === 0) throw new Unsupported('no core module to follow')
  const modules = component.modules.map((module, i) => {
    const reference = Math.min(i, old.modules.length - 1)
    return { reference, target: planModule(old.modules[reference]!, module) }
  })
  return { component, modules }
}

/** An encoder never waits for bytes. */
function run(steps: Generator<void, void, void>): void {
  if (!steps.next().done) throw new Unsupported('the encoder waits')
}
