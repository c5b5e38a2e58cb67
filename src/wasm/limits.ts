import { ByteWriter } from '../bytes/writer.ts'
import { HyphaError } from '../errors.ts'
import { parseCore } from './core.ts'
import { replaceSection } from './rewrite.ts'

/**
 * The core module with at most `maxPages` pages (64 KiB each) as its memory's maximum: the engine then answers `memory.grow` beyond it with −1.
 * A lower maximum of the module's own stays.
 *
 * @throws HyphaError `wasm-memory` if it begins with more, or if it defines no memory or several.
 */
export function withMemoryMaximum(core: Uint8Array, maxPages: number): Uint8Array {
  const parsed = parseCore(core)
  const [memory] = parsed.memories
  if (memory === undefined || parsed.memories.length > 1 || parsed.imports.some(({ kind }) => kind === 'memory')) {
    throw new HyphaError('wasm-memory', 'core module: a maximum can only be set for one memory of its own', {
      where: 'memory',
    })
  }
  if (memory.initial > maxPages) {
    throw new HyphaError(
      'wasm-memory',
      `core module: it begins with ${memory.initial} pages of 64 KiB and is given at most ${maxPages}`,
      { where: 'memory' },
    )
  }
  if (memory.maximum !== null && memory.maximum <= maxPages) return core
  if (memory.shared || memory.is64) {
    throw new HyphaError('wasm-memory', 'core module: its memory is shared or of 64 bits', { where: 'memory' })
  }
  // One memory, with a maximum (WebAssembly 5.5.8).
  const body = new ByteWriter(16).uleb(1).u8(0x01).uleb(memory.initial).uleb(maxPages)
  return replaceSection(core, parsed, 5, body.finish())
}

/**
 * The core modules of one component with at most `maxPages` pages together: each memory may grow by an equal part of what their initial sizes
 * leave. The caller sees to it that each module with a memory is instantiated once.
 *
 * @throws HyphaError `wasm-memory` if they begin with more, or if one has several memories or one that is shared.
 */
export function shareMemory(
  cores: readonly Uint8Array[],
  maxPages: number,
): { bytes: Uint8Array; ownsMemory: boolean }[] {
  const parsed = cores.map((bytes) => ({ bytes, initial: initialPages(bytes) }))
  const owners = parsed.filter(({ initial }) => initial !== null)
  const begun = owners.reduce((sum, { initial }) => sum + initial!, 0)
  if (begun > maxPages) {
    throw new HyphaError(
      'wasm-memory',
      `component: its memories begin with ${begun} pages of 64 KiB and are given at most ${maxPages}`,
      { where: 'memory' },
    )
  }
  const share = Math.floor((maxPages - begun) / Math.max(1, owners.length))
  return parsed.map(({ bytes, initial }) =>
    initial === null
      ? { bytes, ownsMemory: false }
      : { bytes: withMemoryMaximum(bytes, initial + share), ownsMemory: true },
  )
}

/** Null for a core module that has no memory of its own. */
function initialPages(core: Uint8Array): number | null {
  const { memories, imports } = parseCore(core)
  // Imported ones come first; one that has both is refused where its maximum is to be set.
  const own = memories.slice(imports.filter(({ kind }) => kind === 'memory').length)
  return own[0]?.initial ?? null
}
