import { ByteWriter } from '@hypha/core/bytes/writer.ts'
import { memoryEndGlobal, pageBytes } from '@hypha/core/wasm/analyse.ts'
import { type CoreModule, parseCore } from '@hypha/core/wasm/core.ts'
import type { Limits } from '@hypha/core/wasm/core-types.ts'

const memorySection = 5
const exportSection = 7
const kindCodes = { func: 0, table: 1, memory: 2, global: 3, tag: 4 } as const

/**
 * Makes a compiler's core module what the component's tools take: exports get their canonical names, and the memory gets as many pages as
 * `hypha_memory_end` asks for and no more, because the SDK's heaps don't grow.
 */
export function finishCore(bytes: Uint8Array, renames: ReadonlyMap<string, string>): Uint8Array {
  const core = parseCore(bytes)
  const writer = new ByteWriter(bytes.length + 256)
  writer.put(bytes.subarray(0, 8))
  for (const section of core.sections) {
    if (section.id === exportSection) writeExports(writer, core, renames)
    else if (section.id === memorySection) writeMemories(writer, core, renames)
    else writer.put(bytes.subarray(section.at, section.end))
  }
  return writer.finish()
}

function writeSection(writer: ByteWriter, id: number, body: ByteWriter): void {
  const bytes = body.finish()
  writer.u8(id).uleb(bytes.length).put(bytes)
}

/** The export section (WebAssembly 5.5.10). */
function writeExports(writer: ByteWriter, core: CoreModule, renames: ReadonlyMap<string, string>): void {
  const body = new ByteWriter()
  body.uleb(core.exports.length)
  for (const { name, kind, index } of core.exports) {
    body
      .name(renames.get(name) ?? name)
      .u8(kindCodes[kind])
      .uleb(index)
  }
  writeSection(writer, exportSection, body)
}

/** The memory section (WebAssembly 5.5.8). */
function writeMemories(writer: ByteWriter, core: CoreModule, renames: ReadonlyMap<string, string>): void {
  const imported = core.imports.filter((item) => item.kind === 'memory').length
  const body = new ByteWriter()
  body.uleb(core.memories.length - imported)
  for (const limits of core.memories.slice(imported)) {
    const { initial, maximum } = fixedSize(core, limits, renames)
    body.u8((maximum === null ? 0 : 1) | (limits.shared ? 2 : 0) | (limits.is64 ? 4 : 0)).uleb(initial)
    if (maximum !== null) body.uleb(maximum)
  }
  writeSection(writer, memorySection, body)
}

function fixedSize(
  core: CoreModule,
  limits: Limits,
  renames: ReadonlyMap<string, string>,
): { initial: number; maximum: number | null } {
  const end = core.exports.find(
    (item) => (renames.get(item.name) ?? item.name) === memoryEndGlobal && item.kind === 'global',
  )
  const value = end === undefined ? null : core.globals[end.index]!.constant
  if (value === null) return limits
  const pages = Math.max(limits.initial, Math.ceil(value / pageBytes))
  return { initial: pages, maximum: pages }
}
