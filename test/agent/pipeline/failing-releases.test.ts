import { toHex } from '@hypha/core/bytes/text.ts'
import { beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { LossyFiles } from '../../support/lossy-files.ts'
import { crypto, startMs } from '../../support/signed.ts'
import type { Behaviour } from './fake-sandbox.ts'
import { coreOf, Network, startNode, until } from './node.ts'

describe('a node whose new release fails', () => {
  let network: Network
  let clock: FakeClock
  let files: LossyFiles
  let one: string
  let boots = 0

  /** Boots on what the disk holds, offline; releases behave as said. */
  async function reboot(behaviours: Readonly<Record<number, Behaviour>> = {}) {
    files = files.afterPowerCut(1)
    network.online = false
    const node = await startNode(files, network, clock, `boot ${++boots}`)
    for (const [number, behaviour] of Object.entries(behaviours)) node.sandbox.behaviours.set(Number(number), behaviour)
    await node.boot()
    const goOnline = (): void => {
      network.online = true
      node.connect()
    }
    return { ...node, goOnline, until: (what: string, holds: () => boolean) => until(files, clock, node, what, holds) }
  }

  beforeEach(async () => {
    network = new Network()
    clock = new FakeClock(startMs)
    files = new LossyFiles()
    one = network.offer(1, coreOf(1))
    const node = await reboot()
    node.goOnline()
    await node.until('one is confirmed', () => node.status() === 'confirmed')
    await node.pipeline.close()
  })

  /** A node that has release two on trial. */
  async function onTrial(behaviours: Readonly<Record<number, Behaviour>> = {}) {
    const two = network.offer(2, coreOf(2))
    const node = await reboot(behaviours)
    node.goOnline()
    await node.until('two is tried', () => node.running() === two && node.status() === 'trial')
    return { ...node, two }
  }

  it('goes back to the confirmed one after a few traps, and stays there', async () => {
    const node = await onTrial()
    for (let trap = 0; trap < 3; trap++) node.sandbox.trap()
    await node.until('one runs again', () => node.running() === one && node.status() === 'reverted')
    const again = await reboot()
    again.goOnline()
    expect(again.running()).toBe(one)
    await again.until('nothing else comes', () => again.status() === 'reverted')
  })

  it('goes back also while a newer one is on its way over a link that is gone', async () => {
    const node = await onTrial()
    network.offer(3, coreOf(3))
    network.online = false
    node.connect()
    await node.until('three is awaited', () => node.status() === 'receiving')
    for (let trap = 0; trap < 3; trap++) node.sandbox.trap()
    await node.until('one runs again', () => node.running() === one)
  })

  it('confirms it while a newer one is on its way over a link that is gone', async () => {
    const node = await onTrial()
    network.offer(3, coreOf(3))
    network.online = false
    node.connect()
    await node.until('two is confirmed', () => node.status() === 'confirmed')
    await node.pipeline.close()
    expect((await reboot()).running()).toBe(node.two)
  })

  it('runs the confirmed one where it does not start', async () => {
    network.offer(2, coreOf(2))
    const node = await reboot({ 2: 'traps-at-start' })
    node.goOnline()
    await node.until('two is given up', () => node.status() === 'reverted')
    expect(node.running()).toBe(one)
  })

  it('tries again, later and later, to run more of the release that it has confirmed', async () => {
    const node = await reboot({ 1: 'traps-at-start' })
    const section = network.section(1, coreOf(1))
    const instances = [...section.instances, { ...section.instances[0]!, home: 'pi-8' }]
    const homes = () => node.section()?.instances.map(({ home }) => home)
    expect([node.running(), homes()]).toEqual([null, []])
    node.sandbox.behaviours.clear()
    await node.until('it runs', () => node.status() === 'confirmed')
    const before = homes()!
    network.direct(2, { ...section, instances })
    node.sandbox.behaviours.set(1, 'traps-at-start')
    node.goOnline()
    await node.until('it is given up', () => node.status() === 'reverted')
    node.sandbox.behaviours.clear()
    expect(homes()).toEqual(before)
    await node.until('it is tried again', () => node.status() === 'confirmed')
    expect(homes()).toEqual([...before, 'pi-8'])
  })

  it('runs the confirmed one after a boot on which it does not load', async () => {
    await onTrial()
    const node = await reboot({ 2: 'unloadable' })
    expect([node.running(), node.status()]).toEqual([one, 'reverted'])
  })

  it('gives it up when the agent dies with it again and again', async () => {
    await onTrial()
    await reboot()
    await reboot()
    const node = await reboot()
    expect([node.running(), node.status()]).toEqual([one, 'reverted'])
  })

  it('receives it again where its bytes are damaged, running the confirmed one meanwhile', async () => {
    const { two } = await onTrial()
    files = files.afterPowerCut(1)
    const name = toHex(crypto.sha256(coreOf(2)))
    files.remove(`contents/${name}`)
    const node = await reboot()
    expect(node.running()).toBe(one)
    node.goOnline()
    await node.until('two is confirmed', () => node.running() === two && node.status() === 'confirmed')
  })

  it('tries again to open the confirmed one', async () => {
    const node = await reboot({ 1: 'unloadable' })
    expect(node.running()).toBeNull()
    node.sandbox.behaviours.clear()
    await node.until('one runs', () => node.running() === one && node.status() === 'confirmed')
  })

  it('takes a directive that found no room on the disk when there is room again, without a new connection', async () => {
    const node = await reboot()
    const two = network.offer(2, coreOf(2))
    files.capacityBytes = 0
    node.goOnline()
    await node.until('it is refused', () => node.told.some((text) => text.includes('disk-full')))
    files.capacityBytes = Number.POSITIVE_INFINITY
    await node.until('two is confirmed', () => node.running() === two && node.status() === 'confirmed')
  })
})
