import { expect, it } from 'vitest'
import type { Store } from '../../../gateway/store/store.ts'
import { fill } from './fill.ts'
import { addNode, addRelease, addSamples, bytesOf, seriesKey, t0, temporaryPath, temporaryStore } from './support.ts'

/** Everything that a fleet can read of itself. */
const readAll = (store: Store) => ({
  nodes: store.nodes.list(),
  node: store.nodes.get('pi-7'),
  invites: store.invites.listInvites(),
  invite: store.invites.findInvite('token of pi-7'),
  apps: store.apps.list(),
  releases: store.apps.releases('greenhouse'),
  plan: store.apps.latestPlan('greenhouse'),
  directives: store.directives.list(),
  escalations: store.escalations.list(),
  settings: store.settings.list('greenhouse'),
  tokens: store.tokens.list(),
  token: store.tokens.find('digest of ci', t0),
  clients: store.clients.list(),
  audit: store.audit.list(),
  series: store.series.list(),
  latest: store.series.latest(),
  history: store.series.history({}, { from: 0, to: t0 * 2 }),
  minutes: store.rollups.history({}, { from: 0, to: t0 * 2, by: 'minute' }),
  events: store.events.list(),
  logs: store.logs.list(),
  inputs: store.inputs.pending('pi-7'),
  mark: store.marks.get('pi-7', seriesKey().incarnation),
})

it('A fleet reads and removes nothing of another fleet in the same file', async () => {
  const path = temporaryPath()
  const greens = temporaryStore({}, path)
  const reds = temporaryStore({ fleet: 'reds' }, path)
  const empty = readAll(reds)
  fill(greens, 'pi-7', 'greenhouse')
  greens.rollups.step(t0 + 10_000_000)
  const full = readAll(greens)
  expect(
    Object.entries(full).filter(([, value]) => value === null || (Array.isArray(value) && value.length === 0)),
  ).toEqual([])

  expect(readAll(reds)).toEqual(empty)
  expect(reds.rollups.step(t0 + 10_000_000)).toBe(0)
  await reds.removeNode('pi-7')
  await reds.removeApp('greenhouse')
  await reds.retain(t0 * 2)
  reds.nodes.setLabels('pi-7', [])
  reds.tokens.remove('ci')
  reds.invites.withdrawInvite('token of pi-7')
  expect(readAll(greens)).toEqual(full)
})

it('Both fleets may use the same names', () => {
  const path = temporaryPath()
  const stores = [temporaryStore({}, path), temporaryStore({ fleet: 'reds' }, path)]
  for (const store of stores) {
    addNode(store, 'pi-7')
    addRelease(store, 'greenhouse', 1, bytesOf('the same core'))
    addSamples(store, seriesKey(), [[t0, 1, 21]])
  }
  for (const store of stores) expect(store.series.latest()).toHaveLength(1)
})

it('Every statement that touches a table with a fleet names the fleet', async () => {
  const statements = new Set<string>()
  const store = temporaryStore({
    trace: (sql) => statements.add(sql.replace(/'[^']*'/g, (text) => (text === "'greens'" ? 'GREENS' : text))),
  })
  const scoped = store.db
    .prepare(
      "SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c ON c.name = 'fleet' WHERE m.type = 'table'",
    )
    .all()
    .map((row) => (row as { name: string }).name)
  statements.clear()
  fill(store, 'pi-7', 'greenhouse')
  store.rollups.step(t0 + 10_000_000)
  readAll(store)
  await store.retain(t0 + 10_000_000)
  await store.removeNode('pi-7')
  await store.removeApp('greenhouse')
  const touching = [...statements].filter((sql) =>
    scoped.some((table) => new RegExp(`(FROM|JOIN|INTO|UPDATE) ${table}\\b`).test(sql)),
  )
  expect(scoped.length).toBeGreaterThan(15)
  expect(touching.length).toBeGreaterThan(40)
  // The value of the fleet itself must have been bound: naming the column isn't enough.
  expect(touching.filter((sql) => !sql.includes('GREENS'))).toEqual([])
})
