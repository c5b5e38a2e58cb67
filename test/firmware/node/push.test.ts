import { toHex } from '@hypha/core/bytes/text.ts'
import { afterEach, describe, expect, it } from 'vitest'
import { wat } from '../../support/wasm-guest.ts'
import { boards } from './board.ts'
import { activate, contentDigest, deliver, makePush } from './story.ts'

const { newBoard, cleanUp } = boards()
afterEach(cleanUp)

const quiet = await wat(`(module (memory (export "memory") 0)
  (func (export "hypha:module/timer@0.1.0#tick") (param i64)))`)

describe('A push to a board', () => {
  it('is received, judged, put on trial, confirmed, and runs again after a start', async () => {
    const { board, again } = newBoard()
    const identify = await board.start()
    expect(identify).toMatchObject({ board: 'mcu-1', fleet: 'garden', hardware: 'host', invite: null })
    const push = makePush(quiet)
    expect(await deliver(board, push)).toBe('complete')
    const stored = await board.state((state) => state.slots.some(({ status }) => status === 'stored'))
    expect(stored).toMatchObject({ root: 1, directive: 1, risen: [{ app: 'greenhouse', release: 1, epoch: 1 }] })
    expect(await activate(board, push)).toBe('ok')
    const running = await board.state(({ running: [one] }) => one?.status === 'running')
    expect(toHex(running.slots[running.running[0]!.slot]!.digest!)).toBe(toHex(contentDigest(push)))
    await board.kill()
    const later = again()
    await later.start()
    const state = await later.state(({ running: [one] }) => one?.status === 'running')
    expect(state.slots.map(({ status }) => status)).toEqual(['confirmed', 'empty'])
    expect(state.directive).toBe(1)
  })
})
