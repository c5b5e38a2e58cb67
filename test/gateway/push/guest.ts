import { bindExport, bindImport } from '@hypha/core/wasm/abi.ts'
import { analyse } from '@hypha/core/wasm/analyse.ts'
import type { Analysis } from '@hypha/core/wasm/types.ts'

/** Host functions by interface without version, and by name: `{ 'hypha:host/sensor': { read: () => … } }`. */
export type TestHost = Readonly<Record<string, Readonly<Record<string, (...args: never[]) => unknown>>>>

export interface Guest {
  readonly analysis: Analysis
  readonly core: Uint8Array
  readonly memory: WebAssembly.Memory
  /** Calls an export: `call('hypha:module/timer', 'tick', 0n)`. */
  call(item: string, func: string, ...args: unknown[]): unknown
}

const withoutVersion = (name: string): string => name.replace(/@.*$/, '')

/** Runs the core form of a component on the binder that agents use, with the given host; an import that the host lacks traps. */
export function startGuest(component: Uint8Array, host: TestHost): Guest {
  const { analysis, core, whyNoCore } = analyse(component)
  if (core === null) throw new Error(`no core form: ${whyNoCore}`)
  let exports: Record<string, WebAssembly.ExportValue> = {}
  const context = {
    memory: () => exports.memory as WebAssembly.Memory as { readonly buffer: ArrayBuffer },
    realloc: (...args: [number, number, number, number]) =>
      (exports.cabi_realloc as (...args: number[]) => number)(...args) >>> 0,
  }
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {}
  for (const item of analysis.world.imports) {
    const module: Record<string, WebAssembly.ImportValue> = {}
    imports[item.name] = module
    for (const func of item.funcs) {
      const missing = (): never => {
        throw new Error(`the test's host has no ${item.name}#${func.name}`)
      }
      module[func.name] = bindImport(func, host[withoutVersion(item.name)]?.[func.name] ?? missing, context)
    }
  }
  exports = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(core)), imports).exports
  const calls = new Map<string, (...args: unknown[]) => unknown>()
  for (const item of analysis.world.exports) {
    for (const func of item.funcs) {
      const name = `${item.name}#${func.name}`
      const post = exports[`cabi_post_${name}`]
      calls.set(
        `${withoutVersion(item.name)}#${func.name}`,
        bindExport(func, exports[name] as never, post as never, context),
      )
    }
  }
  return {
    analysis,
    core,
    memory: exports.memory as WebAssembly.Memory,
    call(item, func, ...args) {
      const call = calls.get(`${item}#${func}`)
      if (call === undefined) throw new Error(`the module exports no ${item}#${func}`)
      return call(...args)
    },
  }
}

export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
export const bytes = (words: string): Uint8Array => new TextEncoder().encode(words)
