import { makePatch } from '@hypha/core/delta/make-patch.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import { afterEach, describe, expect, it } from 'vitest'
import { Board, buildImage, buildSlots, samplesOf } from './board.ts'
import { firmwareOf, makeFirmwarePush, startsAnew, tell, withVersion } from './firmware-story.ts'
import { counter } from './modules.ts'
import { activate, deliver, makePush } from './story.ts'

// The boot part and both slots of a real image, in an emulator that lets it write its code memory.

const ends: Board[] = []
afterEach(async () => {
  for (const board of ends.splice(0)) await board.kill()
})

function boot(machine: string, name: string): Board {
  const quiet = ['-display', 'none', '-monitor', 'none', '-serial', 'stdio']
  const board = new Board('qemu-system-arm', ['-M', machine, ...quiet, '-kernel', buildImage(name)])
  ends.push(board)
  return board
}

describe('A Cortex-M4 whose firmware is updated', () => {
  it('starts the other slot, which came as a patch of the one that ran, and goes back to it when the new one hangs', {
    timeout: 240_000,
  }, async () => {
    const board = boot('mps2-an386', 'mps2_an386')
    expect(await board.start()).toMatchObject({ hardware: 'mps2_an386', firmware: '0.1.0' })
    const app = makePush(await counter(1))
    await deliver(board, app)
    expect(await activate(board, app)).toBe('ok')
    const built = buildSlots('mps2_an386')
    // What a board is flashed with is what a release has: so it can be patched.
    const { slots } = await firmwareOf(board)
    expect(slots[0]).toMatchObject({ status: 'confirmed', size: built.a.length, epoch: null })
    const next = withVersion(built, '0.2.0')
    const push = makeFirmwarePush(next, { number: 2, arch: 'mps2_an386', beside: app })
    await board.transfer('directive', push.directive)
    await board.transfer('release', push.envelope)
    const patch = makePatch(built.a, next.b, brotli, { profile: 'mcu' }).bytes
    expect(patch.length).toBeLessThan(1_000)
    expect(await board.transfer('content', patch, { of: next.b, base: built.a })).toBe('complete')
    let before = board.heard('identify').length
    await tell(board, push, 'activate')
    expect(await startsAnew(board, before)).toBe('0.2.0')
    await tell(board, push, 'confirm')
    await firmwareOf(board, ({ runs, slots: [, b] }) => runs === 1 && b?.status === 'confirmed')
    const count = () => samplesOf(board.reports).get('count@1')?.size ?? 0
    const sampled = count()
    await board.until(() => count() > sampled + 2)

    // One that does nothing from its first instruction on: the watchdog that the boot part starts ends it, three times.
    const hanging = withVersion(built, '0.3.0')
    const entry = new DataView(hanging.a.buffer).getUint32(4, true) - 1 - 0x240000
    hanging.a.set([0xfe, 0xe7], entry)
    const third = makeFirmwarePush(hanging, { number: 3, arch: 'mps2_an386', beside: app })
    await board.transfer('directive', third.directive)
    await board.transfer('release', third.envelope)
    expect(await board.transfer('content', hanging.a)).toBe('complete')
    before = board.heard('identify').length
    await tell(board, third, 'activate')
    expect(await startsAnew(board, before)).toBe('0.2.0')
    await firmwareOf(board, ({ runs, slots: [a] }) => runs === 1 && a?.status === 'failed')
    await board.until(() =>
      board.reports.some(({ entries }) =>
        entries.some(({ entry: one }) => one.kind === 'event' && one.code === 'board-reverted'),
      ),
    )
  })

  it('takes no image of another kind of board, and none that was linked for the slot that runs', {
    timeout: 120_000,
  }, async () => {
    const board = boot('mps2-an386', 'mps2_an386')
    await board.start()
    const built = buildSlots('mps2_an386')
    const swapped = makeFirmwarePush(
      { a: built.b, b: withVersion(built, '0.2.0').a },
      { number: 2, arch: 'mps2_an386' },
    )
    await board.transfer('directive', swapped.directive)
    await board.transfer('release', swapped.envelope)
    expect(await board.transfer('content', swapped.b)).toBe('firmware-board')
    const stranger = makeFirmwarePush(built, { number: 3, arch: 'lm3s6965evb' })
    await board.transfer('directive', stranger.directive)
    expect(await board.transfer('release', stranger.envelope)).toBe('firmware-board')
  })
})

describe('A Cortex-M3 whose flash the emulator cannot write', () => {
  it('says nothing of slots for its firmware, and refuses a release of it', { timeout: 120_000 }, async () => {
    const board = boot('lm3s6965evb', 'lm3s6965evb')
    await board.start()
    const push = makeFirmwarePush({ a: new Uint8Array(2_000), b: new Uint8Array(2_001) }, { arch: 'lm3s6965evb' })
    await board.transfer('directive', push.directive)
    expect(await board.transfer('release', push.envelope)).toBe('update-unsupported')
    expect(board.heard('firmware')).toEqual([])
  })
})
