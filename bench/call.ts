// What a call of a host import costs, through the binder and through jco's glue: a number, a string, a list of 1 KB.
import { readFile } from 'node:fs/promises'
import { type AbiContext, bindImport } from '@hypha/core/wasm/abi.ts'
import { analyse } from '@hypha/core/wasm/analyse.ts'
import type { FuncType } from '@hypha/core/wasm/types.ts'
import { componentOf, wat } from '../test/support/wasm-guest.ts'
import { transpiled } from '../test/support/wasm-oracle.ts'
import { type BenchOptions, type BenchResult, geometricMean, median } from './bench.ts'

const hostInterface = 'bench:call/host@1.0.0'
const text = 'greenhouse-3/temperature'
const listBytes = 1024

const witSource = `package bench:call@1.0.0;
interface host { number: func(x: f64); text: func(x: string); bytes: func(x: list<u8>); }
world w { import host; export number: func(n: u32); export text: func(n: u32); export bytes: func(n: u32); }`

/** Each export calls its import so many times. */
function guestText(): string {
  const loop = (name: string, call: string): string => `
    (func (export "${name}") (param $n i32)
      (block $done (loop $next
        (br_if $done (i32.eqz (local.get $n)))
        ${call}
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $next))))`
  return `(module
    (import "${hostInterface}" "number" (func $number (param f64)))
    (import "${hostInterface}" "text" (func $text (param i32 i32)))
    (import "${hostInterface}" "bytes" (func $bytes (param i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 1024) "${text}")
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    ${loop('number', '(call $number (f64.convert_i32_u (local.get $n)))')}
    ${loop('text', `(call $text (i32.const 1024) (i32.const ${text.length}))`)}
    ${loop('bytes', `(call $bytes (i32.const 2048) (i32.const ${listBytes}))`)})`
}

const kinds = ['number', 'text', 'bytes'] as const
type Kind = (typeof kinds)[number]
type Loops = Readonly<Record<Kind, (times: number) => void>>

/** What the host functions add up, so that no engine leaves a call out. */
const seen = { sum: 0 }

const host = {
  number(x: number) {
    seen.sum += x
  },
  text(x: string) {
    seen.sum += x.length
  },
  bytes(x: Uint8Array) {
    seen.sum += x[0]! + x.length
  },
}

function boundByHypha(component: Uint8Array): Loops {
  const { analysis, core } = analyse(component)
  const funcs = analysis.world.imports.find(({ name }) => name === hostInterface)!.funcs
  let exports: WebAssembly.Exports | undefined
  const context: AbiContext = {
    memory: () => exports!.memory as WebAssembly.Memory & { buffer: ArrayBuffer },
    realloc: (...args) => (exports!.cabi_realloc as (...args: number[]) => number)(...args),
  }
  const imports = Object.fromEntries(
    funcs.map((func: FuncType) => [
      func.name,
      bindImport(func, host[func.name as Kind] as (...args: never[]) => unknown, context),
    ]),
  )
  const module = new WebAssembly.Module(core as Uint8Array<ArrayBuffer>)
  exports = new WebAssembly.Instance(module, { [hostInterface]: imports as Record<string, WebAssembly.ImportValue> })
    .exports
  return exports as unknown as Loops
}

async function boundByJco(component: Uint8Array): Promise<Loops> {
  const { glue, modules } = await transpiled(component)
  const imports = { 'bench:call/host': host as never }
  const instance = await glue.instantiate(
    (path) => modules.get(path)!,
    imports,
    (module, wanted) => new WebAssembly.Instance(module, wanted),
  )
  return instance as unknown as Loops
}

function nsPerCall(call: (times: number) => void, times: number): number {
  const start = process.hrtime.bigint()
  call(times)
  return Number(process.hrtime.bigint() - start) / times
}

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const component = await componentOf(await wat(guestText()), witSource)
  const ours = boundByHypha(component)
  const jco = await boundByJco(component)
  const rounds = quick ? 9 : 25
  const times = { ours: quick ? 200_000 : 500_000, jco: quick ? 10_000 : 30_000 }
  const samples = new Map<string, number[]>(
    kinds.flatMap((kind) => [
      [`ours ${kind}`, []],
      [`jco ${kind}`, []],
    ]),
  )
  // One more round than counts, to warm up; the two take turns, so that what disturbs the machine disturbs both.
  for (let round = 0; round <= rounds; round++) {
    for (const kind of kinds) {
      const mine = nsPerCall(ours[kind], times.ours)
      const theirs = nsPerCall(jco[kind], times.jco)
      if (round === 0) continue
      samples.get(`ours ${kind}`)!.push(mine)
      samples.get(`jco ${kind}`)!.push(theirs)
    }
  }
  const of = (who: 'ours' | 'jco', kind: Kind): number => median(samples.get(`${who} ${kind}`)!)
  return {
    bench: 'call',
    sizes: {
      rounds,
      calls_per_round: times.ours,
      jco_calls_per_round: times.jco,
      string_chars: text.length,
      list_bytes: listBytes,
    },
    figures: {
      number_ns: of('ours', 'number'),
      string_ns: of('ours', 'text'),
      list_1kb_ns: of('ours', 'bytes'),
      jco_number_ns: of('jco', 'number'),
      jco_string_ns: of('jco', 'text'),
      jco_list_1kb_ns: of('jco', 'bytes'),
      ratio_to_jco: geometricMean(kinds.map((kind) => of('ours', kind) / of('jco', kind))),
    },
    peers: {
      jco: await versionOf('@bytecodealliance/jco'),
      'jco-transpile': await versionOf('@bytecodealliance/jco-transpile'),
    },
  }
}

async function versionOf(name: string): Promise<string> {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url)
  return (JSON.parse(await readFile(file, 'utf8')) as { version: string }).version
}
