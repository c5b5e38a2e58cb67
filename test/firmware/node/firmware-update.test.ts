import { afterEach, describe, expect, it } from 'vitest'
import { thief } from '../../support/signed.ts'
import { type Board, boards, buildSlots, samplesOf } from './board.ts'
import {
  deliverFirmware,
  type FirmwarePush,
  firmwareOf,
  forBoard,
  makeFirmwarePush,
  startsAnew,
  tell,
  withVersion,
} from './firmware-story.ts'
import { counter } from './modules.ts'
import { activate, deliver, makePush } from './story.ts'

const { newBoard, cleanUp } = boards()
afterEach(cleanUp)

const built = buildSlots('host')
const next = withVersion(built, '0.2.0')
const app = makePush(await counter(1))

/** Takes it as far as its first start. */
async function tryOut(board: Board, push: FirmwarePush): Promise<string> {
  expect(await deliverFirmware(board, push)).toBe('complete')
  const before = board.heard('identify').length
  await tell(board, push, 'activate')
  return startsAnew(board, before)
}

const events = (board: Board) =>
  board.reports.flatMap(({ entries }) => entries.map(({ entry }) => (entry.kind === 'event' ? entry.code : '')))

// A program of two hundred kilobytes goes over the line, on a machine with other work.
describe('A new firmware for a board', { timeout: 120_000 }, () => {
  it('goes to the slot that does not run, starts on trial, is confirmed, and starts from then on; the module goes on counting', async () => {
    const { board, again } = newBoard()
    expect(await board.start()).toMatchObject({ firmware: '0.1.0' })
    await deliver(board, app)
    expect(await activate(board, app)).toBe('ok')
    await board.until(() => (samplesOf(board.reports).get('count@1')?.size ?? 0) > 3)
    const push = makeFirmwarePush(next, { number: 2, beside: app })
    expect(await tryOut(board, push)).toBe('0.2.0')
    expect(await firmwareOf(board, ({ runs }) => runs === 1)).toMatchObject({
      slots: [
        { status: 'confirmed', epoch: null },
        { status: 'trial', app: 'hypha-firmware', release: 2, epoch: 2 },
      ],
    })
    await tell(board, push, 'confirm')
    await firmwareOf(board, ({ slots }) => slots[1]?.status === 'confirmed')
    const values = [...(samplesOf(board.reports).get('count@1')?.values() ?? [])]
    await board.until(() => (samplesOf(board.reports).get('count@1')?.size ?? 0) > values.length + 2)
    expect(Math.max(...values)).toBeGreaterThan(3)
    await board.kill()
    const later = again()
    expect(await later.start()).toMatchObject({ board: 'mcu-1', fleet: 'garden', firmware: '0.2.0' })
    expect(await firmwareOf(later)).toMatchObject({ runs: 1, slots: [{}, { status: 'confirmed' }] })
    // The one after it goes to the first slot again.
    const third = makeFirmwarePush(withVersion(built, '0.3.0'), { number: 3, beside: app })
    expect(await tryOut(later, third)).toBe('0.3.0')
    expect(await firmwareOf(later, ({ runs }) => runs === 0)).toMatchObject({ slots: [{ status: 'trial' }, {}] })
  })

  it('that is never confirmed is given up after three starts, and the one before runs again and says so', async () => {
    const { board, again } = newBoard()
    await board.start()
    const push = makeFirmwarePush(next, { number: 2 })
    let now = board
    expect(await tryOut(now, push)).toBe('0.2.0')
    for (const version of ['0.2.0', '0.2.0', '0.1.0']) {
      await now.kill()
      now = again()
      expect((await now.start()).firmware).toBe(version)
    }
    expect(await firmwareOf(now)).toMatchObject({ runs: 0, slots: [{ status: 'confirmed' }, { status: 'failed' }] })
    await now.until(() => events(now).includes('board-reverted'))
    await now.kill()
    expect((await again().start()).firmware).toBe('0.1.0')
  })

  it('that nobody speaks to starts anew by itself until it is given up', async () => {
    const { board } = newBoard('--hurry', '60')
    await board.start()
    const push = makeFirmwarePush(next, { number: 2 })
    expect(await tryOut(board, push)).toBe('0.2.0')
    await board.until(() => board.heard('identify').at(-1)?.firmware === '0.1.0')
  })

  it('is taken back when it is told so, and can be tried once more', async () => {
    const { board } = newBoard()
    await board.start()
    const push = makeFirmwarePush(next, { number: 2 })
    await tryOut(board, push)
    const before = board.heard('identify').length
    await tell(board, push, 'revert')
    expect(await startsAnew(board, before)).toBe('0.1.0')
    await firmwareOf(board, ({ slots }) => slots[1]?.status === 'failed')
    expect(await tryOut(board, makeFirmwarePush(next, { number: 2, epoch: 3 }))).toBe('0.2.0')
  })

  it.each([
    ['that was damaged on its way', (image: Uint8Array) => image.map((byte, i) => (i === 70_000 ? byte ^ 1 : byte))],
    ['that was cut off', (image: Uint8Array) => image.map((byte, i) => (i < image.length - 9 ? byte : 0xff))],
  ])('%s is refused, and comes anew', async (_, damage) => {
    const { board } = newBoard()
    await board.start()
    const push = makeFirmwarePush(next, { number: 2 })
    await board.transfer('directive', push.directive)
    await board.transfer('release', push.envelope)
    const damaged = { of: push.b, base: null, encoding: 'identity' } as const
    expect(await board.transfer('content', damage(push.b), damaged)).toBe('digest-mismatch')
    await tell(board, push, 'activate')
    await board.until(() =>
      board.heard('refused').some(({ of, code }) => of === 'activation' && code === 'rules-order'),
    )
    expect(await tryOut(board, push)).toBe('0.2.0')
  })

  it('is not begun while another is on trial, and not activated before it is whole', async () => {
    const { board } = newBoard()
    await board.start()
    const push = makeFirmwarePush(next, { number: 2 })
    await board.transfer('directive', push.directive)
    await board.transfer('release', push.envelope)
    await tell(board, push, 'activate')
    await board.until(() =>
      board.heard('refused').some(({ of, code }) => of === 'activation' && code === 'rules-order'),
    )
    await tryOut(board, push)
    const third = makeFirmwarePush(built, { number: 3 })
    expect(await deliverFirmware(board, third)).toBe('rules-order')
  })

  it('goes on with the byte after what is durable, when the line or the power was gone', async () => {
    const { board, again } = newBoard()
    await board.start()
    const push = makeFirmwarePush(next, { number: 2 })
    await board.transfer('directive', push.directive)
    await board.transfer('release', push.envelope)
    await board.transfer('content', push.b, undefined, 100_000)
    await board.until(() => board.heard('held').some(({ at }) => at >= 90_000))
    await board.kill()
    const later = again()
    await later.start()
    expect(await deliverFirmware(later, push)).toBe('complete')
    expect(later.lastHeldAt).toBeGreaterThanOrEqual(90_000)
  })

  it.each<[string, string, () => FirmwarePush]>([
    ['for another kind of board', 'firmware-board', () => makeFirmwarePush(next, { number: 6, arch: 'mps2_an386' })],
    [
      'that says so falsely that it is for this one',
      'firmware-board',
      () => makeFirmwarePush(forBoard(next, 'mps2_an386'), { number: 6 }),
    ],
    ['below the floor', 'release-below-floor', () => makeFirmwarePush(next, { number: 3, epoch: 6 })],
    ['that a thief signed', 'threshold-not-met', () => makeFirmwarePush(next, { number: 6, signers: [thief] })],
    [
      'whose release has no files',
      'metadata-invalid',
      () => makeFirmwarePush(next, { number: 6, release: { files: [] } }),
    ],
    [
      'larger than its slot',
      'board-full',
      () => {
        const large = new Uint8Array(500_000)
        return makeFirmwarePush({ a: large, b: large }, { number: 6 })
      },
    ],
  ])('%s is refused with %s, and the one that runs goes on', async (_, code, make) => {
    const { board } = newBoard()
    await board.start()
    expect(await deliverFirmware(board, makeFirmwarePush(built, { number: 5, floor: 4 }))).toBe('complete')
    const push = make()
    expect(await deliverFirmware(board, push)).toBe(code)
    const before = board.heard('refused').length
    await tell(board, push, 'activate')
    await board.until(() => board.heard('refused').length > before)
    expect((await firmwareOf(board)).runs).toBe(0)
  })
})
