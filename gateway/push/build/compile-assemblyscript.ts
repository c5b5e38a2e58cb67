import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import { memoryEndGlobal } from '@hypha/core/wasm/analyse.ts'
import type { Transform } from 'assemblyscript/transform'
import { assemblyScriptExports, exportedName } from './bindgen-assemblyscript.ts'
import type { Compiled, CompileJob } from './compile.ts'
import { sdkDir } from './sdk.ts'
import type { WitInterface } from './wit.ts'

const entry = 'assembly/index.ts'
const heapBase = '~lib/memory/__heap_base'
/** Where the allocator's first block lies: they are at multiples of 8. */
const firstBlock = (base: number): number => (base + 7) & ~7

/**
 * Compiles `assembly/index.ts` of a module in this process. AssemblyScript's `minimal` runtime is an allocator and a collector: both are the SDK's, which collects
 * whenever the heap is full. What frames refer to stands on a shadow stack, which is a part of the heap that the manifest asks for.
 *
 * @throws HyphaError `compile-failed` with the compiler's words, and the file, line and column of the first error.
 */
export async function compileAssemblyScript(job: CompileJob): Promise<Compiled> {
  // Loaded only when something is to be compiled: it takes a third of a second.
  const { default: asc } = await import('assemblyscript/asc')
  const stack = shadowStack(job.module.heapBytes)
  const heap = alignedHeap(job.module.heapBytes) - stack
  useRuntime(asc.libraryFiles, heap)
  const glue = exportGlue(job)
  const base = job.module.source
  let binary: Uint8Array | null = null
  const read = new Set<string>()
  const stderr = asc.createMemoryStream()
  const libs = [
    join(sdkDir, 'assemblyscript/lib'),
    join(sdkDir, 'assemblyscript/generated'),
    join(job.bindingsDir, 'assemblyscript'),
  ]
  const { error } = await asc.main(
    [
      ...glue.files.keys(),
      ...['--baseDir', base, '--outFile', 'module.wasm', '--runtime', 'minimal', '--use', 'abort='],
      // Static data begins behind address 0, which is that of nothing.
      ...['--stackSize', `${stack}`, '--memoryBase', '16'],
      ...['--optimizeLevel', '2', '--shrinkLevel', '2'],
      ...libs.flatMap((dir) => ['--lib', dir]),
    ],
    {
      stdout: asc.createMemoryStream(),
      stderr,
      readFile: (name, dir) => glue.files.get(name) ?? readSource(join(dir, name), job, read),
      writeFile: (_name, contents) => {
        if (typeof contents !== 'string') binary = contents
      },
      listFiles: () => [],
      transforms: [memoryEndTransform(heap)],
    },
  )
  if (error !== null || binary === null) throw compileError(job, stderr.toString(), error)
  return { kind: 'core', bytes: binary, renames: glue.renames, extra: [...read].sort() }
}

const alignedHeap = (bytes: number): number => (bytes + 15) & ~15

/** An eighth of the heap: 64 frames with four references each in the smallest that makes sense, 8,192 in the largest. */
const shadowStack = (heapBytes: number): number => Math.min(Math.max((heapBytes / 8) & ~15, 256), 131_072)

/** The `minimal` runtime is its allocator `rt/tlsf` and its collector `rt/tcms`. */
function useRuntime(library: Record<string, string>, heapBytes: number): void {
  const text = (name: string) => readFileSync(join(sdkDir, `assemblyscript/runtime/${name}.ts`), 'utf8')
  library['rt/tlsf'] = `const HEAP_BYTES: usize = ${heapBytes};\n${text('allocator')}`
  library['rt/tcms'] = text('collector')
}

/** Absent files are no error: the compiler looks for a module in several places. What lies outside the module and the SDK is noted. */
function readSource(path: string, job: CompileJob, outside: Set<string>): string | null {
  try {
    const text = readFileSync(path, 'utf8')
    const accounted = [job.module.source, sdkDir, job.bindingsDir].some((dir) => path.startsWith(`${dir}/`))
    if (!accounted) outside.add(relative(job.appDir, path))
    return text
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return null
    throw cause
  }
}

