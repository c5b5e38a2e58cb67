import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import { type Burnt, burntSource } from './burnt.ts'

/** Boards that there is firmware for; `host` is this machine. */
export const boards = ['lm3s6965evb', 'mps2_an386', 'host'] as const
export type BoardName = (typeof boards)[number]

/** Boards without entropy of their own: each needs an image with a key of its own. */
const withoutEntropy: readonly BoardName[] = ['lm3s6965evb', 'mps2_an386']
export const needsSeed = (board: BoardName): boolean => withoutEntropy.includes(board)

/** Boards whose firmware can be written over their line. */
const updatable: readonly BoardName[] = ['mps2_an386', 'host']

/** Where the firmware's sources are. They are no part of the gateway, and needn't be on each machine. */
export const firmwareFolder = join(import.meta.dirname, '../../../../firmware-bridge/firmware')

/** Bytes of flash and RAM that a part of an image takes. */
export interface PartSize {
  readonly part: string
  readonly flash: number
  readonly ram: number
}

export interface BuiltFirmware {
  /** The image; of `host` the program. */
  readonly image: string
  /** By part, the last one all together with the stack; empty for `host`. */
  readonly sizes: readonly PartSize[]
}

/** Goes up with what the firmware can do. */
export const firmwareVersion = '0.1.0'

/** Throws `mcu-toolchain-missing`, `mcu-build-failed`. `out`: the folder for all that comes of it. */
export function buildFirmware(board: BoardName, burnt: Burnt, out: string): BuiltFirmware {
  requireSources(board)
  mkdirSync(out, { recursive: true, mode: 0o700 })
  const source = join(out, 'burnt.c')
  writeFileSync(source, burntSource(burnt), { mode: 0o600 })
  const variables = [
    `OUT=${out}`,
    `BURNT=${source}`,
    `ED25519=${ed25519Sources()}`,
    `BOARD=${board}`,
    `VERSION=${firmwareVersion}`,
  ]
  make([...variables, board === 'host' ? 'host' : 'board'])
  if (board === 'host') return { image: join(out, 'host-plain/board-host'), sizes: [] }
  return { image: join(out, board, 'firmware.elf'), sizes: readSizes(make([...variables, 'size'])) }
}

/** The images of a release for a board, by the slot that each is linked for, with nothing burnt in. Throws `mcu-toolchain-missing`, `mcu-build-failed`, and `update-unsupported` for a board that takes none. */
export function buildSlots(board: BoardName, version: string, out: string): { name: string; bytes: Uint8Array }[] {
  if (!updatable.includes(board))
    throw new HyphaError('update-unsupported', `The firmware of ${board} can't be written over its line`, {
      mend: `Boards that can: ${updatable.join(', ')}. Flash this one with what hypha mcu build makes.`,
    })
  requireSources(board)
  mkdirSync(out, { recursive: true, mode: 0o700 })
  const variables = [`OUT=${out}`, `ED25519=${ed25519Sources()}`, `BOARD=${board}`, `VERSION=${version}`]
  make([...variables, board === 'host' ? 'host-slots' : 'slots'])
  const built = join(out, board === 'host' ? 'host-plain' : board)
  return ['slot-a', 'slot-b'].map((name) => ({ name, bytes: readFileSync(join(built, `${name}.bin`)) }))
}

function make(args: readonly string[]): string {
  const run = spawnSync('make', ['-s', '-C', firmwareFolder, ...args], { encoding: 'utf8' })
  if (run.status === 0) return run.stdout
  throw new HyphaError('mcu-build-failed', `The firmware can't be built: ${run.stderr.trim().slice(0, 2_000)}`)
}

function requireSources(board: BoardName): void {
  if (!existsSync(join(firmwareFolder, 'Makefile')))
    throw new HyphaError('mcu-toolchain-missing', `The firmware's sources aren't in ${firmwareFolder}`, {
      mend: 'Run this from a checkout of Hypha.',
    })
  requirePrograms(board)
}

function requirePrograms(board: BoardName): void {
  const programs =
    board === 'host'
      ? { make: 'make', gcc: 'gcc libc6-dev' }
      : { make: 'make', 'arm-none-eabi-gcc': 'gcc-arm-none-eabi' }
  for (const [program, packages] of Object.entries(programs)) {
    if (spawnSync(program, ['--version']).error === undefined) continue
    throw new HyphaError('mcu-toolchain-missing', `${program} isn't installed, which the firmware is built with`, {
      mend: `On Debian and Ubuntu: sudo apt-get install ${packages}`,
    })
  }
}

/** The field arithmetic of Ed25519 comes with an npm package, as C sources. */
function ed25519Sources(): string {
  try {
    const found = createRequire(import.meta.url).resolve('ed25519-supercop/package.json')
    return join(dirname(found), 'vendor/ed25519/src')
  } catch (cause) {
    throw new HyphaError('mcu-toolchain-missing', 'The npm package ed25519-supercop is not installed', {
      cause,
      mend: 'Run npm ci in the checkout of Hypha.',
    })
  }
}

/** What `make size` prints: a head, then a part a line. */
const readSizes = (text: string): PartSize[] =>
  text.split('\n').flatMap((line) => {
    const [part, flash, ram] = line.trim().split(/\s+/)
    return part && Number.isInteger(Number(flash)) && flash ? [{ part, flash: Number(flash), ram: Number(ram) }] : []
  })
