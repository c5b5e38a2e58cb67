import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seeded } from '../../support/random.ts'

// The engine of this very process is the oracle of the firmware's interpreter.

/** What WebAssembly calls things that @types/node doesn't know. */
const engine = WebAssembly as unknown as {
  validate(bytes: Uint8Array): boolean
  Module: {
    new (bytes: Uint8Array): WebAssembly.Module
    imports(module: WebAssembly.Module): { module: string; name: string; kind: string }[]
    exports(module: WebAssembly.Module): { name: string; kind: string }[]
  }
  Instance: new (
    module: WebAssembly.Module,
    imports: object,
  ) => { exports: Record<string, (...args: unknown[]) => unknown> }
}

export const engineAccepts = (bytes: Uint8Array): boolean => engine.validate(bytes)

/** A batch for `wasm-probe`, in a file that is gone with `use`'s end. */
export function withBatch<T>(modules: readonly Uint8Array[], use: (path: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-wasm-'))
  try {
    const path = join(folder, 'batch')
    writeFileSync(
      path,
      Buffer.concat(modules.flatMap((bytes) => [Buffer.from(Uint32Array.of(bytes.length).buffer), Buffer.from(bytes)])),
    )
    return use(path)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** What the probe says; it throws where a sanitizer ended it. */
export function probe(program: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { maxBuffer: 1 << 30, encoding: 'utf8' })
  if (status !== 0) throw new Error(`the probe ended with ${status}: ${stderr.slice(0, 4000)}`)
  return stdout
}

/** Modules that binaryen makes of random bytes, of the features that the interpreter has. The seed decides all of them. */
export function generatedModules(count: number, seed: number): Uint8Array[] {
  const random = seeded(seed)
  const folder = mkdtempSync(join(tmpdir(), 'hypha-fuzz-'))
  const flags = ['--denan', '--mvp-features', '--enable-bulk-memory', '--enable-sign-ext', '--enable-multivalue']
  const more = ['--enable-nontrapping-float-to-int', '--enable-mutable-globals']
  try {
    return Array.from({ length: count }, (_, index) => {
      const input = join(folder, 'input')
      const output = join(folder, 'module.wasm')
      writeFileSync(
        input,
        Uint8Array.from({ length: 200 + Math.floor(random() * 3000) }, () => Math.floor(random() * 256)),
      )
      const level = ['-O0', '-O2', '-Os'][index % 3]!
      const run = spawnSync('wasm-opt', [input, '-ttf', level, ...flags, ...more, '-o', output], {
        encoding: 'utf8',
        env: { ...process.env, BINARYEN_CORES: '1' },
      })
      if (run.status !== 0) throw new Error(`wasm-opt: ${run.stderr.slice(0, 500)}`)
      return new Uint8Array(readFileSync(output))
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const show = (value: unknown): string => {
  if (value === null || value === undefined) return String(value)
  return typeof value === 'function' ? 'function' : `${Object.is(value, -0) ? '-0' : value}`
}

/**
 * The same as `wasm-probe run` prints, by the engine, with values as `comparable` has them. What the probe printed tells the functions'
 * parameters, which JavaScript doesn't.
 */
export function engineRun(bytes: Uint8Array, probed: readonly string[]): string[] {
  const heads = new Map(
    probed.filter((line) => line.startsWith('> ')).map((line) => [line.slice(2, line.indexOf('(')), line]),
  )
  const lines: string[] = []
  const module = new engine.Module(bytes)
  const imports: Record<string, Record<string, unknown>> = {}
  for (const { module: from, name, kind } of engine.Module.imports(module)) {
    const log = (...args: unknown[]) => {
      lines.push([name, ...args.map(show)].join(' '))
      return 0
    }
    imports[from] ??= {}
    imports[from][name] = kind === 'function' ? log : 0
  }
  try {
    const { exports } = new engine.Instance(module, imports)
    for (const { name, kind } of engine.Module.exports(module)) {
      if (kind !== 'function') continue
      const params = /\((.*)\)/.exec(heads.get(name) ?? '')?.[1] ?? ''
      const zeros =
        params.trim() === ''
          ? []
          : params
              .trim()
              .split(' ')
              .map((type) => (type === 'i64' ? 0n : 0))
      lines.push(`> ${name}(${params})${answer(() => exports[name]!(...zeros))}`)
      // How deep calls may go is each engine's own affair, and so is all that comes after.
      if (lines.at(-1)!.includes('exhausted')) break
    }
  } catch (error) {
    lines.push(`not started: ${(error as Error).name}`)
  }
  return lines
}

function answer(call: () => unknown): string {
  try {
    const result = call()
    if (result === undefined) return ''
    return ` ${(Array.isArray(result) ? result : [result]).map(show).join(' ')}`
  } catch (error) {
    return error instanceof RangeError && /call stack/.test(error.message) ? ' exhausted' : ' trap'
  }
}

/** Lines of the probe for one module, with values as JavaScript writes them and without the words of traps. */
export function comparable(text: string): string[] {
  const lines: string[] = []
  for (const line of text.split('\n').filter((each) => each !== '')) {
    lines.push(
      line
        .replace(/ trap (.*)/, (_, words) => (words === 'call stack exhausted' ? ' exhausted' : ' trap'))
        .replace(/ (f32|f64):(\S+)/g, (_, type, value) => ` ${number(type, value)}`)
        .replace(/ (i32|i64):/g, ' ')
        .replace(/ funcref:null| externref:null/g, ' null'),
    )
    if (lines.at(-1)!.includes('exhausted')) break
  }
  return lines
}

function number(type: string, value: string): string {
  if (value.startsWith('nan')) return 'NaN'
  if (value.endsWith('inf')) return value.startsWith('-') ? '-Infinity' : 'Infinity'
  const exact = Number(value)
  return show(type === 'f32' ? Math.fround(exact) : exact)
}
