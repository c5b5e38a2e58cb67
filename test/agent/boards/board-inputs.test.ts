import type { BoardInput } from '@hypha/core/wire/board/input.ts'
import { inputRoom } from '@hypha/core/wire/board/input-room.ts'
import { toBoard } from '@hypha/core/wire/board/messages.ts'
import type { BoardState } from '@hypha/core/wire/board/state.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BoardInputs } from '../../../agent/boards/board-inputs.ts'
import type { Done } from '../../../agent/boards/requests.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const source = new Uint8Array(8).fill(3)
const input = (number: number, bytes = 10, module = 'sampler') => ({
  source,
  number,
  app: 'greenhouse',
  module,
  home: 'mcu-1',
  topic: 'climate/outdoor',
  payload: new Uint8Array(bytes),
  publisher: null,
})

const stateOf = (module: string | null, status: BoardState['running'][number]['status'] = 'running'): BoardState => ({
  root: 1,
  directive: 1,
  slots: [
    {
      slot: 0,
      status: module === null ? 'empty' : 'confirmed',
      digest: null,
      size: null,
      held: null,
      app: module && 'greenhouse',
      module,
      release: 1,
      releaseDigest: null,
      epoch: 1,
    },
  ],
  risen: [],
  running: module === null ? [] : [{ slot: 0, status, restarts: 0, turns: 0, error: null }],
  pausedMs: null,
  uptimeMs: 0,
  waiting: 0,
  dropped: 0,
})

/** A board whose answers a test gives: what it was given, and what was refused. */
function started(runs: BoardState | null = stateOf('sampler')) {
  const clock = new FakeClock()
  const given: number[][] = []
  const refused: { number: number; text: string }[] = []
  const answers: ((done: Done) => void)[] = []
  const give = (inputs: readonly BoardInput[]) => {
    given.push(inputs.map(({ number }) => number))
    return new Promise<Done>((resolve) => answers.push(resolve))
  }
  const refuse = ({ number }: { number: number }, text: string) => refused.push({ number, text })
  const inputs = new BoardInputs({ board: 'mcu-1', clock, give, refuse }, 256)
  if (runs !== null) inputs.heard(runs)
  const answer = async (taken: number, code: string | null = null) => {
    answers.shift()!({ code, detail: taken })
    for (let turn = 0; turn < 4; turn++) await Promise.resolve()
  }
  return { inputs, given, refused, answer, clock }
}

describe('An input that is longer than the messages that a board takes', () => {
  it('is refused in words that say what there is room for, and those after it are given', async () => {
    const { inputs, given, refused } = started()
    inputs.add([input(1), input(2, 300), input(3)])
    expect(given).toEqual([[1, 3]])
    expect(refused).toHaveLength(1)
    expect(refused[0]!.number).toBe(2)
    expect(refused[0]!.text).toMatch(
      /^An input of 300 bytes on climate\/outdoor was given up: mcu-1 takes messages of at most 256 bytes, which leaves 193 for one on this topic\. /,
    )
  })

  it('is one by the byte', () => {
    const most = { ...input(1), home: null }
    fc.assert(
      fc.property(fc.integer({ min: 64, max: 4_096 }), fc.integer({ min: 0, max: 4_096 }), (messageBytes, length) => {
        const { publisher: _, ...rest } = most
        fc.pre(length < 4_000)
        const bytes = toBoard.encode({ kind: 'input', ...rest, payload: new Uint8Array(length) }).length
        expect(length <= inputRoom(rest, messageBytes)).toBe(bytes <= messageBytes)
      }),
    )
  })
})

describe('What comes for a board', () => {
  it('is given in order, some at a time, and nothing after one that was not taken before that one', async () => {
    const { inputs, given, answer, clock } = started()
    inputs.add(Array.from({ length: 10 }, (_, n) => input(n + 1)))
    await answer(3, 'board-busy')
    expect(given).toHaveLength(1)
    clock.advance(200)
    expect(given[1]).toEqual([4, 5, 6, 7, 8, 9, 10])
  })

  it('waits for a board whose line opens anew, and goes on where it was', async () => {
    const { inputs, given, answer, clock } = started()
    inputs.add([input(1), input(2)])
    inputs.left()
    await answer(1, 'board-away')
    inputs.add([input(3)])
    clock.advance(1_000)
    inputs.appeared(256)
    expect(given).toHaveLength(1)
    inputs.heard(stateOf('sampler'))
    expect(given[1]).toEqual([2, 3])
  })

  it('is passed over while it runs something else, until it is sent again from the first on: a later one handled before would have it taken for a repetition', () => {
    const { inputs, given } = started(stateOf('valve'))
    inputs.add([input(1), input(2)])
    inputs.heard(stateOf('sampler'))
    inputs.add([input(3)])
    expect(given).toEqual([])
    inputs.add([input(1), input(2), input(3), input(4)])
    expect(given).toEqual([[1, 2, 3, 4]])
  })

  it('is not kept for a board that stays away: it may run elsewhere by then', async () => {
    const { inputs, given, answer, clock } = started()
    inputs.add([input(1)])
    inputs.left()
    await answer(0, 'board-away')
    clock.advance(5_000)
    inputs.appeared(256)
    inputs.heard(stateOf('sampler'))
    inputs.add([input(2)])
    expect(given).toHaveLength(1)
    inputs.add([input(1), input(2)])
    expect(given[1]).toEqual([1, 2])
  })

  it('waits while its module is to be started again', () => {
    const { inputs, given } = started(stateOf('sampler', 'backoff'))
    inputs.add([input(1)])
    expect(given).toEqual([])
    inputs.heard(stateOf('sampler'))
    expect(given).toEqual([[1]])
  })
})
