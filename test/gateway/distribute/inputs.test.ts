import { expect, it } from 'vitest'
import { createInputSender } from '../../../gateway/distribute/inputs.ts'
import type { InputRecord } from '../../../gateway/store/inputs.ts'
import type { Store } from '../../../gateway/store/store.ts'
import { inputs } from '../../../src/wire/messages/input.ts'
import { t0, temporaryPath, temporaryStore } from '../store/support.ts'
import { fastBroker, topics } from './support.ts'

const alarm = { node: 'edge', app: 'greenhouse', module: 'alarm', home: 'pi-7' }
const ledger = { node: 'edge', app: 'greenhouse', module: 'ledger', home: null }

function started(store: Store = temporaryStore(), window = 4, gaveUp?: (input: InputRecord) => boolean) {
  const broker = fastBroker()
  const timers = new Set<() => void>()
  const sender = createInputSender({
    store,
    topics,
    publish: broker.publish,
    clock: {
      after: (_, run) => {
        timers.add(run)
        return () => timers.delete(run)
      },
    },
    onProblem: (_, error) => {
      throw error
    },
    window,
    ...(gaveUp && { gaveUp }),
  })
  return {
    store,
    sender,
    broker,
    /** Numbers that were sent, less the first, by message. */
    sent: () => broker.published.map(({ bytes }) => inputs.decode(bytes).inputs.map(({ number }) => number)),
    fire: async () => {
      const now = [...timers]
      timers.clear()
      for (const run of now) run()
      await new Promise((resolve) => setImmediate(resolve))
    },
    timers,
  }
}

const queue = (store: Store, target: typeof alarm | typeof ledger, count: number, size = 1): number[] =>
  Array.from({ length: count }, (_, n) => {
    const input = store.inputs.add({ ...target, topic: 'limit', payload: new Uint8Array(size).fill(n), queuedAt: t0 })
    return input!.number
  })

const handle = (
  store: Store,
  sender: ReturnType<typeof started>['sender'],
  target: typeof alarm | typeof ledger,
  numbers: number[],
) => {
  for (const number of numbers) store.inputs.handled(target, number, 'ok', t0)
  sender.handled(numbers.map((number) => ({ ...target, number })))
}

it('Nothing is sent to a node that is away; when it comes it gets what waits, in order', async () => {
  const { store, sender, sent, broker } = started()
  const numbers = queue(store, alarm, 3)
  await sender.flush('edge')
  expect(sent()).toEqual([])
  await sender.connected('edge')
  expect(sent()).toEqual([numbers])
  expect(broker.published[0]!.topic).toBe('hypha/greens/n/edge/down/input')
  expect(inputs.decode(broker.published[0]!.bytes).inputs[0]).toMatchObject({
    source: store.meta.source,
    app: 'greenhouse',
    module: 'alarm',
    home: 'pi-7',
    topic: 'limit',
  })
})

it('An instance that is stuck fills its window, and its neighbour goes on', async () => {
  const { store, sender, sent } = started()
  const stuck = queue(store, alarm, 10)
  const free = queue(store, ledger, 10)
  await sender.connected('edge')
  expect(sent().flat()).toEqual([...stuck.slice(0, 4), ...free.slice(0, 4)])
  handle(store, sender, ledger, free.slice(0, 3))
  await sender.flush('edge')
  expect(sent().flat().slice(8)).toEqual(free.slice(4, 7))
})

it('Everything that is not handled is sent again on the next connection, and after a pause without progress', async () => {
  const { store, sender, sent, fire, timers } = started()
  const numbers = queue(store, alarm, 3)
  await sender.connected('edge')
  handle(store, sender, alarm, numbers.slice(0, 1))
  await sender.connected('edge')
  expect(sent()).toEqual([numbers, numbers.slice(1)])
  await fire()
  expect(sent()).toEqual([numbers, numbers.slice(1), numbers.slice(1)])
  sender.disconnected('edge')
  expect(timers.size).toBe(0)
})

it('When all is handled nothing waits to be sent again', async () => {
  const { store, sender, timers } = started()
  const numbers = queue(store, alarm, 3)
  await sender.connected('edge')
  expect(timers.size).toBe(1)
  handle(store, sender, alarm, numbers)
  await sender.flush('edge')
  expect(timers.size).toBe(0)
})

it('Large inputs go in several messages, each below a packet', async () => {
  const { store, sender, broker, sent } = started(temporaryStore(), 64)
  const numbers = queue(store, alarm, 7, 20_000)
  await sender.connected('edge')
  expect(sent().flat()).toEqual(numbers)
  expect(broker.published).toHaveLength(4)
  expect(Math.max(...broker.published.map(({ bytes }) => bytes.length))).toBeLessThan(65_536)
})

it('After a restart of the gateway the same inputs go out under the same source and numbers, and new ones have higher numbers', async () => {
  const path = temporaryPath()
  const before = started(temporaryStore({}, path))
  const numbers = queue(before.store, alarm, 2)
  await before.sender.connected('edge')
  const after = started(temporaryStore({}, path))
  await after.sender.connected('edge')
  expect(after.broker.published).toEqual(before.broker.published)
  expect(queue(after.store, alarm, 1)[0]).toBeGreaterThan(numbers[1]!)
})

it('What waits for an instance goes with it to another node, under the same numbers', async () => {
  const { store, sender, sent } = started()
  const numbers = queue(store, alarm, 2)
  store.inputs.move(alarm, 'cloud')
  expect([store.inputs.count('edge'), store.inputs.count('cloud')]).toEqual([0, 2])
  await sender.connected('edge')
  await sender.connected('cloud')
  expect(sent()).toEqual([numbers])
})

it('A queue has an end', () => {
  const store = temporaryStore()
  store.transaction(() => expect(queue(store, alarm, 10_000)).toHaveLength(10_000))
  const more = { ...alarm, topic: 'limit', payload: new Uint8Array(1), queuedAt: t0 }
  expect(store.inputs.add(more)).toBeNull()
  expect(store.inputs.add({ ...more, node: 'cloud' })).not.toBeNull()
})

it('Inputs that were given up make room for those after them, however many they are', async () => {
  const store = temporaryStore()
  const { sender, sent } = started(store, 4, ({ number, node, app, module, home, payload }) => {
    if (payload.length <= 100) return false
    return store.inputs.handled({ node, app, module, home }, number, 'failed', t0)
  })
  queue(store, alarm, 10, 300)
  const fitting = queue(store, alarm, 3)
  await sender.connected('edge')
  expect(sent().flat()).toEqual(fitting)
})
