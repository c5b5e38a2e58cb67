import { makePatch } from '@hypha/core/delta/make-patch.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import { afterEach, describe, expect, it } from 'vitest'
import { crypto, keys, makeDirective, makeRelease, signDirective, signRelease, thief } from '../../support/signed.ts'
import { type Board, boards, samplesOf } from './board.ts'
import { bad, counter } from './modules.ts'
import { activate, deliver, makePush, type Push } from './story.ts'

const { newBoard, cleanUp } = boards()
afterEach(cleanUp)

const good = makePush(await counter(1), { number: 5, floor: 4 })

/** A board that runs something good. */
async function running(): Promise<Board> {
  const { board } = newBoard()
  await board.start()
  expect(await deliver(board, good)).toBe('complete')
  expect(await activate(board, good)).toBe('ok')
  return board
}

/** What was good still runs, and says something new. */
async function goesOn(board: Board, epoch = 5): Promise<void> {
  const state = await board.state(({ running: [one] }) => one?.status === 'running')
  expect(state.slots[state.running[0]!.slot]).toMatchObject({ status: 'confirmed', epoch })
  const count = () => samplesOf(board.reports).get(`count@${epoch}`)?.size ?? 0
  const before = count()
  await board.until(() => count() > before + 2)
}

const core = await counter(1000)

