import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createChunks } from '../../../gateway/distribute/chunks.ts'
import { createTransfers } from '../../../gateway/distribute/transfers.ts'
import { fromHex } from '../../../src/bytes/text.ts'
import { want } from '../../../src/wire/messages/want.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { addNode, temporaryStore } from '../store/support.ts'
import { contentOf, directiveOf, fastBroker, sectionOf, slowBroker, topics } from './support.ts'

/** Nodes whose directive lists one content of ten chunks, the last a short one. */
function started(
  publish: Parameters<typeof createChunks>[0]['publish'],
  nodes = ['pi-7'],
  options: Partial<Parameters<typeof createChunks>[0]> = {},
) {
  const store = temporaryStore()
  const bytes = new Uint8Array(randomBytes(9 * 32_768 + 100))
  const content = store.contents.put(bytes)
  const other = store.contents.put(new Uint8Array(randomBytes(10)))
  const transfers = createTransfers(store.contents)
  for (const node of nodes) {
    addNode(store, node)
    const item = contentOf(content, bytes.length, transfers.transferFor(content))
    store.directives.put(directiveOf(node, [sectionOf({ contents: [item] })]), new Uint8Array(1))
  }
  const problems: string[] = []
  const chunks = createChunks({
    store,
    topics,
    publish,
    onProblem: (node, { code }) => problems.push(`${node} ${code}`),
    ...options,
  })
  const ask = (node: string, ranges: { first: number; count: number }[], digest = content) =>
    chunks.onWant(node, want.encode({ digest: fromHex(digest), ranges }))
  return { bytes, content, other, chunks, ask, problems }
}

const indexOf = ({ topic }: { topic: string }) => Number(topic.split('/').at(-1))

it('The chunks that a node asks for are published, and together they are the transfer', async () => {
  const broker = fastBroker()
  const { bytes, content, chunks, ask } = started(broker.publish)
  ask('pi-7', [
    { first: 0, count: 3 },
    { first: 3, count: 7 },
  ])
  await chunks.idle()
  expect(broker.published.map(({ topic }) => topic)).toEqual(
    Array.from({ length: 10 }, (_, index) => `hypha/greens/b/c/${content}/${index}`),
  )
  expect(broker.published.every(({ retain }) => !retain)).toBe(true)
  expect(new Uint8Array(Buffer.concat(broker.published.map((sent) => sent.bytes)))).toEqual(bytes)
})

it('Only one chunk is under way at a time, so that the broker sets the pace', async () => {
  const broker = slowBroker()
  const { ask } = started(broker.publish)
  ask('pi-7', [{ first: 0, count: 10 }])
  for (let sent = 1; sent <= 10; sent++) {
    expect(broker.published).toHaveLength(sent)
    await broker.handOn()
  }
})

it('A chunk that several wait for is published once, and one that was under way when it was asked for again', async () => {
  const broker = slowBroker()
  const { ask, chunks } = started(broker.publish, ['pi-7', 'pi-8'], { gatherMs: 0 })
  ask('pi-7', [{ first: 0, count: 4 }])
  ask('pi-8', [{ first: 0, count: 4 }])
  for (let count = 0; count < 8; count++) await broker.handOn()
  await chunks.idle()
  expect(broker.published.map(indexOf).sort()).toEqual([0, 0, 1, 2, 3])
})

it('Nodes take turns', async () => {
  const broker = slowBroker()
  const { ask } = started(broker.publish, ['pi-7', 'pi-8'])
  ask('pi-7', [{ first: 0, count: 8 }])
  ask('pi-8', [{ first: 9, count: 1 }])
  await broker.handOn()
  await broker.handOn()
  expect(broker.published.map(indexOf).slice(0, 3)).toContain(9)
})

it('A node that asks for the same again and again waits for each chunk once', async () => {
  const broker = slowBroker()
  const { ask, chunks } = started(broker.publish)
  for (let count = 0; count < 100; count++) ask('pi-7', [{ first: 1, count: 2 }])
  for (let count = 0; count < 5; count++) await broker.handOn()
  await chunks.idle()
  expect(broker.published.length).toBeLessThanOrEqual(3)
})