interface Glue {
  /** Entry files that exist only for the compiler. */
  readonly files: ReadonlyMap<string, string>
  readonly renames: ReadonlyMap<string, string>
}

/** An entry file for each interface of which the author exports at least one function. */
function exportGlue(job: CompileJob): Glue {
  const exported = exportedFunctions(readFileSync(join(job.module.source, entry), 'utf8'))
  const files = new Map([['hypha-realloc.ts', 'export { cabi_realloc } from "hypha/abi";\n']])
  const renames = new Map<string, string>()
  for (const [index, item] of job.interfaces.entries()) {
    if (!isExported(job, item, exported)) continue
    const glue = assemblyScriptExports(item, './assembly/index', `export${index}func`)
    files.set(`hypha-export${index}.ts`, glue.text)
    for (const [from, to] of glue.renames) renames.set(from, to)
  }
  return { files, renames }
}

/** Names of the functions that a file exports: `export function tick`, or `export { tick } from …`. */
function exportedFunctions(text: string): Set<string> {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '')
  const names = [...code.matchAll(/\bexport\s+function\s+([\w$]+)/g)].map((match) => match[1]!)
  for (const list of code.matchAll(/\bexport\s*\{([^}]*)\}/g)) {
    for (const item of list[1]!.split(','))
      names.push(
        item
          .trim()
          .split(/\s+as\s+/)
          .at(-1)!,
      )
  }
  return new Set(names)
}

/** An interface is exported whole or not at all. */
function isExported(job: CompileJob, item: WitInterface, exported: ReadonlySet<string>): boolean {
  if (item.package === 'hypha:host') return false
  const missing = item.funcs.map((func) => exportedName(item, func)).filter((name) => !exported.has(name))
  if (missing.length === item.funcs.length) return false
  if (missing.length === 0) return true
  throw new HyphaError(
    'world-invalid',
    `${job.module.name} exports only a part of ${item.id}: ${missing.join(', ')} is missing`,
    {
      where: join(job.module.source, entry),
    },
  )
}

/** What of Binaryen the transform needs. */
interface Binaryen {
  _BinaryenGlobalGetInitExpr(global: number): number
  _BinaryenConstGetValueI32(expression: number): number
}
interface CompilerModule {
  getGlobal(name: string): number
  addGlobal(name: string, type: number, mutable: boolean, initial: number): number
  addGlobalExport(name: string, as: string): number
  readonly i32: { const(value: number): number }
}

/** Exports where the module's memory ends, as soon as the compiler knows where its static data does. */
function memoryEndTransform(heapBytes: number): Transform {
  // The compiler writes `binaryen` and other things on the prototype of a transform that is a class, and makes its one instance.
  class MemoryEnd {
    declare readonly binaryen: Binaryen

    afterCompile(module: CompilerModule): void {
      const initial = this.binaryen._BinaryenGlobalGetInitExpr(module.getGlobal(heapBase))
      const base = this.binaryen._BinaryenConstGetValueI32(initial)
      const typeI32 = 2
      module.addGlobal(memoryEndGlobal, typeI32, false, module.i32.const(firstBlock(base) + heapBytes))
      module.addGlobalExport(memoryEndGlobal, memoryEndGlobal)
    }
  }
  return MemoryEnd as unknown as Transform
}

function compileError(job: CompileJob, output: string, cause: Error | null): HyphaError {
  const place = /in (\S+?)\((\d+),(\d+)\)/.exec(output)
  const words = output.trim() === '' ? (cause?.message ?? 'the compiler gave no module') : output.trim()
  const where =
    place === null
      ? job.module.source
      : `${place[1]!.startsWith('~lib') ? place[1] : join(job.module.source, place[1]!)}:${place[2]}:${place[3]}`
  return new HyphaError('compile-failed', `${job.module.name}: ${words}`, { where, cause })
}
