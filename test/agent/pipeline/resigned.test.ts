import { toHex } from '@hypha/core/bytes/text.ts'
import { directiveMessage } from '@hypha/core/wire/messages/directive.ts'
import { beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { LossyFiles } from '../../support/lossy-files.ts'
import { keys, startMs, thief } from '../../support/signed.ts'
import { coreOf, Network, startNode, type TestNode, until } from './node.ts'

describe('other signatures on the release that runs', () => {
  const clock = new FakeClock(startMs)
  let network: Network
  let files: LossyFiles
  let node: TestNode
  let release: string

  beforeEach(async () => {
    network = new Network()
    files = new LossyFiles()
    node = await startNode(files, network, clock, 'a boot')
    await node.boot()
    release = network.offer(1, coreOf(1))
    node.connect()
    await until(files, clock, node, 'it runs', () => node.running() === release)
  })

  const confirmed = () => until(files, clock, node, 'it is confirmed', () => node.status() === 'confirmed')
  const contents = () => files.list('contents').sort()

  it('are taken over while it runs, without a start or a trial', async () => {
    await confirmed()
    const before = contents()
    network.offer(1, coreOf(1), {}, { signers: [keys.release, keys.release2], version: 2 })
    node.connect()
    await until(
      files,
      clock,
      node,
      'the new envelope is here',
      () => !contents().every((name) => before.includes(name)),
    )
    await until(files, clock, node, 'the old one is gone', () => contents().length === before.length)
    expect([node.running(), node.status(), node.sandbox.started]).toEqual([release, 'confirmed', 1])
    expect(node.told).toEqual([])
  })

  it('do not end its trial, nor begin it anew', async () => {
    expect(node.status()).toBe('trial')
    clock.advance(3_000)
    network.offer(1, coreOf(1), {}, { signers: [keys.release, keys.release2], version: 2 })
    node.connect()
    await until(files, clock, node, 'it holds the second directive', () => node.held() === 2)
    clock.advance(2_000)
    await until(files, clock, node, 'it is confirmed', () => node.status() === 'confirmed')
    expect(node.sandbox.started).toBe(1)
  })

  it('are what a later start goes on from', async () => {
    await confirmed()
    const before = contents()
    network.offer(1, coreOf(1), {}, { signers: [keys.release, keys.release2], version: 2 })
    node.connect()
    await until(
      files,
      clock,
      node,
      'taken over',
      () => contents().length === before.length && contents().join() !== before.join(),
    )
    await node.pipeline.close()
    const again = await startNode(files, network, clock, 'another boot')
    network.online = false
    await again.boot()
    expect([again.running(), again.status(), again.told]).toEqual([release, 'confirmed', []])
  })

  it('that are not enough are refused, and it runs on; enough of them mend it', async () => {
    await confirmed()
    network.offer(1, coreOf(1), {}, { signers: [thief], version: 2 })
    node.connect()
    await until(files, clock, node, 'it is refused', () => node.status() === 'refused')
    expect([node.running(), node.pipeline.sections()[0]!.code]).toEqual([release, 'threshold-not-met'])
    network.offer(1, coreOf(1), {}, { signers: [thief, keys.release], version: 3 })
    node.connect()
    await until(files, clock, node, 'it is mended', () => node.status() === 'confirmed')
    expect([node.running(), node.sandbox.started]).toEqual([release, 1])
  })

  it('that are refused leave no trace once the directive goes back to those that it runs with', async () => {
    await confirmed()
    network.offer(1, coreOf(1), {}, { signers: [thief], version: 2 })
    node.connect()
    await until(files, clock, node, 'it is refused', () => node.status() === 'refused')
    network.offer(1, coreOf(1), {}, { version: 3 })
    node.connect()
    await until(files, clock, node, 'it is as before', () => node.status() === 'confirmed')
    expect([node.running(), node.sandbox.started, node.pipeline.sections()[0]!.code]).toEqual([release, 1, null])
  })
})

describe('a directive that is older than the one held', () => {
  it('is refused, and answered with the one that is held', async () => {
    const [clock, files, network] = [new FakeClock(startMs), new LossyFiles(), new Network()]
    const node = await startNode(files, network, clock, 'a boot')
    await node.boot()
    network.offer(1, coreOf(1))
    const older = network.directive!
    network.offer(2, coreOf(2))
    node.connect()
    await until(files, clock, node, 'two is held', () => node.held() === 2)
    const held = network.directive!
    await node.pipeline.directive(directiveMessage.encode({ envelope: older, attachments: [] }))
    expect(node.pipeline.refused).toMatchObject({ code: 'directive-rollback' })
    expect(node.proofs.map(toHex)).toEqual([toHex(held)])
    // What nobody has signed is no reason to prove anything.
    await node.pipeline.directive(directiveMessage.encode({ envelope: Uint8Array.of(1), attachments: [] }))
    expect(node.proofs).toHaveLength(1)
  })
})
