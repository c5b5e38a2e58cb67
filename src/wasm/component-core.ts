import type { ByteReader } from '../bytes/reader.ts'
import { item, malformed, unsupported } from './component-types.ts'
import { readCount, readName } from './core-types.ts'

const maxArguments = 50_000

/** Where the parts of core instances come from: the core half of a component, as a graph of indices. */
export interface CoreGraph {
  /** Bytes of each core module of this component, not of nested ones. */
  readonly modules: Uint8Array[]
  readonly instances: CoreInstance[]
  readonly funcs: CoreFunc[]
  readonly tables: CoreAlias[]
  readonly memories: CoreAlias[]
  readonly globals: CoreAlias[]
}

export type CoreInstance =
  | { readonly kind: 'instantiate'; readonly module: number; readonly args: ReadonlyMap<string, number> }
  | { readonly kind: 'exports'; readonly items: ReadonlyMap<string, CoreItem> }

export type CoreSort = 'func' | 'table' | 'memory' | 'global' | 'other'

export interface CoreItem {
  readonly sort: CoreSort
  readonly index: number
}

/** An item that a core instance exports. */
export interface CoreAlias {
  readonly instance: number
  readonly name: string
}

export type CoreFunc =
  | ({ readonly kind: 'alias' } & CoreAlias)
  /** A component's function made callable from core code. */
  | { readonly kind: 'lower'; readonly func: number; readonly options: CanonOptions }
  /** A built-in of the component model on the resource type of that index; `drop` is the only one that guests import of others' resources. */
  | { readonly kind: 'resource-drop'; readonly type: number }
  | { readonly kind: 'builtin' }

export interface CanonOptions {
  readonly utf8: boolean
  readonly async: boolean
  /** Indices of core functions and memories. */
  readonly memory: number | null
  readonly realloc: number | null
  readonly postReturn: number | null
}

export const emptyCoreGraph = (): CoreGraph => ({
  modules: [],
  instances: [],
  funcs: [],
  tables: [],
  memories: [],
  globals: [],
})

const coreSorts: Readonly<Record<number, CoreSort>> = {
  0: 'func',
  1: 'table',
  2: 'memory',
  3: 'global',
  4: 'other',
  16: 'other',
}

/** Section 2: one core instance. */
export function readCoreInstance(reader: ByteReader, graph: CoreGraph): void {
  const at = reader.at
  const form = reader.u8()
  if (form === 0x00) {
    const module = reader.uleb()
    item(reader, graph.modules, module, 'core module')
    const args = new Map<string, number>()
    for (let left = readCount(reader, maxArguments, 'arguments'); left > 0; left--) {
      const name = readName(reader)
      if (reader.u8() !== 0x12) throw malformed(reader, 'a core module is given something else than an instance', at)
      const instance = reader.uleb()
      item(reader, graph.instances, instance, 'core instance')
      args.set(name, instance)
    }
    graph.instances.push({ kind: 'instantiate', module, args })
  } else if (form === 0x01) {
    const items = new Map<string, CoreItem>()
    for (let left = readCount(reader, maxArguments, 'exports'); left > 0; left--) {
      const name = readName(reader)
      const sort = readCoreSort(reader)
      const index = reader.uleb()
      // Only what is defined before: so following aliases ends.
      if (sort === 'func') item(reader, graph.funcs, index, 'core function')
      else if (sort === 'table') item(reader, graph.tables, index, 'core table')
      items.set(name, { sort, index })
    }
    graph.instances.push({ kind: 'exports', items })
  } else throw unsupported(reader, `the form of instance 0x${form.toString(16)} is unknown`, at)
}

export function readCoreSort(reader: ByteReader): CoreSort {
  const code = reader.u8()
  const sort = coreSorts[code]
  if (sort === undefined) throw unsupported(reader, `the core sort 0x${code.toString(16)} is unknown`, reader.at - 1)
  return sort
}

/** An alias of a core instance's export. */
export function readCoreAlias(reader: ByteReader, graph: CoreGraph, sort: CoreSort): void {
  const instance = reader.uleb()
  item(reader, graph.instances, instance, 'core instance')
  const alias: CoreAlias = { instance, name: readName(reader) }
  switch (sort) {
    case 'func':
      graph.funcs.push({ kind: 'alias', ...alias })
      break
    case 'table':
      graph.tables.push(alias)
      break
    case 'memory':
      graph.memories.push(alias)
      break
    case 'global':
      graph.globals.push(alias)
      break
    case 'other':
      // Tags and types: nothing here looks at them, so they need no index.
      break
  }
}

export function readCanonOptions(reader: ByteReader): CanonOptions {
  const options = { utf8: true, async: false, memory: null, realloc: null, postReturn: null } as {
    -readonly [K in keyof CanonOptions]: CanonOptions[K]
  }
  for (let left = readCount(reader, 16, 'options'); left > 0; left--) {
    const at = reader.at
    const code = reader.u8()
    if (code <= 0x02) options.utf8 = code === 0x00
    else if (code === 0x03) options.memory = reader.uleb()
    else if (code === 0x04) options.realloc = reader.uleb()
    else if (code === 0x05) options.postReturn = reader.uleb()
    else if (code === 0x06) options.async = true
    else if (code === 0x07) reader.uleb()
    else throw unsupported(reader, `the option 0x${code.toString(16)} is unknown`, at)
  }
  return options
}

type Part = 'index' | 'byte' | 'options' | 'results'

// Component model, Binary, "Canonical Definitions": the built-ins, each with what follows its code. All add a core function.
const builtins: Readonly<Record<number, readonly Part[]>> = {
  2: ['index'],
  4: ['index'],
  5: [],
  6: ['byte'],
  7: [],
  8: ['index'],
  9: ['results', 'options'],
  10: ['byte', 'index'],
  11: ['byte', 'index'],
  12: ['byte'],
  13: [],
  14: ['index'],
  15: ['index', 'options'],
  16: ['index', 'options'],
  17: ['index', 'byte'],
  18: ['index', 'byte'],
  19: ['index'],
  20: ['index'],
  21: ['index'],
  22: ['index', 'options'],
  23: ['index', 'options'],
  24: ['index', 'byte'],
  25: ['index', 'byte'],
  26: ['index'],
  27: ['index'],
  28: ['options'],
  29: ['options'],
  30: [],
  31: [],
  32: ['byte', 'index'],
  33: ['byte', 'index'],
  34: [],
  35: [],
  36: [],
  37: [],
  38: [],
  39: ['index', 'index'],
  40: [],
  41: ['byte'],
  42: ['byte'],
  43: ['byte'],
  44: ['byte'],
  45: ['byte'],
}

/** A canonical built-in whose code has been read. */
export function readBuiltin(reader: ByteReader, graph: CoreGraph, code: number, readResults: () => void): void {
  const at = reader.at - 1
  if (code === 0x03) {
    graph.funcs.push({ kind: 'resource-drop', type: reader.uleb() })
    return
  }
  const parts = builtins[code]
  if (parts === undefined) throw unsupported(reader, `the canonical function 0x${code.toString(16)} is unknown`, at)
  for (const part of parts) {
    if (part === 'index') reader.uleb()
    else if (part === 'byte') reader.skip(1)
    else if (part === 'options') readCanonOptions(reader)
    else readResults()
  }
  graph.funcs.push({ kind: 'builtin' })
}
