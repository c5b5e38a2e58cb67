import { toHex } from '@hypha/core/bytes/text.ts'
import { expect, test } from 'vitest'
import { LossyFiles } from '../../support/lossy-files.ts'
import { Network } from './node.ts'
import { clock, counter, realNode, sectionOf, until } from './real-module.ts'

/** As a gateway, which sends no more before it hears that some were handled. */
const mostOpen = 32

/** Traps at each third input since it began. */
const thirdTraps = `
  (i32.store8 (i32.const 4) (i32.add (i32.load8_u (i32.const 4)) (i32.const 1)))
  (if (i32.ge_u (i32.load8_u (i32.const 4)) (i32.const 3)) (then unreachable))`

// What becomes of state, kv and inputs where a release takes the place of another without a flip.

test('A release that traps again and again after its flip leaves the one before with state and kv as they were at the flip.', async () => {
  const network = new Network()
  const one = sectionOf(network, 1, {}, await counter())
  const two = sectionOf(network, 2, { phase: 'prepare', wave: 0 }, await counter(thirdTraps))
  const { node, give, handled, counts, close } = await realNode(network)
  const kept = () => node.journal.kv({ app: 'greenhouse', module: 'sampler', home: null }).get('n')?.[0]
  await node.boot()
  network.direct(1, one)
  node.connect()
  await until('one is confirmed', () => node.status() === 'confirmed')
  for (let number = 1; number <= 5; number++) give(number)
  await until('one has counted', () => handled().length === 5)
  expect([counts(), kept()]).toEqual([[1, 2, 3, 4, 5], 5])

  network.direct(2, one, two)
  node.connect()
  await until('two is prepared', () => node.prepare()?.status === 'prepared')
  node.committed(network.commitOf(two, clock.now(), 0))
  await until('two runs', () => node.section()?.epoch === 2)
  let last = 5
  const flow = setInterval(() => last - handled().length < mostOpen && give(++last), 20)
  await until('two has counted', () => counts().length >= 7)
  expect(kept()).toBeGreaterThan(5)
  await until('two is given up', () => node.section()?.status === 'reverted')
  clearInterval(flow)
  await until('all is handled', () => handled().length === last)

  expect(toHex(node.section()!.running!)).toBe(toHex(one.release))
  expect(node.told).toContainEqual(expect.stringMatching(/^state-restored: .*without \d+ turns/))
  // What one has counted since goes on from where the flip found it: the turns of two are in no state any more, and none of their inputs comes again.
  const since = handled().filter(({ epoch, number }) => epoch === 1 && number > 5)
  expect(since.length).toBeGreaterThan(0)
  expect([counts().at(-1), kept()]).toEqual([5 + since.length, 5 + since.length])
  expect(handled().map(({ number }) => number)).toEqual(Array.from({ length: last }, (_, index) => index + 1))
  await close()
}, 120_000)

test('A release that is installed at once is given what waited for the one before, ahead of what comes meanwhile.', async () => {
  const network = new Network()
  const one = sectionOf(network, 1, {}, await counter())
  const two = sectionOf(network, 2, {}, await counter())
  const { node, give, handled, counts, close } = await realNode(network)
  await node.boot()
  network.direct(1, one)
  node.connect()
  await until('one runs', () => node.section()?.instances[0]?.status === 'running')
  network.direct(2, two)
  node.connect()
  let last = 0
  const flow = setInterval(() => {
    while (last - handled().length < mostOpen) give(++last)
  }, 1)
  await until('two runs', () => {
    const section = node.section()
    const runs = section?.running && toHex(section.running) === toHex(two.release)
    return runs === true && section?.instances[0]?.status === 'running'
  })
  clearInterval(flow)
  await until('all is handled', () => handled().length === last)
  expect(handled().map(({ number }) => number)).toEqual(Array.from({ length: last }, (_, index) => index + 1))
  expect(new Set(handled().map(({ epoch }) => epoch))).toEqual(new Set([1, 2]))
  expect(counts().at(-1)).toBe(last % 256)
  await close()
}, 120_000)

test('Inputs that come while a node starts wait for its app: those that come after it is there don’t overtake them.', async () => {
  const network = new Network()
  const files = new LossyFiles()
  const before = await realNode(network, files)
  await before.node.boot()
  network.direct(1, sectionOf(network, 1, {}, await counter()))
  before.node.connect()
  await until('it is confirmed', () => before.node.status() === 'confirmed')
  before.give(1)
  await until('it has counted', () => before.handled().length === 1)
  await before.close()

  const { node, give, handled, close } = await realNode(network, files)
  const booted = node.boot()
  await Promise.resolve()
  give(2)
  give(3)
  expect(node.section()?.running ?? null).toBeNull()
  await booted
  give(4)
  await until('all is handled', () => handled().at(-1)?.number === 4)
  expect(handled().map(({ number }) => number)).toEqual([2, 3, 4])
  await close()
}, 120_000)
