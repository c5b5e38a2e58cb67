import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { type Outcome, openDatabase } from '../../../agent/helper/sql.ts'
import type { WireValue } from '../../../agent/host/sql-values.ts'

const opened: { close(): void }[] = []
const folders: string[] = []
afterEach(() => {
  for (const database of opened.splice(0)) database.close()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

function database(maxBytes = 16 * 1024 * 1024) {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-sql-'))
  folders.push(folder)
  const { run, close } = openDatabase(join(folder, 'app.db'), maxBytes)
  opened.push({ close })
  let keys = 0
  return {
    folder,
    execute: (statement: string, params: WireValue[] = [], key = `key-${keys++}`) =>
      run({ func: 'execute', statement, params, key }),
    query: (statement: string, params: WireValue[] = []) => run({ func: 'query', statement, params, key: 'query' }),
  }
}

const errorOf = (outcome: Outcome): string => ('error' in outcome ? outcome.error : 'none')

test('Values of all kinds go in and come out as they were.', () => {
  const { execute, query } = database()
  execute('CREATE TABLE readings (a, b, c, d, e)')
  const row: WireValue[] = [['n'], ['i', '9223372036854775807'], ['r', '0.1'], ['t', 'grüße'], ['b', 'AAH/']]
  expect(execute('INSERT INTO readings VALUES (?, ?, ?, ?, ?)', row)).toEqual({ changes: '1' })
  expect(query('SELECT * FROM readings')).toEqual({ columns: ['a', 'b', 'c', 'd', 'e'], rows: [row] })
})

test('A statement that is carried out a second time under the same key changes nothing and answers the same.', () => {
  const { execute, query } = database()
  execute('CREATE TABLE t (n)')
  expect(execute('INSERT INTO t VALUES (1), (2)', [], 'turn-1/0')).toEqual({ changes: '2' })
  expect(execute('INSERT INTO t VALUES (1), (2)', [], 'turn-1/0')).toEqual({ changes: '2' })
  expect(query('SELECT count(*) AS n FROM t')).toEqual({ columns: ['n'], rows: [[['i', '2']]] })
})

test.each([
  ["ATTACH DATABASE '/tmp/other.db' AS other"],
  ['DETACH DATABASE main'],
  ["VACUUM INTO '/tmp/copy.db'"],
  ["SELECT load_extension('/tmp/evil.so')"],
  ['PRAGMA journal_mode = OFF'],
  ['PRAGMA writable_schema = ON'],
  ['PRAGMA max_page_count = 1000000'],
  ['BEGIN'],
  ['COMMIT'],
  ['SAVEPOINT mine'],
  ['DELETE FROM hypha_done'],
  ['DROP TABLE hypha_done'],
  ['SELECT * FROM hypha_done'],
])('%s is refused, and the database goes on.', (statement) => {
  const { execute, query } = database()
  expect(errorOf(execute(statement))).not.toBe('none')
  expect(query('SELECT 1 AS one')).toEqual({ columns: ['one'], rows: [[['i', '1']]] })
})

test('A text with two statements is refused, with the first one undone.', () => {
  const { execute, query } = database()
  execute('CREATE TABLE t (n)')
  expect(errorOf(execute('INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)'))).toContain('one statement at a time')
  expect(execute('INSERT INTO t VALUES (3); -- and no more')).toEqual({ changes: '1' })
  expect(query('SELECT n FROM t')).toEqual({ columns: ['n'], rows: [[['i', '3']]] })
})

test('A database that is as big as it may be refuses more, and what is in it stays.', () => {
  const { execute, query } = database(64 * 4_096)
  execute('CREATE TABLE t (b)')
  expect(execute('INSERT INTO t VALUES (zeroblob(100000))')).toEqual({ changes: '1' })
  expect(errorOf(execute('INSERT INTO t VALUES (zeroblob(1000000))'))).toContain('full')
  expect(query('SELECT count(*) AS n FROM t')).toEqual({ columns: ['n'], rows: [[['i', '1']]] })
})

test('Neither a huge value nor a huge answer takes memory without end.', () => {
  const { query } = database()
  expect(errorOf(query('SELECT zeroblob(900000000)'))).toContain('too big')
  expect(errorOf(query("SELECT length(printf('%900000000d', 1))"))).toContain('too big')
  const endless = 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c'
  expect(errorOf(query(endless))).toContain('LIMIT')
})
