import { ByteReader } from '../bytes/reader.ts'
import type { CoreModule, CoreSection } from './core-module.ts'
import { type Draft, sectionReaders } from './core-sections.ts'
import { readName } from './core-types.ts'

export type { CoreModule } from './core-module.ts'

/** The 8 bytes that begin a core module (WebAssembly 5.5.16). */
export function isCoreModule(bytes: Uint8Array): boolean {
  return hasPreamble(bytes, [0x01, 0x00, 0x00, 0x00])
}

export function hasPreamble(bytes: Uint8Array, version: readonly number[]): boolean {
  return [0x00, 0x61, 0x73, 0x6d, ...version].every((byte, index) => bytes[index] === byte)
}

/**
 * Parses a core module: its sections, and its code as far as the features that it uses. The form is checked, the types are not:
 * that is the engine's part.
 *
 * @throws HyphaError `wasm-malformed`, `wasm-unsupported` or `bytes-…`, with the byte's offset.
 */
export function parseCore(bytes: Uint8Array): CoreModule {
  const reader = new ByteReader(bytes, 'core module')
  if (!isCoreModule(bytes)) throw reader.fail('this is no WebAssembly core module of version 1', 'wasm-malformed')
  reader.skip(8)
  const draft: Draft = {
    features: new Set(),
    types: [],
    imports: [],
    functions: [],
    tables: [],
    memories: [],
    globals: [],
    exports: [],
    bodies: [],
    start: null,
    elements: [],
    dataCount: 0,
  }
  const sections = readSections(reader, draft)
  const defined = draft.functions.length - draft.imports.filter((item) => item.kind === 'func').length
  if (defined !== draft.bodies.length) {
    throw reader.fail(`${defined} functions are declared, ${draft.bodies.length} have a body`, 'wasm-malformed')
  }
  if (draft.memories.length > 1) draft.features.add('multi-memory')
  if (draft.tables.length > 1) draft.features.add('reference-types')
  return { bytes, sections, ...draft }
}

function readSections(reader: ByteReader, draft: Draft): CoreSection[] {
  const sections: CoreSection[] = []
  const seen = new Set<number>()
  while (!reader.done) {
    const at = reader.at
    const id = reader.u8()
    const body = reader.sub(reader.uleb())
    sections.push({ id, at, bodyAt: body.at, end: body.end })
    if (sections.length > 10_000) throw reader.fail('over 10,000 sections', 'bytes-too-long', at)
    if (id === 0) {
      readName(body)
      continue
    }
    const read = sectionReaders[id]
    if (read === undefined) throw reader.fail(`the section ${id} is unknown`, 'wasm-unsupported', at)
    if (seen.has(id)) throw reader.fail(`the section ${id} stands twice`, 'wasm-malformed', at)
    seen.add(id)
    read(body, draft)
    if (!body.done) throw body.fail(`${body.left} bytes are left over at the end of section ${id}`, 'wasm-malformed')
  }
  return sections
}
