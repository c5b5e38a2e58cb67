import Sqlite from 'better-sqlite3'
import { expect, test } from 'vitest'
import { fleetOnSocket, jsonOf, runHypha } from './support.ts'

test('the audit log is verified from the command line: whole, against a kept head, and broken', async () => {
  const { folder, gateway } = await fleetOnSocket()
  for (const label of ['a', 'b', 'c']) await jsonOf(folder, ['node', 'label', 'pi-7', label])
  const { stdout: kept } = await runHypha(folder, ['audit', 'head'])
  expect(kept).toMatch(/^3:[0-9a-f]{64}\n$/)
  await jsonOf(folder, ['node', 'label', 'pi-7', 'd'])

  const whole = await jsonOf(folder, ['audit', 'verify'])
  expect(whole).toMatchObject({ entries: 4, proven: null })
  expect(await jsonOf(folder, ['audit', 'verify', '--head', kept.trim()])).toEqual({ ...whole, proven: 3 })
  expect(await jsonOf(folder, ['audit', 'verify', '--database', gateway.path])).toEqual(whole)
  const wrongHead = await runHypha(folder, ['audit', 'verify', '--head', `3:${'ab'.repeat(32)}`])
  expect([wrongHead.code, wrongHead.stderr]).toEqual([4, expect.stringContaining('[audit-broken]')])
  const noHead = await runHypha(folder, ['audit', 'verify', '--head', 'three'])
  expect([noHead.code, noHead.stderr]).toEqual([2, expect.stringContaining('NUMBER:HASH')])

  const db = new Sqlite(gateway.path)
  db.exec("DROP TRIGGER audit_keeps_values; UPDATE audit SET actor = 'eve' WHERE number = 2")
  db.close()
  for (const source of [[], ['--database', gateway.path]]) {
    const { code, stderr } = await runHypha(folder, ['audit', 'verify', ...source])
    expect([code, stderr]).toEqual([4, expect.stringContaining('The audit log is broken at entry 2')])
  }
})
