import { execFileSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { wat } from '../../test/support/wasm-guest.ts'

const rounds = 20_000

/** What a sampler's inner loop is made of: a random number, a table of counts, a running mean with a threshold. */
const round = [
  ...['local.get $x', 'i32.const 13', 'i32.shl', 'local.get $x', 'i32.xor', 'local.set $x'],
  ...['local.get $x', 'i32.const 17', 'i32.shr_u', 'local.get $x', 'i32.xor', 'local.tee $x'],
  ...['i32.const 31', 'i32.and', 'i32.const 2', 'i32.shl', 'local.set $at'],
  ...['local.get $at', 'local.get $at', 'i32.load offset=64', 'i32.const 1', 'i32.add', 'i32.store offset=64'],
  ...[
    'local.get $mean',
    'local.get $x',
    'i32.const 1023',
    'i32.and',
    'local.get $mean',
    'i32.sub',
    'i32.const 3',
    'i32.shr_s',
  ],
  ...['i32.add', 'local.tee $mean', 'i32.const 512', 'i32.gt_s', 'local.get $above', 'i32.add', 'local.set $above'],
  ...['local.get $n', 'i32.const 1', 'i32.sub', 'local.tee $n', 'br_if $next'],
]

const text = `(module (memory 1) (global (export "hypha_memory_end") i32 (i32.const 4096))
  (func (param $n i32) (result i32) (local $x i32) (local $at i32) (local $mean i32) (local $above i32)
    i32.const 1 local.set $x
    (loop $next ${round.join(' ')})
    local.get $above))`

/** The same in JavaScript, so that the answer can be checked. */
function expected(): number {
  let [x, mean, above] = [1, 0, 0]
  for (let n = rounds; n > 0; n--) {
    x = (x << 13) ^ x
    x = (x >>> 17) ^ x
    mean += ((x & 1023) - mean) >> 3
    if (mean > 512) above++
  }
  return above >>> 0
}

interface Cortex {
  readonly figures: Readonly<Record<string, number | null>>
  readonly missing: Readonly<Record<string, string>>
}

const names = ['cortex_instructions_per_operation', 'cortex_validate_instructions_per_byte']

/** Instructions of a Cortex-M3 for one of WebAssembly, counted by QEMU; null where it isn't installed. */
export async function cortexFigures(folder: string, firmware: string): Promise<Cortex> {
  const bytes = await wat(text)
  const image = build(folder, firmware, bytes)
  const qemu = [
    '-M',
    'lm3s6965evb',
    '-display',
    'none',
    '-monitor',
    'none',
    '-serial',
    'stdio',
    '-icount',
    'shift=0,sleep=off',
  ]
  let printed: string
  try {
    printed = execFileSync('qemu-system-arm', [...qemu, '-semihosting', '-kernel', image], {
      encoding: 'utf8',
      timeout: 30_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  } catch (error) {
    const why =
      (error as { code?: string }).code === 'ENOENT' ? 'qemu-system-arm is not installed' : String(error).slice(0, 200)
    return {
      figures: Object.fromEntries(names.map((name) => [name, null])),
      missing: Object.fromEntries(names.map((name) => [name, why])),
    }
  }
  const told = new Map(
    printed
      .trim()
      .split(/\r?\n/)
      .map((line) => line.split(' ') as [string, string]),
  )
  const ticks = (name: string) => Number(told.get(name))
  if (ticks('answer') !== expected())
    throw new Error(`the board computed ${told.get('answer')}, and ${expected()} is right: ${printed}`)
  const perTick = 1_000_000 / ticks('million')
  const figures = [(ticks('call') * perTick) / (rounds * round.length), (ticks('validate') * perTick) / bytes.length]
  return { figures: Object.fromEntries(names.map((name, index) => [name, figures[index]!])), missing: {} }
}

/** An image of the interpreter's objects, as the firmware's build makes them, and the module. */
function build(folder: string, firmware: string, bytes: Uint8Array): string {
  execFileSync('make', ['-s', '-C', firmware, `OUT=${folder}`, 'wasm-size'], { stdio: 'ignore' })
  writeFileSync(
    join(folder, 'module.h'),
    `#define ROUNDS ${rounds}\nstatic const unsigned char module_bytes[] = {${bytes.join()}};\n`,
  )
  const objects = join(folder, 'lm3s6965evb/wasm')
  const image = join(folder, 'cortex.elf')
  const here = (name: string) => join(import.meta.dirname, name)
  const core = [
    '-mcpu=cortex-m3',
    '-mthumb',
    '-Os',
    '-ffreestanding',
    '-fno-tree-loop-distribute-patterns',
    '-nostdlib',
    '-static',
  ]
  const includes = [`-I${folder}`, `-I${firmware}`, `-I${join(firmware, 'boards/include')}`]
  const sources = [here('cortex.c'), join(firmware, 'boards/memory.c')]
  const linked = readdirSync(objects)
    .filter((name) => name.endsWith('.o'))
    .map((name) => join(objects, name))
  execFileSync('arm-none-eabi-gcc', [
    ...core,
    ...includes,
    '-T',
    here('cortex.ld'),
    ...sources,
    ...linked,
    '-lgcc',
    '-o',
    image,
  ])
  return image
}
