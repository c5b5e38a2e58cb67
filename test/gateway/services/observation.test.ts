import { state } from '@hypha/core/wire/messages/state.ts'
import { expect, test } from 'vitest'
import { observe } from '../../../gateway/services/observation.ts'
import { inventoryOf } from '../api/gateway.ts'
import { addNode, addSamples, seriesKey, t0, temporaryStore } from '../store/support.ts'

const bounds = [{ module: 'sampler', metric: 'temperature', min: null, max: 30 }]
const asked = { app: 'greenhouse', epoch: 2, nodes: ['pi-7', 'pi-8'], bounds, sinceMs: t0 + 10 }

test('Only what belongs to the new epoch, or happened since the flip, is observed', () => {
  const store = temporaryStore()
  addNode(store, 'pi-7')
  addSamples(store, seriesKey({ epoch: 1 }), [[t0, 1, 99]])
  addSamples(store, seriesKey({ epoch: 2 }), [[t0 + 20, 2, 21]])
  addSamples(store, seriesKey({ epoch: 2, metric: 'other' }), [[t0 + 20, 3, 5]])
  const event = { node: 'pi-7', app: 'greenhouse', module: 'sampler', home: 'pi-7', code: 'ticks-missed' }
  store.events.add({ ...event, at: t0 + 5, text: '100 ticks were missed: …' })
  store.events.add({ ...event, at: t0 + 15, text: '13 ticks were missed: …' })
  store.events.add({ ...event, at: t0 + 16, text: '1 tick was missed: …' })
  store.events.add({ ...event, at: t0 + 16, app: 'cellar', text: '50 ticks were missed: …' })
  const inventory = inventoryOf('device')
  const instance = { module: 'sampler', home: 'pi-7', status: 'running', restarts: 2, turns: 9, error: null } as const
  const section = { app: 'greenhouse', epoch: 2, release: new Uint8Array(32), status: 'trial' } as const
  const rest = { code: null, message: null, running: null, prepare: null }
  const said = state.encode({
    incarnation: new Uint8Array(8),
    tier: 'device',
    bootedMs: 1,
    inventory,
    directive: 1,
    sections: [{ ...section, ...rest, instances: [instance] }],
    contents: [],
    refused: null,
    children: null,
  })
  store.nodes.setState('pi-7', said, inventory, t0)

  const [pi7, pi8] = observe(store, asked).nodes
  expect(pi7).toMatchObject({
    node: 'pi-7',
    instances: [{ module: 'sampler', restarts: 2 }],
    missedTicks: [{ module: 'sampler', home: 'pi-7', count: 14 }],
    values: [{ module: 'sampler', home: 'pi-7', metric: 'temperature', value: 21 }],
  })
  expect(pi7!.values).toHaveLength(1)
  expect(pi8).toEqual({ node: 'pi-8', instances: [], missedTicks: [], values: [] })
  expect(observe(store, { ...asked, epoch: 3 }).nodes[0]).toMatchObject({ instances: [], values: [] })
})

test('A module that is copied beside its callers has a value on each node', () => {
  const store = temporaryStore()
  for (const [node, value] of [
    ['pi-7', 1],
    ['pi-8', 2],
  ] as const) {
    addSamples(store, seriesKey({ epoch: 2, home: null, node }), [[t0 + 20, 1, value]])
  }
  expect(observe(store, asked).nodes.map(({ values }) => values.map(({ value }) => value))).toEqual([[1], [2]])
})
