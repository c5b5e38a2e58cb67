import type { CoreFuncType, CoreValueType, Limits } from './core-types.ts'
import type { WasmFeature } from './types.ts'

export type CoreKind = 'func' | 'table' | 'memory' | 'global' | 'tag'

export interface CoreImport {
  readonly module: string
  readonly name: string
  readonly kind: CoreKind
  /** Index of the function's type, for functions and tags. */
  readonly typeIndex: number | null
  /** For memories and tables. */
  readonly limits: Limits | null
  /** Where what follows the names begins and ends. */
  readonly descriptorAt: number
  readonly end: number
}

export interface CoreExport {
  readonly name: string
  readonly kind: CoreKind
  /** In the index space of the kind: imports come first. */
  readonly index: number
}

export interface CoreGlobal {
  readonly type: CoreValueType
  readonly mutable: boolean
  /** The initial value where it is one `i32.const`, as an unsigned number; else null. */
  readonly constant: number | null
}

/** An element segment. Function indices and the offset are known where they stand plainly: no expressions, table 0, `i32.const`. */
export interface CoreElement {
  readonly offset: number | null
  readonly funcs: readonly number[] | null
}

export interface CoreSection {
  readonly id: number
  /** Offset of the section's id byte. */
  readonly at: number
  readonly bodyAt: number
  readonly end: number
}

/** A core module, as far as Hypha needs to know it. Index spaces hold the imported items first. */
export interface CoreModule {
  readonly bytes: Uint8Array
  readonly sections: readonly CoreSection[]
  /** By index; null for types other than functions. */
  readonly types: readonly (CoreFuncType | null)[]
  readonly imports: readonly CoreImport[]
  /** The type index of every function, imported ones first. */
  readonly functions: readonly number[]
  readonly tables: readonly Limits[]
  readonly memories: readonly Limits[]
  readonly globals: readonly CoreGlobal[]
  readonly exports: readonly CoreExport[]
  readonly start: number | null
  /** Offset and end of every function body, in the order of the defined functions. */
  readonly bodies: readonly (readonly [at: number, end: number])[]
  readonly elements: readonly CoreElement[]
  readonly dataCount: number
  readonly features: ReadonlySet<WasmFeature>
}
