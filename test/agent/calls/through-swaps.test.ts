import { afterEach, expect, test } from 'vitest'
import { Network, placedOn, sectionWith } from '../../support/linked-nodes.ts'
import { inputOf } from '../../support/sandbox.ts'
import { caller, keeper, store } from './guests.ts'

let network = new Network()
afterEach(async () => {
  await network.close()
  network = new Network()
})

const ways = ['swapped', 'stopped and started anew'] as const

test.for(ways)(
  'Calls go on while their callee is %s again and again: each runs once, in the release that was there.',
  async (way) => {
    const pi = network.node('pi-7')
    const edge = network.node('edge')
    edge.serve('keeper', store.name, [{ node: 'pi-7', module: 'caller' }])
    await edge.run(sectionWith([{ module: await keeper() }]))
    await pi.run(sectionWith([{ module: await caller(), links: { [store.name]: placedOn('edge', 'keeper') } }]))
    const deliver = (number: number) =>
      pi.app!.deliver(
        { app: 'app', module: 'caller', home: null },
        inputOf(number, 'a', new Uint8Array(1 + (number % 100)).fill(120)),
      )
    // The next input comes with the end of the one before, until all swaps are done.
    let [inputs, swapping] = [1, true]
    const feeding = (async () => {
      for (deliver(inputs); swapping; deliver(++inputs)) {
        await pi.journal.until((turns) => turns.at(-1)?.input?.number === inputs)
      }
    })()
    for (let epoch = 2; epoch <= 4; epoch++) {
      const section = sectionWith([{ module: await keeper() }], { epoch })
      if (way === 'swapped') await edge.swap(section)
      else await edge.run(section)
    }
    swapping = false
    await feeding
    await pi.journal.until((turns) => turns.at(-1)?.input?.number === inputs)
    // The length of each payload, once and in order.
    const sizes = edge.samplesOf({ module: 'keeper' })
    expect(sizes).toEqual(Array.from({ length: inputs }, (_, index) => `size=${1 + ((index + 1) % 100)}`))
    expect(pi.samplesOf({ module: 'caller' }).filter((sample) => sample.startsWith('failed'))).toEqual([])
    expect(edge.journal.turns.some(({ epoch }) => epoch > 1)).toBe(true)
  },
)
