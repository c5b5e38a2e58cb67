import { afterEach, describe, expect, it } from 'vitest'
import { type Board, boards, samplesOf } from './board.ts'
import { keeper } from './modules.ts'
import { activate, activation, deliver, makePush } from './story.ts'

const { newBoard, cleanUp } = boards()
afterEach(cleanUp)

const values = (board: Board, epoch: number) => [...(samplesOf(board.reports).get(`kept@${epoch}`)?.values() ?? [])]

/** A board whose module has kept a 7, and one on trial that has written a 99 over it. */
async function onTrial(more = '') {
  const { board, again } = newBoard()
  await board.start()
  const old = makePush(await keeper(7, null))
  await deliver(board, old)
  expect(await activate(board, old)).toBe('ok')
  await board.until(() => values(board, 1).includes(7))
  const now = makePush(await keeper(99, 99, more), { number: 2 })
  await deliver(board, now)
  expect(await activate(board, now, false)).toBe('ok')
  return { board, again, now }
}

const trapsLater = '(if (i32.eq (global.get $ticks) (i32.const 3)) (then (unreachable)))'

describe('What a module keeps in kv on a board', () => {
  it('is as it was before the trial, when that is taken back', async () => {
    const { board } = await onTrial(trapsLater)
    await board.state(({ slots }) => slots.some(({ status }) => status === 'failed'))
    const before = values(board, 1).length
    await board.until(() => values(board, 1).length > before + 3)
    expect(new Set(values(board, 1))).toEqual(new Set([7]))
    expect(values(board, 2)).toContain(99)
  })

  it('is as it was before the trial, when the board starts anew in it', async () => {
    const { board, again } = await onTrial()
    await board.until(() => values(board, 2).includes(99))
    await board.kill()
    const later = again()
    await later.start()
    await later.until(() => values(later, 1).length > 2)
    expect(new Set(values(later, 1))).toEqual(new Set([7]))
  })

  it('is what the new one wrote, once that is confirmed', async () => {
    const { board, again, now } = await onTrial()
    await board.until(() => values(board, 2).includes(99))
    await board.send(activation(now, 'confirm'))
    await board.state(({ slots }) => slots.some(({ status, epoch }) => status === 'confirmed' && epoch === 2))
    await board.kill()
    const later = again()
    await later.start()
    await later.until(() => values(later, 2).length > 2)
    expect(new Set(values(later, 2))).toEqual(new Set([99]))
  })
})
