// The part of the WebAssembly JavaScript API that the agent uses: TypeScript has it only among the types of browsers.
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array)
    static imports(module: Module): { module: string; name: string; kind: string }[]
  }
  class Memory {
    readonly buffer: ArrayBuffer
  }
  type ExportValue = ((...args: never[]) => number | bigint | undefined) | Memory | object | undefined
  type ImportValue = (...args: never[]) => number | bigint | undefined
  type Exports = Readonly<Record<string, ExportValue>>
  type Imports = Readonly<Record<string, Readonly<Record<string, ImportValue>>>>
  class Instance {
    constructor(module: Module, imports: Imports)
    readonly exports: Exports
  }
  class LinkError extends Error {}
  class RuntimeError extends Error {}
}
