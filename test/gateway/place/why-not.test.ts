import { expect, test } from 'vitest'
import { planChanges } from '../../../gateway/place/what-if.ts'
import { whyNot } from '../../../gateway/place/why-not.ts'
import { irrigation, node, planOf } from './fleets.ts'

const fleet = [
  node('pi-7', { memoryBytes: 128 * 1_024 }),
  node('pi-8'),
  node('gw-edge', { tier: 'edge' }),
  node('cloud-1', { tier: 'cloud', interfaces: ['sql', 'http', 'kv'].map((name) => `hypha:host/${name}@0.1.0`) }),
]

const ask = (module: string, at: string, home?: string) =>
  whyNot({ release: irrigation(), digest: '', fleet }, module, at, home)!.slice(1)

test('Of a node that could hold a module it is said what its links would cost there, and why', () => {
  expect(ask('smooth', 'gw-edge', 'pi-8')).toEqual([
    'gw-edge could hold it: its links would cost 12 there, 2 more.',
    'There it is called by sampler on pi-8, 2 steps away, 1/s; it calls advisor on cloud-1, 8 steps away, 1/s.',
  ])
})

test('Of a node that can not hold it, what is missing', () => {
  expect(ask('smooth', 'pi-7')).toEqual(["pi-7 can't hold it: needs 64 KiB of memory, pi-7 has 0 left of 128 KiB."])
})

test('Of another device, and of what is bound to one, that it is not its own', () => {
  expect(ask('smooth', 'pi-7', 'pi-8')).toEqual([
    'It belongs to pi-8: it runs on pi-8, or on a tier above, and pi-7 is another device.',
  ])
  expect(ask('irrigate', 'gw-edge')).toEqual(['It is bound to pi-7, and runs only on pi-7.'])
})

test('Where it is, nothing keeps it away', () => {
  expect(ask('advisor', 'cloud-1')).toEqual([])
  expect(whyNot({ release: irrigation(), digest: '', fleet }, 'advisor', 'nowhere')).toBeNull()
})

test('Two plans differ by what moves, what goes and what comes', () => {
  const more = fleet.map((each) => (each.id === 'pi-7' ? node('pi-7') : each)).filter(({ id }) => id !== 'pi-8')
  const changes = planChanges(planOf(irrigation(), fleet), planOf(irrigation(), more))
  expect(changes.map(({ module, home, from, to }) => [module, home, from, to])).toEqual([
    ['irrigate', 'pi-8', ['pi-8'], []],
    ['sampler', 'pi-8', ['pi-8'], []],
    ['smooth', 'pi-7', ['gw-edge'], ['pi-7']],
    ['smooth', 'pi-8', ['pi-8'], []],
  ])
})
