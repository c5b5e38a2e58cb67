// The interpreter of microcontrollers on this machine, with the switches that its size is measured with, against the same kernels in native C and in
// V8; and what an instruction of WebAssembly takes of a Cortex-M3's.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BenchOptions, type BenchResult, geometricMean } from './bench.ts'
import { cortexFigures } from './mcu-speed/cortex.ts'

const firmware = join(import.meta.dirname, '../firmware-bridge/firmware')
const kernels = join(import.meta.dirname, 'mcu-speed')

/** Rounds of one run: some 20 ms of the interpreter, and long enough that no processor learns them by heart. */
const rounds = { fib: 50, sha256: 20, matrix: 30, quicksort: 30, filter: 80 } as const
/** Runs of a program once it is started: the best of them counts. */
const runsEach = 10
type Kernel = keyof typeof rounds
const names = Object.keys(rounds) as Kernel[]

interface Run {
  readonly checksum: number
  readonly ns: number
}

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-speed-'))
  try {
    const native = join(folder, 'native')
    execFileSync('gcc', ['-O2', '-o', native, join(kernels, 'native.c')])
    const module = join(folder, 'kernels.wasm')
    const bytes = await compileKernels()
    writeFileSync(module, bytes)
    execFileSync('make', ['-s', '-C', firmware, `OUT=${folder}`, 'hypha-wasm'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const interpreter = join(folder, 'host-plain/hypha-wasm')
    const engine = inV8(bytes)
    const figures: Record<string, number | null> = {}
    const missing: Record<string, string> = {}
    const ratios = { native: [] as number[], v8: [] as number[] }
    for (const name of names) {
      const best = measure(name, quick ? 3 : 8, {
        native: (times) => nativeRun(native, name, times),
        v8: (times) => engine(name, times),
        hypha: (times) => interpretedRun(interpreter, module, name, times),
      })
      ratios.native.push(best.hypha / best.native)
      ratios.v8.push(best.hypha / best.v8)
      figures[`${name}_vs_native`] = best.hypha / best.native
      figures[`${name}_native_us`] = best.native / 1000
      figures[`${name}_v8_us`] = best.v8 / 1000
      figures[`${name}_hypha_us`] = best.hypha / 1000
    }
    const cortex = await cortexFigures(folder, firmware)
    return {
      bench: 'mcu-speed',
      sizes: { kernels: names.length, module_bytes: bytes.length, runs: (quick ? 3 : 8) * runsEach },
      figures: {
        geomean_vs_native: geometricMean(ratios.native),
        geomean_vs_v8: geometricMean(ratios.v8),
        ...figures,
        ...cortex.figures,
      },
      peers: {
        native: compiler(),
        v8: process.versions.v8,
        wasm3: 'about 12 times native, all translated into RAM first',
      },
      missing: { ...missing, ...cortex.missing },
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const compiler = (): string => `${execFileSync('gcc', ['--version'], { encoding: 'utf8' }).split('\n')[0]!}, -O2`

/** The kernels as a module without imports, of the features that the project's C modules have. */
async function compileKernels(): Promise<Uint8Array> {
  const { commands, runLLVM } = await import('@yowasp/clang')
  await runLLVM(undefined, {}, { fetchProgress: () => undefined })
  const target = ['--target=wasm32-unknown-unknown', '-mcpu=mvp', '-mbulk-memory', '-msign-ext']
  const more = ['-mnontrapping-fptoint', '-mmutable-globals', '-std=c17', '-O2', '-ffreestanding', '-nostdlib']
  const link = ['-Wl,--no-entry', '-Wl,--strip-all', '-o', 'kernels.wasm', 'kernels.c']
  const files = { 'kernels.c': readFileSync(join(kernels, 'kernels.c'), 'utf8') }
  const made = await commands.clang([...target, ...more, ...link], files)
  return (made as { 'kernels.wasm': Uint8Array })['kernels.wasm']
}

function nativeRun(program: string, name: Kernel, times: number): Run {
  const [checksum, ns] = execFileSync(program, [name, String(times), String(runsEach)], { encoding: 'utf8' })
    .trim()
    .split(' ')
  return { checksum: Number(checksum), ns: Number(ns) }
}

function interpretedRun(program: string, module: string, name: Kernel, times: number): Run {
  const answer = execFileSync(program, [module, '--invoke', name, String(times), '--time', String(runsEach)], {
    encoding: 'utf8',
  })
  const [result, ns] = answer.trim().split('\n')
  return { checksum: Number(result!.slice('i32:'.length)) >>> 0, ns: Number(ns) }
}

function inV8(bytes: Uint8Array): (name: Kernel, times: number) => Run {
  const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>)
  const { exports } = new WebAssembly.Instance(module, {})
  return (name, times) => {
    const call = exports[name] as (rounds: number) => number
    let [checksum, ns] = [0, Number.POSITIVE_INFINITY]
    for (let run = 0; run < runsEach; run++) {
      const from = process.hrtime.bigint()
      checksum = call(times) >>> 0
      ns = Math.min(ns, Number(process.hrtime.bigint() - from))
    }
    return { checksum, ns }
  }
}

/** The best of many short runs by turns: what else the machine does only ever adds time. All must compute the same. */
function measure<T extends string>(
  name: Kernel,
  runs: number,
  engines: Readonly<Record<T, (times: number) => Run>>,
): Record<T, number> {
  const entries = Object.entries(engines) as [T, (times: number) => Run][]
  const best = Object.fromEntries(entries.map(([engine]) => [engine, Number.POSITIVE_INFINITY])) as Record<T, number>
  for (let index = 0; index < runs; index++) {
    const checksums = entries.map(([engine, once]) => {
      const { checksum, ns } = once(rounds[name])
      best[engine] = Math.min(best[engine], ns)
      return checksum
    })
    if (new Set(checksums).size !== 1) throw new Error(`${name}: the checksums differ: ${checksums.join(', ')}`)
  }
  return best
}