describe('A board that runs something good', () => {
  it.each<[string, string, () => Promise<Push>]>([
    ['a directive for another board', 'wrong-node', async () => makePush(core, { number: 6, node: 'mcu-2' })],
    ['an older directive', 'directive-rollback', async () => makePush(core, { number: 6, version: 4 })],
    [
      'another directive of the same version',
      'directive-conflict',
      async () => makePush(core, { number: 6, version: 5 }),
    ],
    ['a release below the floor', 'release-below-floor', async () => makePush(core, { number: 3, epoch: 6 })],
    [
      'a release that a thief signed',
      'threshold-not-met',
      async () => {
        const envelope = signRelease(makeRelease({ number: 6 }), [thief])
        const push = makePush(core, { number: 6 })
        const section = { ...push.section, envelope: crypto.sha256(envelope) }
        return {
          ...push,
          envelope,
          directive: signDirective(makeDirective({ node: 'mcu-1', version: 6, sections: [section] })),
        }
      },
    ],
    [
      'a directive that the release key signed',
      'threshold-not-met',
      async () => {
        const push = makePush(core, { number: 6 })
        const value = makeDirective({ node: 'mcu-1', version: 6, sections: [push.section] })
        return { ...push, directive: signDirective(value, keys.release) }
      },
    ],
    [
      'a directive that was cut off',
      'bytes-truncated',
      async () => {
        const push = makePush(core, { number: 6 })
        return { ...push, directive: push.directive.subarray(0, 200) }
      },
    ],
    [
      'a release that the directive does not name',
      'rules-order',
      async () => ({ ...makePush(core, { number: 6 }), envelope: signRelease(makeRelease({ number: 7 })) }),
    ],
    [
      'a content that the release does not list',
      'content-unlisted',
      async () => ({ ...makePush(core, { number: 6 }), core: await counter(7) }),
    ],
    [
      'bytes that are no module',
      'wasm-malformed',
      async () => makePush(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 99), { number: 6 }),
    ],
    [
      'two instances',
      'board-instances',
      async () =>
        makePush(core, {
          number: 6,
          section: {
            instances: ['mcu-1', 'mcu-2'].map((home) => ({
              module: 'sampler',
              home,
              form: 'core',
              links: [],
              config: {},
            })),
          },
        }),
    ],
  ])('refuses %s with %s, and goes on', async (_, code, make) => {
    const board = await running()
    expect(await deliver(board, await make())).toBe(code)
    await goesOn(board)
  })

  it('refuses a patch over something else than what it runs, and one that comes to something else', async () => {
    const board = await running()
    const push = makePush(core, { number: 6 })
    await board.transfer('directive', push.directive)
    await board.transfer('release', push.envelope)
    const nonsense = Uint8Array.from({ length: 300 }, (_, i) => (i === 0 ? 130 : i === 1 ? 8 : i < 4 ? 0 : i * 7))
    expect(await board.transfer('content', nonsense, { of: core, base: core })).toBe('patch-base-missing')
    expect(await board.transfer('content', nonsense, { of: core, base: good.core })).toMatch(
      /delta-malformed|content-mismatch/,
    )
    expect(await board.transfer('content', Uint8Array.of(1, 2, 3), { of: core, base: good.core })).toBe(
      'delta-malformed',
    )
    expect(await board.transfer('content', core)).toBe('complete')
    await goesOn(board)
  })

  it('that runs nothing yet refuses a patch over anything', async () => {
    const { board } = newBoard()
    await board.start()
    const push = makePush(core, { number: 6 })
    await board.transfer('directive', push.directive)
    await board.transfer('release', push.envelope)
    const patch = makePatch(good.core, core, brotli, { profile: 'mcu' }).bytes
    expect(await board.transfer('content', patch, { of: core, base: good.core })).toBe('patch-base-missing')
    expect(await board.transfer('content', core)).toBe('complete')
  })

  it("refuses to run a module whose import isn't there, and goes back", async () => {
    const board = await running()
    const missing = await bad('(call $gone)', 3, '(import "hypha:host/sql@0.1.0" "query" (func $gone))')
    const push = makePush(missing, { number: 6 })
    expect(await deliver(board, push)).toBe('complete')
    expect(await activate(board, push)).toBe('import-not-linked')
    await goesOn(board)
  })

  it.each([
    ['runs for ever', 'turn-deadline', '(loop $l (br $l))'],
    ['calls itself without end', 'turn-trapped', '(drop (call $deep (i32.const 0)))'],
    ['does what it must not', 'turn-trapped', '(unreachable)'],
    ['reads beyond its memory', 'turn-trapped', '(drop (i32.load (i32.const 1021)))'],
    [
      'gives the host a pointer that is none',
      'turn-trapped',
      '(call $emit (i32.const 1020) (i32.const 5) (f64.const 1) (i32.const 64))',
    ],
  ])(
    'goes back from a module on trial that %s, says %s, and has nothing of the turn that failed',
    async (_, code, body) => {
      const board = await running()
      const push = makePush(await bad(body), { number: 6 })
      expect(await deliver(board, push)).toBe('complete')
      expect(await activate(board, push, false)).toBe('ok')
      const state = await board.state(({ slots }) => slots.some(({ status }) => status === 'failed'))
      expect(state.slots.find(({ status }) => status === 'failed')).toMatchObject({ epoch: 6 })
      await goesOn(board)
      const codes = board.reports.flatMap(({ entries }) =>
        entries.map(({ entry }) => (entry.kind === 'event' ? entry.code : '')),
      )
      expect(codes).toEqual(expect.arrayContaining([code, 'board-reverted']))
      expect([...(samplesOf(board.reports).get('count@6')?.values() ?? [])]).toEqual([1, 2])
    },
  )

  it('starts a confirmed module anew after a trap, later each time, and says so', async () => {
    const { board } = newBoard()
    await board.start()
    const push = makePush(await bad('(unreachable)', 40), { number: 1 })
    await deliver(board, push)
    expect(await activate(board, push)).toBe('ok')
    const state = await board.state(({ running: [one] }) => (one?.restarts ?? 0) >= 1)
    expect(state.running[0]).toMatchObject({ error: 'turn-trapped' })
    // It traps again after as many ticks: so it did start.
    await board.state(({ running: [one] }) => (one?.restarts ?? 0) >= 2)
  })

  it('reads on after a frame that is longer than announced, and after noise', async () => {
    const board = await running()
    board.noise(Uint8Array.from({ length: 9_000 }, (_, i) => (i * 31) % 255 || 1))
    board.noise(Uint8Array.of(0, 0, 5, 1, 2, 0))
    await goesOn(board)
    await board.send({ kind: 'call', number: 1, what: 'read', name: 'nothing', value: null })
    await board.until(() => board.heard('answer').length === 1)
  })

  it('keeps its floor over a start', async () => {
    const { board, again } = newBoard()
    await board.start()
    await deliver(board, good)
    await activate(board, good)
    await board.kill()
    const later = again()
    await later.start()
    expect(await deliver(later, makePush(core, { number: 3, epoch: 6 }))).toBe('release-below-floor')
    await goesOn(later)
  })
})
