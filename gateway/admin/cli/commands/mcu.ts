import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { toUtf8 } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { checkId } from '@hypha/core/wire/ids.ts'
import type { Command } from 'commander'
import { type Cli, defineCommand, parseDuration } from '../cli.ts'
import type { PartSize } from '../mcu/firmware.ts'
import type { FirmwareReleaseOptions } from '../mcu/release.ts'
import { table } from '../table.ts'

const boardNames = 'lm3s6965evb, mps2_an386 or host (this machine)'
const idOption = ['--id <name>', "the board's id (default: made of its key, such as mcu-0a1b2c3d)"] as const
const inviteOption = [
  '--invite <token>',
  'by which the gateway accepts the board by itself (default: it is pending until accepted)',
] as const
const maxInviteBytes = 64

interface Burning {
  id?: string
  invite?: string
}

/** Firmware for microcontrollers, with the fleet's root metadata in it. */
export function registerMcu(program: Command): void {
  const mcu = program
    .command('mcu')
    .summary('microcontrollers: build firmware, or run it on this machine')
    .description('Firmware of microcontrollers: build, release, and run on this machine.')
  defineCommand<[], Burning & { board?: string; out?: string }>(
    mcu,
    {
      usage: 'build',
      summary: "build firmware with the fleet's root metadata in it; prints flash and RAM by the byte",
      options: [
        ['--board <name>', boardNames],
        idOption,
        inviteOption,
        ['-o, --out <file>', 'the image to write (default: hypha-BOARD.elf)'],
      ],
      examples: ['mcu build --board lm3s6965evb', 'mcu build --board mps2_an386 --id mcu-1 -o mcu-1.elf'],
    },
    async (cli, options) => {
      const { boards, buildFirmware, needsSeed } = await import('../mcu/firmware.ts')
      const board = boards.find((each) => each === options.board)
      if (board === undefined)
        throw new HyphaError('mcu-board-unknown', `There is no firmware for the board "${options.board ?? ''}"`, {
          mend: `Name one with --board: ${boardNames}.`,
        })
      const burnt = { ...(await burntFor(cli, options)), seed: needsSeed(board) ? randomBytes(32) : null }
      const { image, sizes } = buildFirmware(board, burnt, join(cli.home.folder, 'mcu', board))
      const out = options.out ?? `hypha-${board}.${board === 'host' ? 'bin' : 'elf'}`
      copyFileSync(image, out)
      const all = sizes.find(({ part }) => part === 'all') ?? null
      cli.print({ image: out, board, flashBytes: all?.flash ?? null, ramBytes: all?.ram ?? null, parts: sizes }, () =>
        [
          `${out} for ${board}`,
          ...(sizes.length > 0 ? [sizeTable(sizes)] : []),
          ...(burnt.seed ? ['It has a key of its own in it: for one board only, and not to be shown to anybody.'] : []),
        ].join('\n'),
      )
    },
  )
  defineCommand<[], FirmwareReleaseOptions>(
    mcu,
    {
      usage: 'release',
      summary: 'build and sign the firmware for kinds of boards, and bring it to every board that takes it',
      description:
        'Build the firmware for each kind of board named, once for each of its two slots, sign it as the next release of hypha-firmware, push it, and follow it to the boards. A board tries it and goes back to the one before by itself where nobody confirms it. See also hypha rollout, releases and rollback hypha-firmware.',
      options: [
        ['--board <name>', `${boardNames}; may be given several times`, undefined, 'repeatable'],
        ['--key <file>', "the release key (default: keys/release.key in the fleet's folder)"],
        ['--label <version>', 'what the firmware is to call itself (default: the version of these sources)'],
        ['--floor <number>', 'no release with a lower number may run ever again'],
        ['--no-wait', 'end once the gateway has accepted it'],
        ['--timeout <duration>', 'how long to wait for the boards', '10min'],
      ],
      examples: ['mcu release --board mps2_an386', 'mcu release --board mps2_an386 --board host --label 0.1.1-fix'],
    },
    async (cli, options) => {
      parseDuration(options.timeout, '--timeout')
      const { releaseFirmware } = await import('../mcu/release.ts')
      await releaseFirmware(cli, options)
    },
  )
  defineCommand<[], Burning & { pty: string; flash?: string; sensor?: string[] }>(
    mcu,
    {
      usage: 'sim',
      summary: 'run the firmware on this machine, behind a pseudo-terminal',
      options: [
        ['--pty <path>', 'where the board is to be found, as a serial port', '/tmp/mcu0'],
        ['--flash <file>', "the file that is its flash (default: in the fleet's folder)"],
        ['--sensor <name=value>', 'a sensor of the board; may be given several times', undefined, 'repeatable'],
        idOption,
        inviteOption,
      ],
      examples: [
        'mcu sim --pty /tmp/mcu0 --sensor outdoor=18.5',
        'mcu sim --pty /tmp/mcu1 --id mcu-1 --flash mcu-1.flash',
      ],
    },
    async (cli, { pty, flash, sensor, ...burning }) => {
      const { buildFirmware } = await import('../mcu/firmware.ts')
      const folder = join(cli.home.folder, 'mcu/host')
      const { image } = buildFirmware('host', { ...(await burntFor(cli, burning)), seed: null }, folder)
      const sensors = (sensor ?? ['outdoor=18.5']).flatMap((each) => ['--sensor', each])
      cli.note(`The board is at ${pty}. Ctrl-C ends it; what it holds stays in its flash.`)
      const child = spawn(image, ['--pty', pty, '--flash', flash ?? join(folder, 'flash'), ...sensors], {
        stdio: 'inherit',
      })
      // Ctrl-C reaches it by itself; what else ends this ends it too.
      process.once('SIGTERM', () => child.kill('SIGTERM'))
      process.on('SIGINT', () => undefined)
      await new Promise<void>((resolve, reject) => {
        child.on('error', reject)
        child.on('close', (code) => {
          if (code === 0) return resolve()
          reject(
            new HyphaError('mcu-build-failed', `The board ended with ${code}`, {
              mend: 'Delete its flash file if it is damaged.',
            }),
          )
        })
      })
    },
  )
}

const sizeTable = (sizes: readonly PartSize[]) =>
  table<PartSize>(
    [
      { heading: 'PART', text: ({ part }) => part },
      { heading: 'FLASH', text: ({ flash }) => `${flash}` },
      { heading: 'RAM', text: ({ ram }) => `${ram}` },
    ],
    sizes,
  )

async function burntFor(cli: Cli, { id, invite }: Burning) {
  const { currentRoot } = await import('../root-change.ts')
  const { openEnvelope } = await import('@hypha/core/trust/cose.ts')
  const { maxRootBytes } = await import('@hypha/core/trust/snapshot.ts')
  if (id !== undefined) checkId('node', id)
  const token = invite === undefined ? null : toUtf8(invite)
  if (token !== null && token.length > maxInviteBytes)
    throw new HyphaError(
      'bytes-too-long',
      `The invitation has ${token.length} bytes, at most ${maxInviteBytes} are burnt in`,
    )
  const { envelope } = await currentRoot(cli)
  const root = openEnvelope(envelope, 'root', maxRootBytes).unverifiedPayload
  return { root, invite: token, id: id ?? null }
}
