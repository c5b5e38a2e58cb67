import type { ModuleManifest } from './manifest.ts'
import type { WitInterface } from './wit.ts'

export type Language = 'assemblyscript' | 'c' | 'rust' | 'prebuilt'

/** What a compiler is given. */
export interface CompileJob {
  readonly app: string
  readonly module: ModuleManifest
  /** The app's folder, absolute. */
  readonly appDir: string
  /** All interfaces that the module may import or export: the contract's and the app's own. */
  readonly interfaces: readonly WitInterface[]
  /** Folder of the bindings that were generated from the app's own WIT files; each language has a folder in it. */
  readonly bindingsDir: string
}

/** What a compiler gives. */
export type Compiled =
  /** A core module, its exports that have to be renamed to canonical names, and files outside the module's folder that it was made from, relative to the app's. */
  | {
      readonly kind: 'core'
      readonly bytes: Uint8Array
      readonly renames: ReadonlyMap<string, string>
      readonly extra: readonly string[]
    }
  | { readonly kind: 'component'; readonly bytes: Uint8Array }
