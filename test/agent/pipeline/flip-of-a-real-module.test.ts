import { toHex } from '@hypha/core/bytes/text.ts'
import { expect, test } from 'vitest'
import { Network } from './node.ts'
import { clock, counter, realNode, sectionOf, until } from './real-module.ts'

test('A commit makes a node flip while inputs come: none is lost, none is handled twice, and the count goes on.', async () => {
  const network = new Network()
  const one = sectionOf(network, 1, {}, await counter())
  const two = sectionOf(network, 2, { phase: 'prepare', wave: 0 }, await counter())
  const { node, give, handled, counts, close } = await realNode(network)
  await node.boot()
  network.direct(1, one)
  node.connect()
  await until('one runs', () => node.section()?.instances[0]?.status === 'running')
  network.direct(2, one, two)
  node.connect()
  let last = 0
  const flow = setInterval(() => give(++last), 4)
  await until('two is prepared', () => node.prepare()?.status === 'prepared')
  node.committed(network.commitOf(two, clock.now(), 50))
  await until('two runs', () => node.section()?.epoch === 2)
  const before = last
  await until('more has come', () => last >= before + 5)
  clearInterval(flow)
  await until('all is handled', () => handled().length === last)

  expect(toHex(node.section()!.running!)).toBe(toHex(two.release))
  expect(handled().map(({ number }) => number)).toEqual(Array.from({ length: last }, (_, index) => index + 1))
  expect(counts()).toEqual(handled().map(({ number }) => number))
  const [flip] = node.flips
  const atFlip = handled().filter(({ epoch }) => epoch === 1).length
  expect(flip).toMatchObject({ before: atFlip, to: { release: toHex(two.release) } })
  expect(await flip!.settled).toEqual({ after: flip!.carried, lost: 0, doubled: 0 })

  await close()
}, 120_000)