describe('nothing is published, and the operator is told, if a node', () => {
  it.each<[string, (at: ReturnType<typeof started>) => void]>([
    [
      'asks for a content that its directive does not list',
      ({ ask, other }) => ask('pi-7', [{ first: 0, count: 1 }], other),
    ],
    ['asks beyond the end', ({ ask }) => ask('pi-7', [{ first: 5, count: 6 }])],
    ['has no directive', ({ ask }) => ask('pi-9', [{ first: 0, count: 1 }])],
    ['sends bytes that are no want', ({ chunks }) => chunks.onWant('pi-7', new Uint8Array([1, 2, 3]))],
  ])('%s', async (_, act) => {
    const broker = fastBroker()
    const at = started(broker.publish)
    act(at)
    await at.chunks.idle()
    expect(broker.published).toEqual([])
    expect(at.problems).toHaveLength(1)
  })
})

it('A broker that fails stops neither the other chunks nor the gateway', async () => {
  let failures = 2
  const broker = fastBroker()
  const { ask, chunks, problems } = started((topic, bytes) =>
    failures-- > 0 ? Promise.reject(new Error('gone')) : broker.publish(topic, bytes),
  )
  ask('pi-7', [{ first: 0, count: 5 }])
  await chunks.idle()
  expect(broker.published).toHaveLength(3)
  expect(problems).toEqual(['pi-7 internal', 'pi-7 internal'])
})

it('A node that asks without end is served at its rate, and another as ever', async () => {
  const broker = fastBroker()
  let now = 0
  const { chunks, ask } = started(broker.publish, ['pi-7', 'pi-8'], {
    wantsPerSecond: 10,
    wantBurst: 5,
    gatherMs: 0,
    now: () => now,
  })
  const askOften = async (node: string, times: number) => {
    const before = broker.published.length
    for (let time = 0; time < times; time++) {
      ask(node, [{ first: 0, count: 1 }])
      await chunks.idle()
    }
    return broker.published.length - before
  }
  expect(await askOften('pi-7', 100)).toBe(5)
  expect(await askOften('pi-8', 3)).toBe(3)
  now += 300
  expect(await askOften('pi-7', 100)).toBe(3)
})

describe('Many nodes that ask for a transfer one after the other', () => {
  const nodes = Array.from({ length: 200 }, (_, index) => `pi-${index}`)
  const whole = [{ first: 0, count: 10 }]

  function many() {
    const clock = new FakeClock()
    const broker = fastBroker()
    const at = started(broker.publish, nodes, { now: () => clock.now(), after: (ms, run) => void clock.after(ms, run) })
    const timesOfEach = () => {
      const times = new Map<number, number>()
      for (const message of broker.published) times.set(indexOf(message), (times.get(indexOf(message)) ?? 0) + 1)
      return [...times.values()]
    }
    return { ...at, clock, timesOfEach }
  }

  it('have each chunk published a few times in all, and the first of them at once', async () => {
    const { clock, chunks, ask, timesOfEach } = many()
    for (const node of nodes) {
      ask(node, whole)
      await chunks.idle()
      if (node === 'pi-0') expect(timesOfEach()).toEqual(Array(10).fill(1))
      // All of them within 600 ms.
      clock.advance(3)
    }
    clock.advance(1_000)
    await chunks.idle()
    expect(Math.max(...timesOfEach())).toBeLessThanOrEqual(5)
  })

  it('are all served: each chunk goes once more after the last has asked', async () => {
    const { clock, chunks, ask, timesOfEach } = many()
    ask('pi-0', whole)
    await chunks.idle()
    for (const node of nodes.slice(1)) ask(node, whole)
    await chunks.idle()
    expect(timesOfEach()).toEqual(Array(10).fill(1))
    clock.advance(50)
    await chunks.idle()
    expect(timesOfEach()).toEqual(Array(10).fill(2))
  })

  it('keep none of them waiting that asks again for what it lost', async () => {
    const { chunks, ask, timesOfEach } = many()
    ask('pi-0', whole)
    await chunks.idle()
    ask('pi-0', whole)
    await chunks.idle()
    expect(timesOfEach()).toEqual(Array(10).fill(2))
  })
})
