import { expect, it } from 'vitest'
import { tellNodeProblems } from '../../gateway/node-messages.ts'
import { HyphaError } from '../../src/errors.ts'
import { createLog } from '../../src/platform/log.ts'

it('A node that says nonsense without end fills no log, and hides nothing of what others do', () => {
  const lines: string[] = []
  let now = 0
  const tell = tellNodeProblems(createLog({ json: true, write: (line) => lines.push(line) }), () => now)
  const wrong = new HyphaError('message-malformed', 'it is no proof')
  for (let count = 0; count < 100_000; count++) tell('pi-7', wrong)
  expect(lines.length).toBeLessThanOrEqual(10)
  tell('pi-8', wrong)
  expect(lines.at(-1)).toContain('"node":"pi-8"')
  now += 120_000
  tell('pi-7', wrong)
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ node: 'pi-7', code: 'message-malformed', more: 99_990 })
})
