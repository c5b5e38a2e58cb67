import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type AbiContext, bindExport, bindImport, type CoreFunction } from '@hypha/core/wasm/abi.ts'
import type { FuncType, WitType } from '@hypha/core/wasm/types.ts'
import { echoComponent, echoFuncs, guestInterface, hostInterface, jco } from './wasm-guest.ts'

type AnyFunction = (...args: never[]) => unknown
type Imports = Record<string, Record<string, AnyFunction>>

interface JcoModule {
  instantiate(
    getCoreModule: (path: string) => WebAssembly.Module,
    imports: Imports,
    instantiateCore: (module: WebAssembly.Module, imports: WebAssembly.Imports) => WebAssembly.Instance,
  ): Promise<Record<string, Record<string, AnyFunction>>>
}

/** The component's glue as jco makes it, loaded. */
export async function transpiled(
  component: Uint8Array,
): Promise<{ glue: JcoModule; modules: Map<string, WebAssembly.Module> }> {
  const { transpile } = await jco()
  const { files } = await transpile(component, { name: 'echo', instantiation: 'async' } as never)
  const modules = new Map<string, WebAssembly.Module>()
  for (const [name, bytes] of Object.entries(files)) {
    if (name.endsWith('.wasm')) modules.set(name, new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>))
  }
  const folder = await mkdtemp(join(tmpdir(), 'hypha-oracle-'))
  const path = join(folder, 'echo.mjs')
  await writeFile(path, files['echo.js']!)
  const glue = (await import(/* @vite-ignore */ pathToFileURL(path).href)) as JcoModule
  await rm(folder, { recursive: true })
  return { glue, modules }
}

/** What each of `echo-0`, `echo-1`, … was called with, and what it is to answer. */
interface Host {
  received: unknown
  answer: unknown
}

export interface Sides {
  readonly host: Host
  /** Calls `echo-<index>` of the guest. */
  call(index: number, value: unknown): unknown
}

const camel = (name: string): string => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())

/** jco's glue takes imports under names without a version. */
const unversioned = (name: string): string => name.replace(/@.*/, '')

/** jco throws the error of a result and takes thrown ones; Hypha has `{ tag, val }` both ways. */
const isResult = (type: WitType): boolean => typeof type === 'object' && type.kind === 'result'

function asJcoHost(func: FuncType, host: Host): AnyFunction {
  return (value: unknown) => {
    host.received = value
    if (!isResult(func.result!)) return host.answer
    const { tag, val } = host.answer as { tag: string; val?: unknown }
    if (tag === 'ok') return val
    throw Object.assign(new Error('err'), { payload: val })
  }
}

function callJco(func: FuncType, guest: AnyFunction, value: unknown): unknown {
  if (!isResult(func.result!)) return guest(value as never)
  try {
    return { tag: 'ok', val: guest(value as never) }
  } catch (error) {
    if (!(error instanceof Error) || !('payload' in error)) throw error
    return { tag: 'err', val: error.payload }
  }
}

/** The echo component, with each side of its core module bound by jco or by Hypha. */
export class Oracle {
  readonly #funcs: readonly FuncType[]
  readonly #jco: Awaited<ReturnType<typeof transpiled>>

  private constructor(funcs: readonly FuncType[], jco: Awaited<ReturnType<typeof transpiled>>) {
    this.#funcs = funcs
    this.#jco = jco
  }

  static async of(types: readonly WitType[]): Promise<Oracle> {
    return new Oracle(echoFuncs(types), await transpiled(await echoComponent(types)))
  }

  /**
   * `imports` binds what the guest calls, `exports` what it is called by. With one of each, what one lowers the other lifts.
   */
  async sides(imports: 'jco' | 'hypha', exports: 'jco' | 'hypha'): Promise<Sides> {
    const host: Host = { received: undefined, answer: undefined }
    let core: WebAssembly.Exports | undefined
    const context: AbiContext = {
      memory: () => core!.memory as WebAssembly.Memory & { buffer: ArrayBuffer },
      realloc: (...args) => (core!.cabi_realloc as (...args: number[]) => number)(...args),
    }
    const ours = Object.fromEntries(
      this.#funcs.map((func) => {
        const echo = (value: unknown): unknown => {
          host.received = value
          return host.answer
        }
        return [func.name, bindImport(func, echo, context)]
      }),
    )
    const theirs = Object.fromEntries(this.#funcs.map((func) => [camel(func.name), asJcoHost(func, host)]))
    const { glue, modules } = this.#jco
    const instance = await glue.instantiate(
      (path) => modules.get(path)!,
      { [unversioned(hostInterface)]: theirs },
      (module, wanted) => {
        const isMain = hostInterface in (wanted ?? {})
        const given = isMain && imports === 'hypha' ? { ...wanted, [hostInterface]: ours } : wanted
        const made = new WebAssembly.Instance(module, given)
        if ('memory' in made.exports) core = made.exports
        return made
      },
    )
    const guest = instance[guestInterface]!
    return {
      host,
      call: (index, value) => {
        const func = this.#funcs[index]!
        if (exports === 'jco') return callJco(func, guest[camel(func.name)]!, value)
        const name = `${guestInterface}#${func.name}`
        const post = core![`cabi_post_${name}`] as CoreFunction
        return bindExport(func, core![name] as CoreFunction, post, context)(value)
      },
    }
  }
}
