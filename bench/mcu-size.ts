// Flash and RAM of the firmware for a Cortex-M3, by part, as its compiler and linker have it; libgcc, which is the arithmetic that the core lacks, apart.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BenchResult } from './bench.ts'

const firmware = join(import.meta.dirname, '../firmware-bridge/firmware')

/** The interpreter with its validator. What binds the host's interfaces is counted apart; the words of errors may be left out. */
const bindingFiles = ['abi.o', 'bind.o']
const wordFiles = ['words.o']

/** Flash of the interpreter alone, compiled for the same core with the same switches when this one was planned. */
const wasm3FlashBytes = 71 * 1024
const wamrFlashBytes = 56 * 1024

/** What was asked for, in bytes. RAM is counted with the arena, which is the module's too; not with what stands for flash. */
const aims =
  'interpreter 20,480 of flash and 2,048 of RAM; all 65,536 of flash without libgcc and 12,288 of RAM; decoder 8,192 of the arena'

interface Part {
  readonly flash: number
  readonly ram: number
}

export async function run(): Promise<BenchResult> {
  const out = mkdtempSync(join(tmpdir(), 'hypha-size-'))
  try {
    make(out, 'board')
    const objects = join(out, 'lm3s6965evb/wasm')
    const files = readdirSync(objects).filter((name) => name.endsWith('.o'))
    const interpreter = files.filter((name) => !bindingFiles.includes(name) && !wordFiles.includes(name))
    const sum = (names: readonly string[]) => names.reduce((total, name) => total + flashOf(join(objects, name)), 0)
    const parts = partsOf(make(out, 'size'))
    const libgcc = parts.get('libgcc')?.flash ?? 0
    const all = parts.get('all')!
    const ram = ramObjects(out).set('stack', stackOf(out))
    const figures: Record<string, number> = {
      interpreter_flash_bytes: sum(interpreter),
      interpreter_ram_bytes: structBytes(out) + stackBytes(objects),
      interpreter_structs_bytes: structBytes(out),
      interpreter_stack_bytes: stackBytes(objects),
      host_binding_flash_bytes: sum(bindingFiles),
      libgcc_flash_bytes: libgcc,
      total_flash_bytes: all.flash - libgcc,
      total_ram_bytes: all.ram - ram.get('flash')!,
      vs_wasm3: sum(interpreter) / wasm3FlashBytes,
      vs_wamr: sum(interpreter) / wamrFlashBytes,
    }
    for (const [name, part] of parts) {
      if (name === 'all' || name === 'libgcc') continue
      figures[`${name}_flash_bytes`] = part.flash
      figures[`${name}_ram_bytes`] = part.ram
    }
    let rest = figures.total_ram_bytes!
    for (const [name, bytes] of ram) {
      if (name === 'flash') continue
      figures[`ram_${name}_bytes`] = bytes
      rest -= bytes
    }
    figures.ram_rest_bytes = rest
    return {
      bench: 'mcu-size',
      sizes: { core: 'Cortex-M3', board: 'lm3s6965evb', aims },
      figures,
      peers: { wasm3: `${wasm3FlashBytes} bytes`, WAMR: `${wamrFlashBytes} bytes`, compiler: compiler() },
    }
  } finally {
    rmSync(out, { recursive: true })
  }
}

function make(out: string, target: string): string {
  return execFileSync('make', ['-s', '-C', firmware, `OUT=${out}`, target], { encoding: 'utf8' })
}

const compiler = (): string => execFileSync('arm-none-eabi-gcc', ['--version'], { encoding: 'utf8' }).split('\n')[0]!

/** What each of the larger objects in RAM is for. On this board a piece of its RAM stands for flash, since the emulator has none that can be written. */
const ramNames: Readonly<Record<string, string>> = {
  arena: 'arena',
  flash: 'flash',
  ring: 'line_ring',
  ram_wire_arena: 'wire_buffers',
  ram_wire: 'wire',
  ram_ring: 'telemetry_ring',
  ram_cell: 'instance',
  ram_held: 'held_facts',
}

/** Lines of `symbol size`, in hexadecimal digits. */
function ramObjects(out: string): Map<string, number> {
  const lines = make(out, 'ram').trim().split('\n')
  return new Map(
    lines.map((line) => line.split(' ')).map(([name, size]) => [ramNames[name!]!, Number.parseInt(size!, 16)]),
  )
}

function stackOf(out: string): number {
  const symbols = execFileSync('arm-none-eabi-nm', [join(out, 'lm3s6965evb/slot-a.elf')], { encoding: 'utf8' })
  const at = (name: string) => Number.parseInt(new RegExp(`^(\\S+) \\S ${name}$`, 'm').exec(symbols)![1]!, 16)
  return at('image_stack_end') - at('image_stack')
}

/** Code, constants and the first values of variables. */
function flashOf(object: string): number {
  const line = execFileSync('arm-none-eabi-size', [object], { encoding: 'utf8' }).split('\n')[1]!
  const [text, data] = line.trim().split(/\s+/).map(Number)
  return text! + data!
}

/** Lines of `part flash ram`. */
function partsOf(table: string): Map<string, Part> {
  const rows = table.matchAll(/^(\S+)\s+(\d+)\s+(\d+)/gm)
  return new Map([...rows].map(([, name, flash, ram]) => [name!, { flash: Number(flash), ram: Number(ram) }]))
}

/** What a board holds per module and instance; all else is in the arena that it shares with the module's memory. */
function structBytes(out: string): number {
  const source = join(out, 'structs.c')
  const object = join(out, 'structs.o')
  writeFileSync(
    source,
    '#include "wasm/wasm.h"\nchar both[sizeof(struct wasm_module) + sizeof(struct wasm_instance)];\n',
  )
  const flags = ['-mcpu=cortex-m3', '-mthumb', '-fno-common', `-I${firmware}`]
  execFileSync('arm-none-eabi-gcc', [...flags, '-c', source, '-o', object])
  const symbol = execFileSync('arm-none-eabi-nm', ['-S', object], { encoding: 'utf8' })
  return Number.parseInt(symbol.split(' ')[1]!, 16)
}

/** The deepest that C calls go: an export calls a host function, which answers with a list and calls the module's allocator for its items. */
function stackBytes(objects: string): number {
  const frames = new Map<string, number>()
  for (const name of readdirSync(objects).filter((file) => file.endsWith('.su'))) {
    for (const line of readFileSync(join(objects, name), 'utf8').trim().split('\n')) {
      const [place, bytes] = line.split('\t')
      frames.set(place!.slice(place!.lastIndexOf(':') + 1), Number(bytes))
    }
  }
  const deepest = [
    ...['wasm_call', 'wasm_interpret', 'wasm_call_import', 'kv_keys', 'lower_list', 'wasm_lower_bytes'],
    ...['wasm_allocate', 'wasm_call', 'wasm_interpret'],
  ]
  return deepest.reduce((total, name) => total + (frames.get(name) ?? 0), 0)
}
