import type { BoardState } from '@hypha/core/wire/board/state.ts'
import type { Report, ReportEntry } from '@hypha/core/wire/messages/report.ts'
import { describe, expect, it } from 'vitest'
import { type Attested, BoardReceipts } from '../../../agent/boards/board-receipts.ts'
import { packReport } from '../../gateway/ingest/support.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const source = new Uint8Array(8).fill(3)
const incarnation = new Uint8Array(8).fill(1)
const mac = new Uint8Array(16).fill(9)
const body = Uint8Array.of(1, 2, 3)
const input = (number: number) => ({
  source,
  number,
  app: 'greenhouse',
  module: 'sampler',
  home: 'mcu-1',
  topic: 'limit',
  payload: new Uint8Array(),
})

const stateOf = (epoch: number | null, pausedMs: number | null = null): BoardState => ({
  root: 1,
  directive: 1,
  slots: [
    {
      slot: 0,
      status: epoch === null ? 'empty' : 'trial',
      digest: null,
      size: null,
      held: null,
      app: epoch && 'greenhouse',
      module: epoch && 'sampler',
      release: epoch,
      releaseDigest: epoch && new Uint8Array(32).fill(epoch),
      epoch,
    } as BoardState['slots'][number],
  ],
  risen: [],
  running: epoch === null ? [] : [{ slot: 0, status: 'running', restarts: 0, turns: 0, error: null }],
  pausedMs,
  uptimeMs: 0,
  waiting: 0,
  dropped: 0,
})

const reportOf = (pausedMs: number | null, ...handled: number[]): Report => {
  const entries = handled.map((number) => {
    const { source, app, module, home } = input(number)
    const entry: ReportEntry = { kind: 'handled', app, module, home, source, number, outcome: 'ok', effects: null }
    return { at: 1_800_000_000_000, entry }
  })
  return packReport(1, entries, { incarnation, pausedMs })
}

function started() {
  const clock = new FakeClock()
  const signed: Attested[] = []
  const receipts = new BoardReceipts({
    board: 'mcu-1',
    clock,
    now: () => ({ ms: 1_000_000 + clock.monotonic(), errorMs: 2 }),
    orderOf: (_, epoch) => (epoch === 5 ? { wave: 1, instantMs: 1_000_000 } : { wave: 0, instantMs: null }),
    sign: (said) => signed.push(said),
  })
  return { receipts, signed, clock }
}

/** A board that runs epoch 4, and was given two inputs of which it has handled one; then it goes to epoch 5. */
function flipped() {
  const all = started()
  const { receipts, clock } = all
  receipts.heard(stateOf(4), incarnation)
  receipts.gave([input(1), input(2)])
  receipts.reported(reportOf(null, 1), body, mac)
  receipts.activating()
  clock.advance(40)
  receipts.heard(stateOf(5, 11), incarnation)
  return all
}

describe('The receipt of a board, which its node signs', () => {
  it('has the pause from a report of the board itself, and what became of the inputs that it was given', () => {
    const { receipts, signed } = flipped()
    receipts.reported(reportOf(12), body, mac)
    expect(signed).toEqual([])
    receipts.reported(reportOf(12, 2), Uint8Array.of(4), mac)
    const release = (epoch: number) => ({ epoch, release: new Uint8Array(32).fill(epoch) })
    expect(signed).toEqual([
      {
        node: 'mcu-1',
        app: 'greenhouse',
        incarnation,
        from: release(4),
        to: release(5),
        wave: 1,
        instantMs: 1_000_000,
        flippedMs: 1_000_020,
        errorMs: 22,
        pauseMs: 12,
        inputs: { before: 1, carried: 1, after: 1, lost: 0, doubled: 0 },
        late: false,
        report: { body, mac },
      },
    ])
  })

  it('says that it does not know where that does not come to be known', () => {
    const { signed, clock } = flipped()
    clock.advance(10_000)
    expect(signed).toMatchObject([{ pauseMs: 12, inputs: null, report: null }])
  })

  it('is late for one that no commit named an instant for, and counts no input that the gateway still has', () => {
    const { receipts, signed } = started()
    receipts.heard(stateOf(null), incarnation)
    receipts.gave([input(1)])
    receipts.notTaken([input(1)])
    receipts.activating()
    receipts.heard(stateOf(6, 3), incarnation)
    receipts.reported(reportOf(4), body, mac)
    expect(signed).toMatchObject([{ from: null, to: { epoch: 6 }, late: true, inputs: { carried: 0, lost: 0 } }])
  })

  it('is made of no flip that its node has not seen: a board that was running when the node began, or went back', () => {
    const { receipts, signed, clock } = started()
    receipts.heard(stateOf(5, 11), incarnation)
    receipts.activating()
    receipts.heard(stateOf(4, 11), incarnation)
    receipts.reported(reportOf(12), body, mac)
    clock.advance(20_000)
    expect(signed).toEqual([])
  })
})
