/** In the order of the encoding of worlds: words are only ever added at the end. */
export const primitiveTypes = [
  'bool',
  'u8',
  'u16',
  'u32',
  'u64',
  's8',
  's16',
  's32',
  's64',
  'f32',
  'f64',
  'char',
  'string',
] as const

/** WIT types that can cross by value (component model, Explainer, "Type Definitions"). Names are of the author's WIT, kebab-case. */
export type WitType =
  | (typeof primitiveTypes)[number]
  | { readonly kind: 'list'; readonly of: WitType }
  | { readonly kind: 'option'; readonly of: WitType }
  | { readonly kind: 'result'; readonly ok: WitType | null; readonly err: WitType | null }
  | { readonly kind: 'tuple'; readonly items: readonly WitType[] }
  | { readonly kind: 'record'; readonly name?: string; readonly fields: readonly NamedType[] }
  | { readonly kind: 'variant'; readonly name?: string; readonly cases: readonly VariantCase[] }
  | { readonly kind: 'enum'; readonly name?: string; readonly cases: readonly string[] }
  | { readonly kind: 'flags'; readonly name?: string; readonly flags: readonly string[] }

export interface NamedType {
  readonly name: string
  readonly type: WitType
}

export interface VariantCase {
  readonly name: string
  readonly type: WitType | null
}

export interface FuncType {
  readonly name: string
  readonly params: readonly NamedType[]
  readonly result: WitType | null
}

/** One interface, by its versioned name: `hypha:host/sensor@0.1.0`. Functions are sorted by name. */
export interface InterfaceType {
  readonly name: string
  readonly funcs: readonly FuncType[]
}

/** What a module imports and exports, each list sorted by name. */
export interface World {
  readonly imports: readonly InterfaceType[]
  readonly exports: readonly InterfaceType[]
}

/** What a module needs to hold it in memory. Sizes in bytes. */
export interface MemoryNeed {
  readonly initialBytes: number
  /** The module's own maximum; null where it declares none. */
  readonly maximumBytes: number | null
  /** The value of the exported global `hypha_memory_end`: the module touches nothing at or beyond it. Null where it exports none. */
  readonly endBytes: number | null
}

/** WebAssembly features beyond the first version of the language that a module's code uses. */
export type WasmFeature =
  | 'bulk-memory'
  | 'multi-value'
  | 'mutable-globals'
  | 'reference-types'
  | 'saturating-conversions'
  | 'sign-extension'
  | 'simd'
  | 'tail-call'
  | 'threads'
  | 'exceptions'
  | 'gc'
  | 'memory64'
  | 'multi-memory'

/** What Hypha knows of a module from its bytes alone. */
export interface Analysis {
  readonly world: World
  readonly memory: MemoryNeed
  /** Sorted. */
  readonly features: readonly WasmFeature[]
  /** Size of the component in bytes. */
  readonly componentBytes: number
  /** Size of the core form in bytes; null where the component has none and runs only through jco. */
  readonly coreBytes: number | null
}
