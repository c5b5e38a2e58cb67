import { afterEach, expect, test } from 'vitest'
import { Network, ofDevice, sectionWith } from '../../support/linked-nodes.ts'
import { inputOf } from '../../support/sandbox.ts'
import { caller, keeper, store } from './guests.ts'

const network = new Network()
afterEach(() => network.close())

test('A shared module answers a message through the device whose instance published it, and is told where no device is meant or none is known.', async () => {
  const edge = network.node('edge')
  edge.devices = [{ module: 'keeper', at: ['pi-7', 'pi-8'].map((node) => ({ home: node, node })) }]
  await edge.run(sectionWith([{ module: await caller(), links: { [store.name]: ofDevice('keeper') } }]))
  for (const name of ['pi-7', 'pi-8']) {
    const node = network.node(name)
    node.serve('keeper', store.name, [{ node: 'edge', module: 'caller' }], name)
    await node.run(sectionWith([{ module: await keeper(), home: name }]))
  }
  const publishers = ['pi-8', 'pi-7', null, 'pi-9'] as const
  for (const [index, publisher] of publishers.entries()) {
    const payload = new Uint8Array(index + 1).fill(120)
    edge.app!.deliver({ app: 'app', module: 'caller', home: null }, { ...inputOf(index + 1, 'a', payload), publisher })
  }
  await edge.journal.until((turns) => turns.some(({ input }) => input?.number === publishers.length))
  expect(edge.samplesOf({ module: 'caller' })).toEqual(['count=1', 'count=1', 'failed=1', 'failed=1'])
  expect(network.nodes.get('pi-8')!.samplesOf({ module: 'keeper', home: 'pi-8' })).toEqual(['size=1'])
  expect(network.nodes.get('pi-7')!.samplesOf({ module: 'keeper', home: 'pi-7' })).toEqual(['size=2'])
  const said = edge.journal.turns.flatMap(({ logs }) => logs.map(({ text }) => text.split(':')[0]))
  expect(said).toEqual(['no-home', 'unknown-device'])
  expect(edge.calls.devices('app')).toEqual(['pi-7', 'pi-8'])
})
