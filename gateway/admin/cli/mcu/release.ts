import { join } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import { firmwareApp } from '@hypha/core/wire/ids.ts'
import { type BuiltInOptions, releaseBuiltIn } from '../built-in-release.ts'
import type { Cli } from '../cli.ts'
import { type BoardName, boards, buildSlots, firmwareVersion } from './firmware.ts'

/** As they stand on the command line. */
export interface FirmwareReleaseOptions extends BuiltInOptions {
  readonly board?: readonly string[]
}

/** Bytes of an image's head for it. */
const maxVersion = 31

/** Builds, signs and pushes the firmware for kinds of boards, and follows it to the boards. */
export async function releaseFirmware(cli: Cli, options: FirmwareReleaseOptions): Promise<void> {
  const kinds = (options.board ?? []).map((name): BoardName => {
    const board = boards.find((each) => each === name)
    if (board !== undefined) return board
    throw new HyphaError('mcu-board-unknown', `There is no firmware for the board "${name}"`, {
      mend: `Name those of this fleet with --board: ${boards.join(', ')}.`,
    })
  })
  if (kinds.length === 0)
    throw new HyphaError('argument-invalid', 'A release of the firmware is for kinds of boards, and none is named', {
      mend: `Name those of this fleet with --board: ${boards.join(', ')}.`,
    })
  const version = options.label ?? firmwareVersion
  if (!/^[\w.+-]+$/.test(version) || version.length > maxVersion)
    throw new HyphaError('argument-invalid', `"${version}" can't be what a firmware calls itself`, {
      mend: `Use at most ${maxVersion} letters, digits and .+-_ for --label.`,
    })
  const make = async () => {
    const folder = join(cli.home.folder, 'mcu/release')
    const files = kinds.flatMap((board) =>
      buildSlots(board, version, folder).map((image) => ({ ...image, arch: board as string })),
    )
    return { files, version }
  }
  await releaseBuiltIn(cli, firmwareApp, options, make, 'no board: none of these takes its firmware over its line')
}
