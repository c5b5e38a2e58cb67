import { expect, it } from 'vitest'
import type { Store } from '../../../gateway/store/store.ts'
import { fill } from './fill.ts'
import { addRelease, addSamples, seriesKey, t0, temporaryStore } from './support.ts'

/** Every row of every table but the audit log, as text. */
function allRows(store: Store): string[] {
  const tables = store.db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .all()
  return (tables as { name: string }[])
    .filter(({ name }) => name !== 'audit')
    .flatMap(({ name }) =>
      store.db
        .prepare(`SELECT * FROM ${name}`)
        .all()
        .map(
          (row) =>
            `${name} ${JSON.stringify(row, (_, value) => (value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1') : value))}`,
        ),
    )
}

// Counters and the queue's source stay: a number must never be given twice.
const withoutMeta = (rows: string[]) => rows.filter((row) => !row.startsWith('meta '))

it('A removed node leaves no row behind in any table but the audit log', async () => {
  const store = temporaryStore()
  fill(store, 'pi-8', 'greenhouse')
  const before = withoutMeta(allRows(store))
  fill(store, 'pi-7', 'greenhouse')
  store.rollups.step(t0 + 10_000_000)
  expect(allRows(store).filter((row) => row.includes('pi-7')).length).toBeGreaterThan(8)

  expect(await store.removeNode('pi-7')).toBe(true)
  expect(allRows(store).filter((row) => row.includes('pi-7'))).toEqual([])
  const series = (rows: string[]) => rows.filter((row) => /^(series|samples|directives|marks|logs) /.test(row))
  expect(series(withoutMeta(allRows(store)))).toEqual(series(before))
  expect(store.audit.list().map(({ subject }) => subject)).toContain('pi-7')
  expect(await store.removeNode('pi-7')).toBe(false)
})

it('A removed app leaves no row behind, and neither do contents that only it used', async () => {
  const store = temporaryStore()
  const shared = new TextEncoder().encode('a module that two apps share')
  addRelease(store, 'other', 1, shared)
  const before = withoutMeta(allRows(store))
  fill(store, 'pi-7', 'greenhouse')
  addRelease(store, 'greenhouse', 2, shared)
  store.rollups.step(t0 + 10_000_000)

  expect(await store.removeApp('greenhouse')).toBe(true)
  await store.removeNode('pi-7')
  store.tokens.remove('ci')
  store.clients.remove('grafana')
  expect(withoutMeta(allRows(store))).toEqual(before)
})

it('A sweep that was cut short goes on at the next start, and a new series never gets the id of a removed one', async () => {
  const store = temporaryStore()
  const old = addSamples(
    store,
    seriesKey(),
    Array.from({ length: 12_000 }, (_, n) => [t0 + n * 100, n, n] as const),
  )
  const { generation } = store.series
  const removing = store.removeApp('greenhouse')
  expect(store.series.latest()).toEqual([])
  expect(store.series.generation).toBeGreaterThan(generation)
  const fresh = addSamples(store, seriesKey(), [[t0, 1, 5]])
  expect(fresh).toBeGreaterThan(old)
  await Promise.all([removing, store.sweep()])
  expect(allRows(store).filter((row) => row.startsWith('samples '))).toEqual([
    `samples {"series":${fresh},"at":${t0},"seq":1,"value":5}`,
  ])
})
