import { afterEach, expect, test, vi } from 'vitest'
import { Network, placedOn, sectionWith } from '../../support/linked-nodes.ts'
import { inputOf } from '../../support/sandbox.ts'
import { guestModule } from '../../support/sandbox-guest.ts'
import { caller, keeper, plainStore, store } from './guests.ts'

const network = new Network()
afterEach(() => network.close())

/** Serves the one interface by calling the other. */
const relay = () =>
  guestModule('relay', {
    interfaces: [store, plainStore],
    imports: ['test:app/plain@1.0.0#size'],
    exports: {
      'test:app/store@1.0.0#add': `
        (i32.store8 (i32.const 520) (i32.const 0))
        (i32.store (i32.const 524) (call $plain.size (local.get $p0) (local.get $p1)))
        (i32.const 520)`,
    },
  })

test('A call that comes back to the cell that waits for it is refused at once, and whoever began it is told.', async () => {
  const pi = network.node('pi-7')
  const edge = network.node('edge')
  const vault = await keeper('vault')
  const own = await caller()
  // The caller's own cell has the vault: they call each other directly.
  const both = { ...own, world: { ...own.world, imports: [...own.world.imports, plainStore] } }
  const links = { [store.name]: placedOn('edge', 'relay'), [plainStore.name]: placedOn('pi-7', 'vault') }
  await pi.run(sectionWith([{ module: both, links }, { module: vault }]))
  await edge.run(sectionWith([{ module: await relay(), links: { [plainStore.name]: placedOn('pi-7', 'vault') } }]))
  edge.serve('relay', store.name, [{ node: 'pi-7', module: 'caller' }])
  pi.serve('vault', plainStore.name, [{ node: 'edge', module: 'relay' }])
  pi.app!.deliver({ app: 'app', module: 'caller', home: null }, inputOf(1, 'a', new Uint8Array(3)))
  await pi.journal.until((turns) => turns.some(({ input }) => input?.number === 1))
  expect((await edge.event('trapped')).text).toMatch(
    /would-deadlock: .*pi-7\/app → edge\/app → pi-7\/app \(it did not run\)/,
  )
  expect(pi.journal.turns.flatMap(({ logs }) => logs.map(({ text }) => text))[0]).toMatch(/^callee-trapped/)
  // Well before any deadline.
  expect(network.sent.filter(({ message }) => message.kind === 'cancel')).toEqual([])
})

test('Cells of three nodes that begin to wait for one another at once are told so long before their deadlines.', async () => {
  const names = ['a', 'b', 'c']
  const nodes = names.map((name) => network.node(name))
  const own = await caller()
  const vault = await keeper('vault')
  for (const [index, node] of nodes.entries()) {
    // Its vault is in the caller's cell, and so waits with it.
    const both = { ...own, world: { ...own.world, imports: [...own.world.imports, plainStore] } }
    const links = {
      [store.name]: placedOn(names[(index + 1) % 3]!, 'vault'),
      [plainStore.name]: placedOn(names[index]!, 'vault'),
    }
    await node.run(sectionWith([{ module: both, links }, { module: vault }]))
    node.serve('vault', store.name, [{ node: names[(index + 2) % 3]!, module: 'caller' }])
  }
  // All have called before any of them hears of it.
  const held: (() => void)[] = []
  network.holds = (message, deliver) => message.kind === 'call' && held.length < 3 && held.push(deliver) > 0
  for (const node of nodes) {
    node.app!.deliver({ app: 'app', module: 'caller', home: null }, inputOf(1, 'a', new Uint8Array(3)))
  }
  await vi.waitFor(() => expect(held).toHaveLength(3))
  for (const deliver of held) deliver()
  for (const { journal } of nodes) await journal.until((turns) => turns.some(({ input }) => input?.number === 1))
  const texts = nodes.flatMap(({ journal }) => journal.turns.flatMap(({ logs }) => logs.map(({ text }) => text)))
  expect(texts.length).toBeGreaterThan(0)
  for (const text of texts) expect(text).toMatch(/^would-deadlock: .*[abc]\/app → [abc]\/app → [abc]\/app/)
  expect(network.sent.some(({ message }) => message.kind === 'probe')).toBe(true)
  // None of them waited for its deadline.
  expect(network.sent.filter(({ message }) => message.kind === 'cancel')).toEqual([])
})
