import { fileURLToPath } from 'node:url'
import { coreSignature } from '@hypha/core/wasm/abi.ts'
import type { InterfaceType, World } from '@hypha/core/wasm/types.ts'
import type { RunnableModule } from '../../agent/turns.ts'
import { loadWit } from '../../gateway/push/build/wit.ts'
import { wat } from './wasm-guest.ts'

const folder = (name: string): string => fileURLToPath(new URL(`../../sdk/wit/${name}`, import.meta.url))

/** The contract's interfaces, by their versioned names. */
const contract: ReadonlyMap<string, InterfaceType> = new Map(
  loadWit([folder('host'), folder('module')]).interfaces.map(({ id, funcs }) => [
    id,
    { name: id, funcs: funcs.map(({ name, params, result }) => ({ name, params, result })).sort(byName) },
  ]),
)

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1
}

export interface GuestSource {
  /** `host/log#write`: callable as `$log.write`. Other interfaces are given by `interfaces`. */
  readonly imports?: readonly string[]
  /** Bodies in WAT by `module/timer#tick`; parameters are `$p0`, `$p1`, … All functions of an interface must be there. */
  readonly exports?: Readonly<Record<string, string>>
  /** Further fields of the module: data, globals, functions. */
  readonly fields?: string
  /** Interfaces of the app's own. */
  readonly interfaces?: readonly InterfaceType[]
  /** Pages of the memory, as in WAT. */
  readonly memory?: string
}

export type GuestSpec = Partial<Omit<RunnableModule, 'name' | 'form' | 'bytes' | 'digest' | 'world'>>

const generousLimits = {
  memoryBytes: 1024 * 1024,
  turnMs: 2_000,
  telemetryPerS: 10_000,
  messagesPerS: 1_000,
  kvBytes: 65_536,
}

/**
 * A module as a release has it, from a few lines of WAT. Memory below 1024 is the test's own; `$result` (512) is where results are passed. The
 * allocator never frees: `$heap` begins at 32,768.
 */
export async function guestModule(name: string, source: GuestSource, spec: GuestSpec = {}): Promise<RunnableModule> {
  const interfaces = new Map([...contract, ...(source.interfaces ?? []).map((own) => [own.name, own] as const)])
  const typeOf = (path: string) => {
    const [interfacePath = '', func = ''] = path.split('#')
    const full = interfaces.has(interfacePath) ? interfacePath : `hypha:${interfacePath}@0.1.0`
    const found = interfaces.get(full)
    const type = found?.funcs.find((entry) => entry.name === func)
    if (found === undefined || type === undefined) throw new Error(`no such function: ${path}`)
    return { full, found, type, short: `$${full.split('/')[1]!.split('@')[0]}.${func}` }
  }
  const imports = (source.imports ?? []).map(typeOf)
  const exports = Object.entries(source.exports ?? {}).map(([path, body]) => ({ ...typeOf(path), body }))
  const text = `(module
    ${imports.map(({ full, type, short }) => `(import "${full}" "${type.name}" (func ${short} ${signature(type, 'import')}))`).join('\n')}
    (memory (export "memory") ${source.memory ?? '1'})
    (global $heap (mut i32) (i32.const 32768))
    (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (global.get $heap))
      (global.set $heap (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
      (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536)))
        (then (global.set $heap (i32.const 32768)) (local.set $at (i32.const 32768))
          (global.set $heap (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))))
      (local.get $at))
    ${exports.map(({ full, type, body }) => `(func (export "${full}#${type.name}") ${signature(type, 'export')} ${body})`).join('\n')}
    ${source.fields ?? ''})`
  const bytes = await wat(text)
  const world: World = {
    imports: [...new Set(imports.map(({ found }) => found))].sort(byName),
    exports: [...new Set(exports.map(({ found }) => found))].sort(byName),
  }
  return {
    name,
    form: 'core',
    bytes,
    digest: name,
    world,
    limits: generousLimits,
    timerMs: null,
    subscribe: [],
    publish: [],
    httpHosts: [],
    isolate: false,
    ...spec,
  }
}

function signature(type: InterfaceType['funcs'][number], side: 'import' | 'export'): string {
  const { params, results } = coreSignature(type, side)
  const names = params.map((param, index) => (side === 'export' ? `(param $p${index} ${param})` : `(param ${param})`))
  return `${names.join(' ')} ${results.map((result) => `(result ${result})`).join(' ')}`
}

export const limitsOf = (changes: Partial<typeof generousLimits>) => ({ ...generousLimits, ...changes })
