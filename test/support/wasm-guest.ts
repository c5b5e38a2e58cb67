import { coreSignature } from '@hypha/core/wasm/abi.ts'
import type { FuncType, WitType } from '@hypha/core/wasm/types.ts'
import { interfaceText } from './wasm-types.ts'

/** jco takes long to load, so only those tests load it that need it. */
export const jco = (): Promise<typeof import('@bytecodealliance/jco')> => import('@bytecodealliance/jco')

interface Memory {
  readonly buffer: ArrayBuffer
  grow(pages: number): number
}

/** @types/node knows the class without its constructor's argument and without `grow`. */
export function newMemory(pages: number): Memory {
  const { Memory } = WebAssembly as unknown as { Memory: new (limits: { initial: number }) => Memory }
  return new Memory({ initial: pages })
}

interface Item {
  readonly module?: string
  readonly name: string
  readonly kind: string
}

/** What the engine says that a core module imports and exports. */
export function engineSees(bytes: Uint8Array): { imports: Item[]; exports: Item[] } {
  const Module = WebAssembly.Module as unknown as {
    new (bytes: Uint8Array): WebAssembly.Module
    imports(module: WebAssembly.Module): Item[]
    exports(module: WebAssembly.Module): Item[]
  }
  const module = new Module(bytes)
  return { imports: Module.imports(module), exports: Module.exports(module) }
}

/** A component that imports and exports what its world says, and does nothing. */
export async function dummyComponent(witSource: string): Promise<Uint8Array> {
  const { componentEmbed, componentNew } = await jco()
  return componentNew(await componentEmbed({ dummy: true, witSource, worldName: 'w' } as never))
}

/** A core module from its text form. */
export async function wat(text: string): Promise<Uint8Array> {
  const { parse } = await jco()
  return parse(text)
}

/** A component of a core module and the WIT text of its world `w`. */
export async function componentOf(core: Uint8Array, witSource: string): Promise<Uint8Array> {
  const { componentEmbed, componentNew } = await jco()
  return componentNew(await componentEmbed({ binary: core, witSource, worldName: 'w' } as never))
}

export const hostInterface = 'test:echo/host@1.0.0'
export const guestInterface = 'test:echo/guest@1.0.0'

export function echoFuncs(types: readonly WitType[]): FuncType[] {
  return types.map((type, index) => ({ name: `echo-${index}`, params: [{ name: 'x', type }], result: type }))
}

/**
 * A core module that exports `echo-0`, `echo-1`, … and passes what it gets to imports of the same types, and their results back. Its allocator
 * takes fresh memory, a page at a time as needed, and starts anew with each `cabi_post_…`.
 */
export function echoText(types: readonly WitType[]): string {
  const imports: string[] = []
  const exports: string[] = []
  echoFuncs(types).forEach((func, index) => {
    const inside = coreSignature(func, 'import')
    const outside = coreSignature(func, 'export')
    const viaMemory = inside.params.length > outside.params.length
    const args = outside.params.map((_, position) => `local.get ${position}`)
    imports.push(
      `(import "${hostInterface}" "echo-${index}" (func $i${index} (param ${inside.params.join(' ')}) (result ${inside.results.join(' ')})))`,
    )
    exports.push(
      `(func (export "${guestInterface}#echo-${index}") (param ${outside.params.join(' ')}) (result ${outside.results.join(' ')})
        ${args.join(' ')} ${viaMemory ? 'i32.const 1024' : ''} call $i${index} ${viaMemory ? 'i32.const 1024' : ''})`,
      `(func (export "cabi_post_${guestInterface}#echo-${index}") (param ${outside.results.join(' ')}) i32.const 32768 global.set $heap)`,
    )
  })
  return `(module
    ${imports.join('\n')}
    (memory (export "memory") 1)
    (global $heap (mut i32) (i32.const 32768))
    (func (export "cabi_realloc") (param $old i32) (param $olds i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and
        (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
      (global.set $heap (i32.add (local.get $at) (local.get $size)))
      (block $done (loop $grow
        (br_if $done (i32.ge_u (i32.mul (memory.size) (i32.const 65536)) (global.get $heap)))
        (drop (memory.grow (i32.const 1)))
        (br $grow)))
      (local.get $at))
    ${exports.join('\n')})`
}

export async function echoComponent(types: readonly WitType[]): Promise<Uint8Array> {
  const wit = `package test:echo@1.0.0;\n${interfaceText('host', types)}${interfaceText('guest', types)}world w { import host; export guest; }\n`
  return componentOf(await wat(echoText(types)), wit)
}
