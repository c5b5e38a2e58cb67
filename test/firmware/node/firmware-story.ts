import { toUtf8 } from '@hypha/core/bytes/text.ts'
import type { Release } from '@hypha/core/trust/release.ts'
import type { BoardFirmware } from '@hypha/core/wire/board/firmware.ts'
import {
  artifact,
  identity,
  makeDirective,
  makeRelease,
  makeSection,
  signDirective,
  signRelease,
} from '../../support/signed.ts'
import type { Board } from './board.ts'
import type { Push } from './story.ts'

// What a gateway would sign for the firmware of the board `mcu-1`.

export interface Images {
  readonly a: Uint8Array
  readonly b: Uint8Array
}

/** The head of an image begins so, and not code that compares with it. */
const isHead = (bytes: Uint8Array, at: number) =>
  /^HFW1.{8}[a-z][a-z0-9_]+\0+0\.\d\.0\0/s.test(Buffer.from(bytes.subarray(at, at + 40)).toString('latin1'))
/** In an image's head, behind magic, address and length. */
const boardAt = 12
const versionAt = 32

/** An image with another text in its head: the program has it once more where it isn't the image itself. */
function edited(image: Uint8Array, at: number, text: string, size: number): Uint8Array {
  const out = Uint8Array.from(image)
  for (let i = 0; i + 64 <= out.length; i += 4) {
    if (out[i] !== 0x48 || !isHead(out, i)) continue
    out.fill(0, i + at, i + at + size)
    out.set(toUtf8(text), i + at)
  }
  return out
}

export const withVersion = (images: Images, version: string): Images => ({
  a: edited(images.a, versionAt, version, 32),
  b: edited(images.b, versionAt, version, 32),
})

export const forBoard = (images: Images, board: string): Images => ({
  a: edited(images.a, boardAt, board, 20),
  b: edited(images.b, boardAt, board, 20),
})

export interface FirmwarePushOptions {
  readonly number?: number
  readonly floor?: number
  readonly epoch?: number
  readonly arch?: string
  readonly release?: Partial<Release>
  readonly signers?: Parameters<typeof signRelease>[1]
  /** A push of an app that the directive asks for beside it. */
  readonly beside?: Push
}

export interface FirmwarePush extends Images {
  readonly envelope: Uint8Array
  readonly directive: Uint8Array
  readonly section: Push['section']
}

export function makeFirmwarePush(images: Images, options: FirmwarePushOptions = {}): FirmwarePush {
  const { number = 1, floor = 0, epoch = number, arch = 'host', beside } = options
  const files = [
    { name: 'slot-a', arch, artifact: artifact(images.a) },
    { name: 'slot-b', arch, artifact: artifact(images.b) },
  ]
  const value = makeRelease({ app: 'hypha-firmware', number, floor, modules: [], files, ...options.release })
  const envelope = signRelease(value, options.signers)
  // A release of one image for both slots lists it once.
  const contents = [identity(envelope), identity(images.a)]
  if (!Buffer.from(images.a).equals(Buffer.from(images.b))) contents.push(identity(images.b))
  const section = makeSection(value, envelope, { epoch, instances: [], contents })
  const sections = beside === undefined ? [section] : [beside.section, section]
  const directive = signDirective(makeDirective({ node: 'mcu-1', version: 100 + epoch, sections }))
  return { ...images, envelope, directive, section }
}

/** What the board says of its firmware, once it fits. */
export const firmwareOf = (board: Board, fits: (firmware: BoardFirmware) => boolean = () => true) =>
  board.until(() => board.heard('firmware').findLast((_, i, all) => i === all.length - 1 && fits(all[i]!)))

/** Sends directive, release and the image for the slot that doesn't run; answers the first code that isn't `complete`. */
export async function deliverFirmware(board: Board, push: FirmwarePush): Promise<string> {
  const { runs } = await firmwareOf(board)
  for (const step of [
    () => board.transfer('directive', push.directive),
    () => board.transfer('release', push.envelope),
    () => board.transfer('content', runs === 0 ? push.b : push.a),
  ]) {
    const answer = await step()
    if (answer !== 'complete') return answer
  }
  return 'complete'
}

/** Tells a step; the board may start anew with it. */
export async function tell(
  board: Board,
  { section: { app, epoch, release } }: FirmwarePush,
  step: 'activate' | 'confirm' | 'revert',
): Promise<void> {
  await board.send({ kind: 'activation', step, app, epoch, release })
}

/** Waits for the board to identify itself once more than before, and tells it the time. */
export async function startsAnew(board: Board, before: number): Promise<string> {
  const identify = await board.until(() => board.heard('identify')[before])
  await board.send({ kind: 'time', nowMs: 1_800_000_100_000 })
  return identify.firmware
}
