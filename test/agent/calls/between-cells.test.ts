import { HyphaError } from '@hypha/core/errors.ts'
import { afterEach, expect, test } from 'vitest'
import { Network, placedOn, sectionWith } from '../../support/linked-nodes.ts'
import { inputOf } from '../../support/sandbox.ts'
import { caller, keeper, plainCaller, plainStore, store } from './guests.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const shared = (module: string) => ({ app: 'app', module, home: null })

class FullDisk extends Set<string> {
  override add(): never {
    throw new HyphaError('disk-full', 'no room is left')
  }
}

let network = new Network()
afterEach(async () => {
  await network.close()
  network = new Network()
})

test('A call between two cells of a node is a turn of the callee, journaled before the caller has its answer.', async () => {
  const edge = network.node('edge')
  const app = await edge.run(
    sectionWith([
      { module: await caller(), links: { [store.name]: placedOn('edge', 'keeper') } },
      { module: await keeper('keeper', { isolate: true }) },
    ]),
  )
  app.deliver(shared('caller'), inputOf(1, 'a', text('grüße')))
  app.deliver(shared('caller'), inputOf(2, 'a', text('ok')))
  await edge.journal.until((turns) => turns.some(({ input }) => input?.number === 2))
  const turns = edge.journal.turns.map(
    ({ instance, samples }) => `${instance.module}: ${samples.map(({ metric, value }) => `${metric}=${value}`)}`,
  )
  expect(turns).toEqual(['keeper: size=7', 'caller: count=1', 'keeper: size=2', 'caller: count=2'])
  expect(network.sent).toEqual([])
  const [link] = edge.calls.stats.counts().links
  expect(link).toMatchObject({ calls: 2, callee: { module: 'keeper' }, node: 'edge' })
})

test('A turn that runs while its app stops is answered by a cell that has no turn itself, for callers end first.', async () => {
  const edge = network.node('edge')
  const app = await edge.run(
    sectionWith([
      { module: await keeper('keeper', { isolate: true }) },
      { module: await caller(), links: { [store.name]: placedOn('edge', 'keeper') } },
    ]),
  )
  app.deliver(shared('caller'), inputOf(1, 'a', text('last')))
  expect(await app.stop({ save: true })).toEqual([])
  expect(edge.samplesOf({ module: 'caller' })).toEqual(['count=1'])
  expect(edge.samplesOf({ module: 'keeper' })).toEqual(['size=4'])
})

test('A trap of the callee discards its turn and not the caller’s, which is told; its cell is made anew alone.', async () => {
  const edge = network.node('edge')
  const app = await edge.run(
    sectionWith([
      { module: await caller(), links: { [store.name]: placedOn('edge', 'keeper') } },
      { module: await keeper('keeper', { isolate: true }) },
    ]),
  )
  app.deliver(shared('caller'), inputOf(1, 'a', text('')))
  await edge.journal.until((turns) => turns.some(({ input }) => input?.number === 1))
  expect(edge.samplesOf({ module: 'caller' })).toEqual(['failed=1'])
  expect(edge.samplesOf({ module: 'keeper' })).toEqual([])
  expect(edge.journal.turns.flatMap(({ logs }) => logs.map((log) => log.text))[0]).toMatch(
    /^callee-trapped: .*\(it ran\)/,
  )
  expect(app.instances().map(({ module, status }) => [module, status])).toEqual([
    ['caller', 'running'],
    ['keeper', 'backoff'],
  ])
})

test('A call whose beginning can’t be written down is not run, though its callee waits for it already; the next one is.', async () => {
  const edge = network.node('edge')
  const app = await edge.run(
    sectionWith([
      { module: await caller(), links: { [store.name]: placedOn('edge', 'keeper') } },
      { module: await keeper('keeper', { isolate: true }) },
    ]),
  )
  edge.begun = new FullDisk()
  app.deliver(shared('caller'), inputOf(1, 'a', text('first')))
  await edge.journal.until((turns) => turns.some(({ input }) => input?.number === 1))
  edge.begun = new Set()
  app.deliver(shared('caller'), inputOf(2, 'a', text('ab')))
  await edge.journal.until((turns) => turns.some(({ input }) => input?.number === 2))
  expect(edge.journal.turns.flatMap(({ logs }) => logs.map((log) => log.text))).toEqual([
    expect.stringMatching(/^disk-full: .*\(it did not run\)/),
  ])
  expect(edge.samplesOf({ module: 'caller' })).toEqual(['failed=1', 'count=1'])
  expect(edge.samplesOf({ module: 'keeper' })).toEqual(['size=2'])
})

test('A turn that is tried again makes its calls with the same ids: the callee runs once, and answers alike.', async () => {
  const edge = network.node('edge')
  const app = await edge.run(
    sectionWith([
      { module: await caller(), links: { [store.name]: placedOn('edge', 'keeper') } },
      { module: await keeper('keeper', { isolate: true }) },
    ]),
  )
  // It traps after its call, both times, and is given up.
  app.deliver(shared('caller'), inputOf(1, 'trap', text('once')))
  await edge.event('input-failed')
  expect(edge.samplesOf({ module: 'keeper' })).toEqual(['size=4'])
  app.deliver(shared('caller'), inputOf(2, 'a', text('next')))
  await edge.journal.until((turns) => turns.some(({ input, outcome }) => input?.number === 2 && outcome === 'ok'))
  expect(edge.samplesOf({ module: 'caller' })).toEqual(['count=2'])
})

test('Without a result that says so and without a policy a failed call ends the turn; the policies say something else.', async () => {
  const edge = network.node('edge')
  const missing = { [plainStore.name]: placedOn('edge', 'keeper') }
  const hint = { interface: plainStore.name, deadlineMs: 50, ratePerS: null, bytesPerCall: null }
  const section = sectionWith([
    { module: await plainCaller('strict', { links: [{ ...hint, policy: null }] }), links: missing },
    { module: await plainCaller('lenient', { links: [{ ...hint, policy: 'drop' }], isolate: true }), links: missing },
    {
      module: await plainCaller('last', { links: [{ ...hint, policy: 'last-value' }], isolate: true }),
      links: missing,
    },
  ])
  const app = await edge.run(section)
  app.deliver(shared('strict'), inputOf(1, 'a', text('xyz')))
  expect((await edge.event('trapped')).text).toContain('test:app/plain@1.0.0#size failed: callee-not-running')
  app.deliver(shared('lenient'), inputOf(1, 'a', text('xyz')))
  await edge.journal.until(() => edge.samplesOf({ module: 'lenient' }).length > 0)
  expect(edge.samplesOf({ module: 'lenient' })).toEqual(['count=0'])
  app.deliver(shared('last'), inputOf(1, 'a', text('xyz')))
  await edge.journal.until(() => edge.events.filter(({ code }) => code === 'trapped').length > 1)
}, 20_000)
