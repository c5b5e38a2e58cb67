import { expect, it } from 'vitest'
import { createLog } from '../../../src/platform/log.ts'

it('A line is one line, whatever a client has put into its name or a topic', () => {
  const lines: string[] = []
  const log = createLog({ json: false, write: (line) => lines.push(line) })
  log.warn('refused: its client id is "x\n12:00:00 gateway of garden listens\x1b[2J"', { topic: 'a\nb\x9b' })
  expect(lines.map((line) => line.slice(9))).toEqual([
    'warn: refused: its client id is "x 12:00:00 gateway of garden listens [2J" topic="a\\nb "\n',
  ])
})
