import { afterEach, expect, test } from 'vitest'
import { type LinkedNode, Network, placedOn, sectionWith } from '../../support/linked-nodes.ts'
import { inputOf } from '../../support/sandbox.ts'
import { caller, keeper, store } from './guests.ts'

// The node that answers is gone, or has let its instance go, and the directive says that another answers in its place.

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const retrying = {
  links: [{ interface: store.name, policy: 'retry' as const, deadlineMs: null, ratePerS: null, bytesPerCall: null }],
}

let network = new Network()
afterEach(async () => {
  await network.close()
  network = new Network()
})

/** Both edges could answer; the caller's own directive names the first. */
async function living(spec = {}) {
  const [pi, one, two] = [network.node('pi'), network.node('edge-1'), network.node('edge-2')]
  for (const edge of [one, two]) {
    await edge.run(sectionWith([{ module: await keeper() }]))
    edge.serve('keeper', store.name, [{ node: 'pi', module: 'caller' }])
  }
  const app = await pi.run(
    sectionWith([{ module: await caller('caller', spec), links: { [store.name]: placedOn('edge-1', 'keeper') } }]),
  )
  return {
    pi,
    one,
    two,
    give: () => app.deliver({ app: 'app', module: 'caller', home: null }, inputOf(1, 'a', text('fail-over'))),
  }
}

const handled = ({ pi }: { readonly pi: LinkedNode }) =>
  pi.journal.until((turns) => turns.some(({ input }) => input?.number === 1))

async function fleet(spec = {}) {
  const { pi, one, two, give } = await living(spec)
  // Dead: nothing comes back from it.
  const asked = new Promise<void>((resolve) => {
    network.loses = (_message, to, from) => {
      if (to === 'edge-1') resolve()
      return to === 'edge-1' || from === 'edge-1'
    }
  })
  give()
  await asked
  return { pi, one, two }
}

test('With retry a call goes over to the node that the newest directive names, within the same turn.', async () => {
  const { pi, one, two } = await fleet(retrying)
  pi.links.set(store.name, 'edge-2')
  pi.calls.review()
  await pi.journal.until((turns) => turns.some(({ input }) => input?.number === 1))
  expect(pi.samplesOf({ module: 'caller' })).toEqual(['count=1'])
  expect(one.samplesOf({ module: 'keeper' })).toEqual([])
  expect(two.samplesOf({ module: 'keeper' })).toEqual(['size=9'])
})

test('Without it the caller is told soon that its callee moves, and that nobody can know; the next turn calls it where it is.', async () => {
  const { pi, two } = await fleet()
  pi.links.set(store.name, 'edge-2')
  pi.calls.review()
  await pi.journal.until((turns) => turns.some(({ input }) => input?.number === 1))
  const [log] = pi.journal.turns.flatMap(({ logs }) => logs.map((each) => each.text))
  expect(log).toMatch(/^callee-unreachable: it moves from edge-1 to edge-2: .*\(it may have run\)/)
  pi.app!.deliver({ app: 'app', module: 'caller', home: null }, inputOf(2, 'a', text('again')))
  await pi.journal.until((turns) => turns.some(({ input }) => input?.number === 2))
  expect(two.samplesOf({ module: 'keeper' })).toEqual(['size=5'])
})

test('A callee that comes to the caller’s own node fails the call in hand: it answers after that turn.', async () => {
  const { pi } = await fleet(retrying)
  pi.links.set(store.name, 'pi')
  pi.calls.review()
  await pi.journal.until((turns) => turns.some(({ input }) => input?.number === 1))
  expect(pi.samplesOf({ module: 'caller' })).toEqual(['failed=1'])
})

test('A call whose callee has left a node and has not come to another yet waits, whatever its link’s policy, and is answered there.', async () => {
  const nodes = await living()
  const { pi, one, two, give } = nodes
  // By their directives neither has it.
  one.served = []
  const listed = two.served
  two.served = []
  give()
  await expect.poll(() => network.sent.some(({ message }) => message.kind === 'reply')).toBe(true)
  pi.links.set(store.name, 'edge-2')
  pi.calls.review()
  two.served = listed
  await handled(nodes)
  expect(pi.samplesOf({ module: 'caller' })).toEqual(['count=1'])
  expect(one.samplesOf({ module: 'keeper' })).toEqual([])
  expect(two.samplesOf({ module: 'keeper' })).toEqual(['size=9'])
})

test('What waits at a node for an instance that leaves is sent back at once, and goes where that goes.', async () => {
  const nodes = await living()
  const { pi, one, two, give } = nodes
  await one.app!.stop({ save: true })
  give()
  await expect.poll(() => network.sent.some(({ to }) => to === 'edge-1')).toBe(true)
  expect(pi.journal.turns).toEqual([])
  one.leaving = true
  one.calls.review()
  await expect.poll(() => network.sent.some(({ from }) => from === 'edge-1')).toBe(true)
  pi.links.set(store.name, 'edge-2')
  pi.calls.review()
  await handled(nodes)
  expect(pi.samplesOf({ module: 'caller' })).toEqual(['count=1'])
  expect(two.samplesOf({ module: 'keeper' })).toEqual(['size=9'])
})

test('What has begun before its callee left is answered from there, also where the answer was lost, and isn’t begun elsewhere.', async () => {
  const nodes = await living()
  const { pi, one, two, give } = nodes
  let lost = 0
  network.loses = ({ kind }) => kind === 'reply' && lost++ === 0
  give()
  await expect.poll(() => lost).toBe(1)
  one.served = []
  pi.links.set(store.name, 'edge-2')
  pi.calls.review()
  await handled(nodes)
  expect(pi.samplesOf({ module: 'caller' })).toEqual(['count=1'])
  expect(one.samplesOf({ module: 'keeper' })).toEqual(['size=9'])
  expect(two.samplesOf({ module: 'keeper' })).toEqual([])
})
