import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { type Board, openBridge } from '../../../firmware-bridge/index.ts'
import { buildChecked } from '../../support/firmware.ts'

it('speaks to the real firmware over the real serialport: identity, state, sensors and actuators', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-real-'))
  const link = join(folder, 'ttyUSB0')
  const words = ['--flash', join(folder, 'flash'), '--pty', link, '--sensor', 'temperature=21.5']
  const firmware = spawn(join(buildChecked('host'), '../board-host'), words, { stdio: ['ignore', 'ignore', 'pipe'] })
  const { promise, resolve } = Promise.withResolvers<Board>()
  const bridge = openBridge({
    ports: [join(folder, 'ttyUSB*')],
    on: (event) => {
      if (event.kind === 'said' && event.message.kind === 'state') resolve(event.board)
    },
  })
  try {
    const board = await promise
    expect(board.identify).toMatchObject({ hardware: 'host', sensors: ['temperature'], slots: 2 })
    expect(board.state?.slots.map(({ status }) => status)).toEqual(['empty', 'empty'])
    const answers = [
      board.call('temperature', null),
      board.call('pressure', null),
      board.call('led', 1),
      board.call('led', 7),
    ]
    expect((await Promise.all(answers)).map(({ outcome, value }) => [outcome, value])).toEqual([
      ['ok', 21.5],
      ['unknown', null],
      ['ok', null],
      ['out-of-range', null],
    ])
    const digest = new Uint8Array(32).fill(7)
    const content = { what: 'content', digest, size: 9, encoding: 'identity', base: null } as const
    const { outcome } = board.transfer({ ...content, bytes: new Uint8Array(9) })
    // A content is judged by the directive, which it has none of.
    expect(await outcome).toMatchObject({ kind: 'refused' })
    expect(bridge.lines()).toMatchObject([{ board: board.id, malformed: 0, counters: { openings: 1, violations: 0 } }])
  } finally {
    await bridge.close()
    firmware.kill()
    rmSync(folder, { recursive: true })
  }
})
