import Sqlite from 'better-sqlite3'
import { expect, it } from 'vitest'
import { ChainWalk, chainHash, emptyHead, formatHead, parseHead } from '../../../gateway/audit-chain.ts'
import { readAuditChain } from '../../../gateway/store/audit-file.ts'
import { migrate, migrations } from '../../../gateway/store/migrations.ts'
import { openDatabase } from '../../../gateway/store/sqlite.ts'
import { openStore } from '../../../gateway/store/store.ts'
import { t0, temporaryPath, temporaryStore } from './support.ts'

const fleet = 'greens'

/** A database with entries 1 to 6, and the head of the first four. */
function sixEntries(): { path: string; kept: string } {
  const path = temporaryPath()
  const store = openStore(path, { fleet })
  let kept = ''
  for (let number = 1; number <= 6; number++) {
    store.audit.add({
      at: t0 + number,
      actor: 'ada',
      action: 'node.change',
      subject: `pi-${number}`,
      details: { number },
    })
    if (number === 4) kept = formatHead(store.audit.head())
  }
  store.close()
  return { path, kept }
}

/** What someone does who can write the file: the triggers are no hindrance. */
function tamper(path: string, sql: string): void {
  const db = new Sqlite(path)
  db.exec(`DROP TRIGGER audit_keeps_rows; DROP TRIGGER audit_keeps_values; ${sql}`)
  db.close()
}

function verify(path: string, kept?: string): string {
  const { fleet: found, entries } = readAuditChain(path)
  const chain = new ChainWalk(found, kept === undefined ? null : parseHead(kept))
  try {
    for (const entry of entries) chain.add(entry)
    return `${chain.end().number} entries`
  } catch (error) {
    return (error as Error).message
  }
}

it('A log that nobody touched is proven, with a kept head and without', () => {
  const { path, kept } = sixEntries()
  expect([verify(path), verify(path, kept)]).toEqual(['6 entries', '6 entries'])
  expect(verify(path, formatHead(emptyHead))).toBe('6 entries')
})

it.each([
  ['a changed value', "UPDATE audit SET actor = 'eve' WHERE number = 3", 3, 'its hash does not match'],
  ['changed details', `UPDATE audit SET details = '{"number": 3}' WHERE number = 3`, 3, 'its hash does not match'],
  ['a changed time', 'UPDATE audit SET at = at + 1 WHERE number = 1', 1, 'its hash does not match'],
  ['a deleted entry in the middle', 'DELETE FROM audit WHERE number = 3', 3, 'it is missing, and entry 4 follows'],
  ['a deleted first entry', 'DELETE FROM audit WHERE number = 1', 1, 'it is missing'],
  [
    'a deleted entry whose gap was closed',
    'DELETE FROM audit WHERE number = 3; UPDATE audit SET number = number - 1 WHERE number > 3',
    3,
    'its hash does not match',
  ],
  [
    'an entry that was put in',
    `UPDATE audit SET number = -number WHERE number > 2; UPDATE audit SET number = 1 - number WHERE number < 0;
     INSERT INTO audit SELECT fleet, 3, at, actor, action, subject, details, hash FROM audit WHERE number = 2`,
    3,
    'its hash does not match',
  ],
  [
    'two entries in each other’s place',
    'UPDATE audit SET number = 99 WHERE number = 2; UPDATE audit SET number = 2 WHERE number = 4; UPDATE audit SET number = 4 WHERE number = 99',
    2,
    'its hash does not match',
  ],
  ['a changed hash', `UPDATE audit SET hash = '${'ab'.repeat(32)}' WHERE number = 5`, 5, 'its hash does not match'],
])('%s is found, and where', (_what, sql, number, why) => {
  const { path } = sixEntries()
  tamper(path, sql)
  expect(verify(path)).toMatch(new RegExp(`^The audit log is broken at entry ${number}: ${why}`))
})

it('Entries cut off at the end are found by a head that was kept elsewhere, and only by it', () => {
  const { path, kept } = sixEntries()
  tamper(path, 'DELETE FROM audit WHERE number > 3')
  expect(verify(path)).toBe('3 entries')
  expect(verify(path, kept)).toBe('The audit log is broken at entry 4: the log ends before it, and had 4 entries once')
})

it('A chain that was made anew from a changed entry on is found by a head that was kept elsewhere, and only by it', () => {
  const { path, kept } = sixEntries()
  tamper(path, "UPDATE audit SET actor = 'eve' WHERE number = 2")
  const db = new Sqlite(path)
  let before = emptyHead.hash
  for (const row of [...readAuditChain(path).entries]) {
    before = chainHash(before, fleet, row)
    db.prepare('UPDATE audit SET hash = ? WHERE number = ?').run(before, row.number)
  }
  db.close()
  expect(verify(path)).toBe('6 entries')
  expect(verify(path, kept)).toContain('broken at entry 4: its hash is not the one that was kept')
})

it('Entries from before there was a chain are chained when the database is migrated, each fleet for itself', () => {
  const path = temporaryPath()
  const old = openDatabase(path)
  const before = migrations.findIndex((step) => typeof step !== 'string')
  migrate(old, migrations.slice(0, before))
  const insert = old.prepare('INSERT INTO audit (fleet, at, actor, action, subject, details) VALUES (?, ?, ?, ?, ?, ?)')
  for (const [of, subject] of [
    ['greens', 'a'],
    ['other', 'b'],
    ['greens', 'c'],
  ]) {
    insert.run(of, t0, 'ada', 'node.change', subject, 'null')
  }
  old.close()
  const store = temporaryStore({ fleet }, path)
  store.audit.add({ at: t0 + 1, actor: 'ada', action: 'node.change', subject: 'd', details: null })
  expect(store.audit.list().map(({ id, subject }) => [id, subject])).toEqual([
    [3, 'd'],
    [2, 'c'],
    [1, 'a'],
  ])
  expect(verify(path, formatHead(store.audit.head()))).toBe('3 entries')
})

it('Two gateways on one database write one chain', () => {
  const path = temporaryPath()
  const [one, two] = [temporaryStore({ fleet }, path), temporaryStore({ fleet }, path)]
  for (const store of [one, two, two, one]) {
    store.audit.add({ at: t0, actor: 'ada', action: 'node.change', subject: 'pi-1', details: null })
  }
  expect(verify(path)).toBe('4 entries')
})
