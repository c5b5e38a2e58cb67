import { describe, expect, it } from 'vitest'
import { type AppRoutes, type Publisher, routeMessage, world } from '../../../gateway/distribute/route.ts'

const routes: AppRoutes = {
  app: 'greenhouse',
  subscribe: new Map([
    ['alarm', ['reading/+', 'limit']],
    ['ledger', ['#']],
    ['sampler', ['limit']],
  ]),
  publish: new Map([
    ['sampler', ['reading/#']],
    ['ledger', ['limit']],
    ['alarm', []],
  ]),
  instances: [
    { node: 'pi-7', module: 'sampler', home: 'pi-7' },
    { node: 'pi-8', module: 'sampler', home: 'pi-8' },
    { node: 'pi-7', module: 'alarm', home: 'pi-7' },
    // Escalated: pi-8 can't hold it.
    { node: 'edge', module: 'alarm', home: 'pi-8' },
    { node: 'edge', module: 'ledger', home: null },
    { node: 'cloud', module: 'report', home: null },
  ],
}

const from = (module: string, node: string, home: string | null) => ({
  kind: 'instance' as const,
  module,
  node,
  home,
  served: null,
})
const names = (publisher: Publisher, topic: string) =>
  routeMessage(routes, publisher, topic)?.map(({ node, module, home }) => `${module}@${home ?? '-'} on ${node}`) ?? null

describe('a message', () => {
  it.each<[string, Publisher, string, string[] | null]>([
    [
      'with a home goes to its own device and to shared instances',
      from('sampler', 'pi-8', 'pi-8'),
      'reading/temperature',
      ['alarm@pi-8 on edge', 'ledger@- on edge'],
    ],
    [
      'is not sent to the node that published it',
      from('sampler', 'pi-7', 'pi-7'),
      'reading/temperature',
      ['ledger@- on edge'],
    ],
    ['does not go to another device', from('sampler', 'edge', 'pi-7'), 'reading/temperature', ['alarm@pi-7 on pi-7']],
    [
      'without a home goes to all',
      from('ledger', 'edge', null),
      'limit',
      ['sampler@pi-7 on pi-7', 'sampler@pi-8 on pi-8', 'alarm@pi-7 on pi-7'],
    ],
    [
      'from the world goes to all, on every node',
      world,
      'limit',
      ['sampler@pi-7 on pi-7', 'sampler@pi-8 on pi-8', 'alarm@pi-7 on pi-7', 'alarm@pi-8 on edge', 'ledger@- on edge'],
    ],
    [
      'that its node says to have given to nobody goes to those there as well: they came since',
      { ...from('sampler', 'pi-7', 'pi-7'), served: [] },
      'reading/temperature',
      ['alarm@pi-7 on pi-7', 'ledger@- on edge'],
    ],
    [
      'is not sent to whom its node has given it, wherever that is by now',
      { ...from('sampler', 'pi-8', 'pi-8'), served: [{ module: 'alarm', home: 'pi-8' }] },
      'reading/temperature',
      ['ledger@- on edge'],
    ],
    ['goes by the filters, level by level', from('sampler', 'pi-8', 'pi-8'), 'reading/soil/1', ['ledger@- on edge']],
    [
      'on the level above a filter that ends in # counts as granted',
      from('sampler', 'cloud', 'pi-9'),
      'reading',
      ['ledger@- on edge'],
    ],
    ['is refused where the release does not grant the topic', from('sampler', 'pi-7', 'pi-7'), 'limit', null],
    ['is refused from a module without grants', from('alarm', 'pi-7', 'pi-7'), 'limit', null],
    ['is refused from a module that the release does not have', from('stranger', 'pi-7', null), 'limit', null],
  ])('%s', (_, publisher, topic, expected) => {
    expect(names(publisher, topic)).toEqual(expected)
  })
})
