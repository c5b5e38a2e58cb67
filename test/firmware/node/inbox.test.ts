import { afterEach, describe, expect, it } from 'vitest'
import { type Board, boards, samplesOf } from './board.ts'
import { frostAlarm } from './modules.ts'
import { activate, deliver, makePush } from './story.ts'

const { newBoard, cleanUp } = boards()
afterEach(cleanUp)

const source = new Uint8Array(8).fill(3)
const push = makePush(frostAlarm, { spec: { timerMs: null, subscribe: ['climate/outdoor'], publish: ['alarm/frost'] } })

/** A reading for the alarm; resolves once the board says that it is handled. */
async function reading(board: Board, number: number, celsius: number): Promise<void> {
  await board.send({
    kind: 'input',
    source,
    number,
    app: 'greenhouse',
    module: 'sampler',
    home: 'mcu-1',
    topic: 'climate/outdoor',
    payload: new TextEncoder().encode(JSON.stringify({ value: celsius })),
  })
  await board.until(() => handled(board).includes(number))
}

const entries = (board: Board) => board.reports.flatMap((each) => each.entries.map(({ entry }) => entry))
const handled = (board: Board) => entries(board).flatMap((entry) => (entry.kind === 'handled' ? [entry.number] : []))
const alarms = (board: Board) =>
  entries(board).flatMap((entry) =>
    entry.kind === 'message' ? [JSON.parse(new TextDecoder().decode(entry.payload))] : [],
  )

describe("The greenhouse's frost alarm on a board", () => {
  it('is fed by messages, publishes, and remembers in kv over a start, with no message handled twice', async () => {
    const { board, again } = newBoard()
    await board.start()
    expect(await deliver(board, push)).toBe('complete')
    expect(await activate(board, push)).toBe('ok')
    await reading(board, 1, 5)
    await reading(board, 2, -1)
    expect(alarms(board)).toEqual([{ frost: 'on', celsius: -1, count: 1 }])
    expect([...samplesOf(board.reports).get('frost@1')!.values()]).toEqual([0, 1])
    await board.kill()
    const later = again()
    await later.start()
    // Sent again, since its acknowledgement may have been lost: told as handled, and nothing else.
    await reading(later, 2, -1)
    expect(samplesOf(later.reports).size).toBe(0)
    await reading(later, 3, -2)
    expect(alarms(later)).toEqual([])
    await reading(later, 4, 3)
    await reading(later, 5, -3)
    expect(alarms(later).map(({ count }) => count)).toEqual([1, 2])
  })
})
