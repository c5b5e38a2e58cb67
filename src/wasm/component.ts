import { ByteReader } from '../bytes/reader.ts'
import { type CoreGraph, emptyCoreGraph } from './component-core.ts'
import { type ComponentDraft, type ComponentFunc, itemReaders, maxItems } from './component-items.ts'
import { type Extern, malformed, type TypeDef, unsupported } from './component-types.ts'
import { hasPreamble } from './core.ts'
import { readCount } from './core-types.ts'

const maxModules = 1000
const maxNesting = 8
/** Bytes of a component outside of its core modules and custom sections. A component that imports all of WASI has some 60 KB. */
const maxDefinitionBytes = 1024 * 1024

/** A component, as far as Hypha needs to know it. */
export interface Component {
  /** What it imports and exports, by name, in the order of the binary. */
  readonly imports: ReadonlyMap<string, Extern>
  readonly exports: ReadonlyMap<string, Extern>
  readonly funcs: readonly ComponentFunc[]
  readonly types: readonly TypeDef[]
  readonly core: CoreGraph
  /** Core modules in components nested in this one. */
  readonly nestedModules: readonly Uint8Array[]
}

// Version 0x0d of layer 1: what wit-component writes.
const componentVersion = [0x0d, 0x00, 0x01, 0x00]

/** Whether the bytes begin as a component does. */
export function isComponent(bytes: Uint8Array): boolean {
  return hasPreamble(bytes, componentVersion)
}

/**
 * Parses a component: its types, imports and exports, and where its core modules get their imports from. The core modules are left
 * as bytes.
 *
 * @throws HyphaError `component-malformed`, `component-unsupported` or `bytes-…`, with the byte's offset.
 */
export function parseComponent(bytes: Uint8Array): Component {
  const reader = new ByteReader(bytes, 'component')
  return readComponent(reader, null, { bytes: 0 })
}

function readComponent(reader: ByteReader, outer: ComponentDraft | null, spent: { bytes: number }): ComponentDraft {
  const depth = outer === null ? 0 : outer.depth + 1
  if (!hasPreamble(reader.bytes.subarray(reader.at, reader.end), componentVersion)) {
    throw malformed(reader, 'this is no WebAssembly component of version 0x0d')
  }
  if (depth > maxNesting) throw unsupported(reader, `components are nested deeper than ${maxNesting}`)
  reader.skip(8)
  const draft: ComponentDraft = {
    outer,
    types: [],
    instances: [],
    funcs: [],
    components: [],
    core: emptyCoreGraph(),
    imports: new Map(),
    exports: new Map(),
    nestedModules: [],
    depth,
    spent,
  }
  while (!reader.done) readSection(reader, draft)
  return draft
}

function readSection(reader: ByteReader, draft: ComponentDraft): void {
  const at = reader.at
  const id = reader.u8()
  const body = reader.sub(reader.uleb())
  switch (id) {
    case 0:
      // Custom: names and producers.
      return
    case 1:
      addModule(body, draft.core.modules, body.take(body.left))
      return
    case 3:
      // Core types, for imported core modules: nothing here looks at them.
      return
    case 4: {
      const inner = readComponent(body, draft, draft.spent)
      draft.components.push({ sort: 'component', exports: inner.exports })
      for (const module of inner.core.modules) addModule(body, draft.nestedModules, module)
      for (const module of inner.nestedModules) addModule(body, draft.nestedModules, module)
      return
    }
    default: {
      draft.spent.bytes += body.left
      if (draft.spent.bytes > maxDefinitionBytes) {
        throw unsupported(body, `the definitions are over the cap of ${maxDefinitionBytes} bytes`, at)
      }
      const read = itemReaders[id]
      if (read === undefined) throw unsupported(body, `the section ${id} is unknown`, at)
      for (let left = readCount(body, maxItems, 'items of a section'); left > 0; left--) read(body, draft)
      if (!body.done) throw malformed(body, `${body.left} bytes are left over at the end of section ${id}`)
    }
  }
}

function addModule(reader: ByteReader, modules: Uint8Array[], module: Uint8Array): void {
  if (modules.length === maxModules) throw unsupported(reader, `there are over ${maxModules} core modules`)
  modules.push(module)
}
