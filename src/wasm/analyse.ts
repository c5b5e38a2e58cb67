import { HyphaError } from '../errors.ts'
import { parseComponent } from './component.ts'
import { type CoreModule, parseCore } from './core.ts'
import { findCore } from './extract.ts'
import type { Analysis, MemoryNeed, WasmFeature } from './types.ts'
import { worldOf } from './world.ts'

export const pageBytes = 65536

/** Larger components are refused before anything is read. */
export const maxComponentBytes = 64 * 1024 * 1024

/** Name of the exported immutable i32 global at whose value a module's memory ends. */
export const memoryEndGlobal = 'hypha_memory_end'

export interface Analysed {
  readonly analysis: Analysis
  /** The core form; a view of the component's bytes. */
  readonly core: Uint8Array | null
  /** Where there is no core form, why: the end of the sentence "it has no core form: …". */
  readonly whyNoCore: string | null
}

/**
 * What a component needs, from its bytes alone: imports, exports, memory, features, sizes. Both the author's side and the gateway
 * call it, on the same bytes with the same outcome.
 *
 * @throws HyphaError `component-…`, `wasm-…`, `wit-type-unsupported` or `bytes-…`.
 */
export function analyse(component: Uint8Array): Analysed {
  if (component.length > maxComponentBytes) {
    throw new HyphaError(
      'bytes-too-long',
      `component: ${component.length} bytes are over the cap of ${maxComponentBytes}`,
    )
  }
  // A plain view: a subclass of Uint8Array would give its own kind of slices.
  const parsed = parseComponent(new Uint8Array(component.buffer, component.byteOffset, component.length))
  const world = worldOf(parsed)
  const modules = parsed.core.modules.map((bytes) => parseCore(bytes))
  const { core, why } = findCore(parsed, modules, world)
  const used = core === null ? [...modules, ...parsed.nestedModules.map((bytes) => parseCore(bytes))] : [core]
  return {
    analysis: {
      world,
      memory: core === null ? memoryOfAll(used) : memoryOf(core),
      features: featuresOf(used),
      componentBytes: component.length,
      coreBytes: core?.bytes.length ?? null,
    },
    core: core?.bytes ?? null,
    whyNoCore: why,
  }
}

function featuresOf(modules: readonly CoreModule[]): WasmFeature[] {
  const features = new Set<WasmFeature>()
  for (const module of modules) for (const feature of module.features) features.add(feature)
  return [...features].sort()
}

/**
 * The memory that a core module defines, with the end that it promises.
 *
 * @throws HyphaError `wasm-memory` where `hypha_memory_end` is not a constant within the initial memory.
 */
export function memoryOf(core: CoreModule): MemoryNeed {
  const memory = core.memories[0] ?? { initial: 0, maximum: 0 }
  const initialBytes = memory.initial * pageBytes
  return {
    initialBytes,
    maximumBytes: memory.maximum === null ? null : memory.maximum * pageBytes,
    endBytes: memoryEnd(core, initialBytes),
  }
}

function memoryEnd(core: CoreModule, initialBytes: number): number | null {
  const exported = core.exports.find((item) => item.name === memoryEndGlobal)
  if (exported === undefined) return null
  const global = exported.kind === 'global' ? core.globals[exported.index] : undefined
  if (global === undefined || global.mutable || global.type !== 'i32' || global.constant === null) {
    throw new HyphaError(
      'wasm-memory',
      `core module: ${memoryEndGlobal} is not an immutable i32 global with a constant value`,
      {
        where: memoryEndGlobal,
        mend: "Export it from the SDK's allocator, or leave it out.",
      },
    )
  }
  if (global.constant > initialBytes) {
    throw new HyphaError(
      'wasm-memory',
      `core module: ${memoryEndGlobal} is ${global.constant}, beyond the ${initialBytes} bytes that the memory has at first`,
      { where: memoryEndGlobal },
    )
  }
  return global.constant
}

/** Without a core form every memory in the component counts; imported ones are defined by another module of it. */
function memoryOfAll(modules: readonly CoreModule[]): MemoryNeed {
  let initialBytes = 0
  let maximumBytes: number | null = 0
  for (const module of modules) {
    if (module.imports.some((item) => item.kind === 'memory')) continue
    for (const memory of module.memories) {
      initialBytes += memory.initial * pageBytes
      maximumBytes = memory.maximum === null || maximumBytes === null ? null : maximumBytes + memory.maximum * pageBytes
    }
  }
  return { initialBytes, maximumBytes, endBytes: null }
}
