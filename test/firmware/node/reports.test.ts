import type { BoardState } from '@hypha/core/wire/board/state.ts'
import { afterEach, describe, expect, it } from 'vitest'
import { wat } from '../../support/wasm-guest.ts'
import { type Board, boards, buildSlots, samplesOf } from './board.ts'
import { deliverFirmware, makeFirmwarePush, startsAnew, tell, withVersion } from './firmware-story.ts'
import { counter } from './modules.ts'
import { activate, deliver, makePush } from './story.ts'

const { newBoard, cleanUp } = boards()
afterEach(cleanUp)

const memory = `(memory (export "memory") 1 1) (global (export "hypha_memory_end") i32 (i32.const 1024))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 900))`

/** Emits four metrics with long names, and writes a line of 256 characters in its fifth tick. */
const talker = () =>
  wat(`(module (import "hypha:host/telemetry@0.1.0" "emit" (func $emit (param i32 i32 f64 i32)))
    (import "hypha:host/log@0.1.0" "write" (func $log (param i32 i32 i32)))
    ${memory} (data (i32.const 512) "moisture-of-bed-1moisture-of-bed-2moisture-of-bed-3moisture-of-bed-4")
    (data (i32.const 600) "${'x'.repeat(256)}")
    (global $count (mut i32) (i32.const 0))
    (func $one (param i32) (call $emit (local.get 0) (i32.const 17) (f64.convert_i32_s (global.get $count)) (i32.const 64)))
    (func (export "hypha:module/timer@0.1.0#tick") (param i64)
      (global.set $count (i32.add (global.get $count) (i32.const 1)))
      (call $one (i32.const 512)) (call $one (i32.const 529)) (call $one (i32.const 546)) (call $one (i32.const 563))
      (if (i32.eq (global.get $count) (i32.const 5)) (then (call $log (i32.const 1) (i32.const 600) (i32.const 256))))))`)

/** Falls in its third tick, and takes messages. */
const faller = () =>
  wat(`(module ${memory} (global $count (mut i32) (i32.const 0))
    (func (export "hypha:module/timer@0.1.0#tick") (param i64)
      (global.set $count (i32.add (global.get $count) (i32.const 1)))
      (if (i32.ge_u (global.get $count) (i32.const 3)) (then (unreachable))))
    (func (export "hypha:module/inbox@0.1.0#deliver") (param i32 i32 i32 i32)))`)

const started = async (board: Board, push: ReturnType<typeof makePush>) => {
  expect(await deliver(board, push)).toBe('complete')
  expect(await activate(board, push)).toBe('ok')
}
const counts = (board: Board, epoch = 1) => samplesOf(board.reports).get(`count@${epoch}`) ?? new Map<number, number>()
const status = ({ running }: BoardState) => running[0]?.status

describe('What a board reports', () => {
  it('says how long the change to what runs took, from then on', async () => {
    const { board } = newBoard()
    await board.start()
    await started(board, makePush(await counter(1)))
    await board.until(() => counts(board).size > 2)
    expect(board.reports.at(-1)!.pausedMs).toBeGreaterThan(0)
    await started(board, makePush(await counter(2), { number: 2 }))
    await board.until(() => counts(board, 2).size > 2)
    const state = await board.state(({ pausedMs }) => pausedMs !== null)
    expect(board.reports.at(-1)!.pausedMs).toBe(state.pausedMs! + 1)
  })

  it('is not held up by a line that is longer than any report: that is dropped, and the gap told', async () => {
    const { board } = newBoard()
    const { incarnation } = await board.start()
    await started(board, makePush(await talker(), { spec: { timerMs: 300 } }))
    await board.until(() => [...(samplesOf(board.reports).get('moisture-of-bed-1@1')?.values() ?? [])].includes(6))
    const upTo = Math.max(...board.reports.map(({ first, count }) => first + count - 1))
    await board.send({ kind: 'ack', incarnation, upTo, anew: null })
    expect(board.reports.some(({ after }) => after !== null)).toBe(true)
    expect(board.reports.flatMap(({ entries }) => entries.map(({ entry }) => entry.kind))).not.toContain('log')
    // Nothing else had to go before it.
    const { dropped } = await board.state(({ running }) => (running[0]?.turns ?? 0) > 6)
    expect(dropped).toBe(0)
  })

  it('is with its node before a new firmware starts: the module is stopped, and the start waits for the last acknowledgement', {
    timeout: 120_000,
  }, async () => {
    const { board } = newBoard()
    const { incarnation } = await board.start()
    const app = makePush(await counter(1))
    await started(board, app)
    const push = makeFirmwarePush(withVersion(buildSlots('host'), '0.2.0'), { number: 2, beside: app })
    expect(await deliverFirmware(board, push)).toBe('complete')
    const before = board.heard('identify').length
    await tell(board, push, 'activate')
    await board.state((state) => status(state) === 'stopped')
    const old = board.reports.length
    const upTo = Math.max(...board.reports.map(({ first, count }) => first + count - 1))
    const counted = Math.max(...counts(board).values())
    await board.send({ kind: 'ack', incarnation, upTo, anew: null })
    expect(await startsAnew(board, before)).toBe('0.2.0')
    await board.send({ kind: 'time', nowMs: 1_800_000_100_000 })
    const after = await board.until(() =>
      board.reports.slice(old).find(({ incarnation: its }) => its !== incarnation && its.join() !== incarnation.join()),
    )
    expect([...samplesOf([after]).get('count@1')!.values()][0]).toBe(counted + 1)
  })
})

describe('An input for a module that is to be started again', () => {
  it('waits for that', async () => {
    const { board } = newBoard()
    await board.start()
    await started(board, makePush(await faller(), { spec: { timerMs: 200, subscribe: ['limit'] } }))
    await board.state((state) => status(state) === 'backoff')
    await board.send({
      kind: 'input',
      source: new Uint8Array(8).fill(3),
      number: 1,
      app: 'greenhouse',
      module: 'sampler',
      home: 'mcu-1',
      topic: 'limit',
      payload: new Uint8Array(2),
    })
    const entries = () => board.reports.flatMap((each) => each.entries.map(({ entry }) => entry))
    const handled = await board.until(() => entries().find(({ kind }) => kind === 'handled'))
    expect(handled).toMatchObject({ number: 1, outcome: 'ok' })
  })
})
