import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import { memoryEndGlobal } from '@hypha/core/wasm/analyse.ts'
import { cPrefix } from './bindgen-c.ts'
import { snake } from './bindgen-names.ts'
import type { Compiled, CompileJob } from './compile.ts'
import { sdkDir } from './sdk.ts'

/** Room for the C stack, below the data: running over its end traps. */
const stackBytes = 4096

const target = '--target=wasm32-unknown-unknown'

const compileFlags = (heapBytes: number): readonly string[] => [
  target,
  // Named one by one, so that every clang makes the same of them, and the firmware's interpreter runs it.
  ...['-mcpu=mvp', '-mbulk-memory', '-msign-ext', '-mnontrapping-fptoint', '-mmutable-globals'],
  ...[
    '-std=c17',
    '-Oz',
    '-Wall',
    '-Wextra',
    '-ffreestanding',
    '-nostdlib',
    '-fvisibility=hidden',
    '-fdiagnostics-absolute-paths',
  ],
  `-DHYPHA_HEAP_BYTES=${(heapBytes + 15) & ~15}`,
]

const linkFlags: readonly string[] = [
  target,
  '-nostdlib',
  '-Wl,--no-entry',
  '-Wl,--strip-all',
  '-Wl,--stack-first',
  `-Wl,-z,stack-size=${stackBytes}`,
  '-Wl,--export=__heap_base',
]

/**
 * Compiles the `*.c` files of a module's folder with the SDK's `hypha.c`: by the clang that the variable HYPHA_CLANG names, else by the
 * one from npm.
 *
 * @throws HyphaError `compile-failed` with the compiler's words, and file, line and column of the first error; `world-invalid` where a
 * function is missing that a header declares; `tool-missing`.
 */
export async function compileC(job: CompileJob): Promise<Compiled> {
  const clang = process.env.HYPHA_CLANG
  const bytes = clang === undefined || clang === '' ? await compileInProcess(job) : await compileInstalled(job, clang)
  // With the stack first, the heap's base is where data and arena end.
  return { kind: 'core', bytes, renames: new Map([['__heap_base', memoryEndGlobal]]), extra: [] }
}

const sourcesIn = (dir: string): string[] =>
  readdirSync(dir)
    .filter((name) => name.endsWith('.c'))
    .sort()

type Tree = { [name: string]: Tree | string | Uint8Array }

/** clang as WebAssembly sees only the files that it is given: `module`, `sdk` and `bindings`. */
async function compileInProcess(job: CompileJob): Promise<Uint8Array> {
  const { commands, Exit, runLLVM } = await import('@yowasp/clang')
  // Fetched here, because `clang` would print how it gets on with it.
  await runLLVM(undefined, {}, { fetchProgress: () => undefined })
  let output = ''
  const collect = (bytes: Uint8Array | null): void => {
    if (bytes !== null) output += Buffer.from(bytes).toString()
  }
  const files = {
    module: readTree(job.module.source),
    sdk: { c: readTree(join(sdkDir, 'c')) },
    bindings: readTree(join(job.bindingsDir, 'c')),
  }
  const args = [
    ...compileFlags(job.module.heapBytes),
    ...linkFlags,
    ...['-Imodule', '-Isdk/c/include', '-Isdk/c/generated', '-Ibindings', '-o', 'module.wasm', 'sdk/c/hypha.c'],
    ...sourcesIn(job.module.source).map((name) => `module/${name}`),
  ]
  try {
    const made = await commands.clang(args, files, { stdout: collect, stderr: collect })
    return (made as { 'module.wasm': Uint8Array })['module.wasm']
  } catch (cause) {
    if (!(cause instanceof Exit)) throw cause
    throw compileError(job, output.replaceAll(/^\/?module\//gm, `${job.module.source}/`), cause)
  }
}

/** C sources and headers below a folder; a folder that isn't there is empty. */
function readTree(dir: string): Tree {
  const tree: Tree = {}
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory()) return tree
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) tree[entry.name] = readTree(path)
    else if (/\.[ch]$/.test(entry.name)) tree[entry.name] = readFileSync(path, 'utf8')
  }
  return tree
}

/**
 * Compiles and links in steps of their own: a clang that is asked to optimise as it links hands the module to whatever `wasm-opt` is on the path, which refuses
 * features that it can't read from a stripped module.
 */
async function compileInstalled(job: CompileJob, clang: string): Promise<Uint8Array> {
  const { source, heapBytes } = job.module
  const scratch = await mkdtemp(join(tmpdir(), 'hypha-c-'))
  try {
    const includes = [source, join(sdkDir, 'c/include'), join(sdkDir, 'c/generated'), join(job.bindingsDir, 'c')]
    const compile = [...compileFlags(heapBytes), ...includes.map((dir) => `-I${dir}`), '-c']
    const sources = [join(sdkDir, 'c/hypha.c'), ...sourcesIn(source).map((name) => join(source, name))]
    const objects: string[] = []
    for (const [index, path] of sources.entries()) {
      const object = join(scratch, `${index}.o`)
      await run(job, clang, [...compile, '-o', object, path])
      objects.push(object)
    }
    const out = join(scratch, 'module.wasm')
    await run(job, clang, [...linkFlags, '-o', out, ...objects])
    return new Uint8Array(await readFile(out))
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

function run(job: CompileJob, clang: string, args: readonly string[]): Promise<void> {
  return new Promise((done, fail) => {
    execFile(clang, args, { cwd: job.module.source, maxBuffer: 16 * 1024 ** 2 }, (error, stdout, stderr) => {
      if (error === null) done()
      else if (error.code === 'ENOENT') {
        fail(
          new HyphaError('tool-missing', `HYPHA_CLANG names "${clang}", which isn't there`, {
            mend: 'Correct the variable, or unset it to use the clang from npm.',
            cause: error,
          }),
        )
      } else fail(compileError(job, stdout + stderr, error))
    })
  })
}

function compileError(job: CompileJob, output: string, cause: unknown): HyphaError {
  const missing = [...output.matchAll(/undefined symbol: (\w+)/g)].map((match) => match[1]!)
  for (const item of job.interfaces) {
    const names = item.funcs
      .filter((func) => missing.includes(`${cPrefix(item.id)}_${snake(func.name)}`))
      .map((func) => func.name)
    if (names.length > 0) {
      const message = `${job.module.name} exports only a part of ${item.id}: ${names.join(', ')} is missing`
      return new HyphaError('world-invalid', message, { where: job.module.source, cause })
    }
  }
  const place = /^(\S+?:\d+:\d+): (?:fatal )?error:/m.exec(output)
  return new HyphaError('compile-failed', `${job.module.name}: ${output.trim()}`, {
    where: place?.[1] ?? job.module.source,
    cause,
  })
}
