import { expect, test } from 'vitest'
import type { RunnableModule } from '../../../agent/turns.ts'
import { Network } from './node.ts'
import { counter, realNode, sectionOf, until } from './real-module.ts'

/** For half a second or more. */
const long = `
  (i32.store (i32.const 16) (i32.const 0))
  (loop $on
    (i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (i32.const 1)))
    (br_if $on (i32.lt_u (i32.load (i32.const 16)) (i32.const 500000000))))`

test('What comes for an instance that has ended, while a turn of another one keeps the release from being replaced, is handled before all that comes later.', async () => {
  const network = new Network()
  const [slow, fast] = [await counter(long), await counter()]
  // What runs under a lease has a cell of its own.
  const leased = [{ module: 'sampler', home: null }]
  const both = (number: number, module: RunnableModule) => {
    const section = sectionOf(network, number, { leased }, module)
    return { ...section, instances: [null, 'pi-7'].map((home) => ({ ...section.instances[0]!, home })) }
  }
  const { node, give, handled, close } = await realNode(network)
  const statusOf = (which: string | null) => node.section()?.instances.find(({ home }) => home === which)?.status
  const numbers = (which: string | null) => handled().flatMap(({ home, number }) => (home === which ? [number] : []))
  await node.boot()
  network.direct(1, both(1, slow))
  node.connect()
  await until('one is confirmed', () => node.status() === 'confirmed')

  const many = Array.from({ length: 50 }, (_, index) => index + 1)
  for (const number of many) give(number, 'pi-7')
  network.direct(2, both(2, fast))
  node.connect()
  await until('one of both has ended', () => statusOf(null) === 'stopped')
  expect(statusOf('pi-7')).toBe('running')
  give(1)
  give(2)
  await until('two runs', () => statusOf(null) === 'running')
  give(3)
  give(51, 'pi-7')
  await until('all is handled', () => numbers(null).includes(3) && numbers('pi-7').includes(51))
  expect([numbers(null), numbers('pi-7')]).toEqual([
    [1, 2, 3],
    [...many, 51],
  ])
  await close()
}, 120_000)
