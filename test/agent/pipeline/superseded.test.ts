import { beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { LossyFiles } from '../../support/lossy-files.ts'
import { startMs } from '../../support/signed.ts'
import { coreOf, Network, startNode, type TestNode, until } from './node.ts'

describe('a directive that is superseded while its release is on its way', () => {
  const clock = new FakeClock(startMs)
  let network: Network
  let files: LossyFiles
  let node: TestNode

  beforeEach(async () => {
    network = new Network()
    files = new LossyFiles()
    node = await startNode(files, network, clock, 'a boot')
    await node.boot()
    network.offer(1, coreOf(1))
    network.online = false
    node.connect()
    await until(files, clock, node, 'one is awaited', () => node.status() === 'receiving')
  })

  it('gives way to the newer one', async () => {
    const two = network.offer(2, coreOf(2))
    network.online = true
    node.connect()
    await until(files, clock, node, 'two is confirmed', () => node.running() === two && node.status() === 'confirmed')
    expect(files.list('contents')).toHaveLength(2)
    expect(files.list('partial')).toEqual([])
  })

  it('leaves nothing behind where the newer one names the app no more', async () => {
    network.withdraw(2)
    network.online = true
    node.connect()
    await until(files, clock, node, 'the app is gone', () => node.pipeline.sections().length === 0)
    expect(node.running()).toBeNull()
    expect(files.list('contents')).toEqual([])
    expect(files.list('partial')).toEqual([])
    expect(files.list('installs')).toEqual([])
  })

  it('does not keep the agent from ending', async () => {
    await node.pipeline.close()
    network.online = true
    node.connect()
    clock.advance(60_000)
    expect(node.running()).toBeNull()
  })
})
