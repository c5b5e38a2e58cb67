import { beforeAll, describe, expect, it } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { LossyFiles } from '../../support/lossy-files.ts'
import { seeded } from '../../support/random.ts'
import { startMs } from '../../support/signed.ts'
import { coreOf, Network, startNode, type TestNode, until } from './node.ts'

const network = new Network()
const one = network.offer(1, coreOf(1))
const first = network.directive
const two = network.offer(2, coreOf(2))
const second = network.directive

let boots = 0

/** Starts a node, and answers it; null where the power went meanwhile. */
async function boot(files: LossyFiles, clock: FakeClock): Promise<TestNode | null> {
  try {
    const node = await startNode(files, network, clock, `boot ${++boots}`)
    await node.boot()
    return node
  } catch (error) {
    if (files.cut) return null
    throw error
  }
}

/** From a disk with release one confirmed to one with release two confirmed. */
async function upgrade(files: LossyFiles): Promise<void> {
  const clock = new FakeClock(startMs)
  network.online = true
  network.directive = second
  const node = await boot(files, clock)
  if (node === null) return
  node.connect()
  await until(files, clock, node, 'two is confirmed', () => node.running() === two && node.status() === 'confirmed')
}

/** The power is back: one of the two must run with no network, and the new one in the end with it. */
async function comesUp(files: LossyFiles, offline: boolean): Promise<void> {
  const clock = new FakeClock(startMs)
  network.directive = second
  network.online = !offline
  const node = await boot(files, clock)
  expect([one, two], node?.told.join('; ')).toContain(node?.running())
  if (offline) {
    clock.advance(20_000)
    await until(files, clock, node!, 'one of the two runs', () => node!.running() !== null)
    network.online = true
  }
  node!.connect()
  await until(files, clock, node!, 'two is confirmed', () => node!.running() === two && node!.status() === 'confirmed')
}

describe('a power cut while a release is being installed', () => {
  let old: LossyFiles
  let writes = 0

  beforeAll(async () => {
    const files = new LossyFiles()
    const clock = new FakeClock(startMs)
    network.directive = first
    const node = await boot(files, clock)
    node!.connect()
    await until(files, clock, node!, 'one is confirmed', () => node!.status() === 'confirmed')
    await node!.pipeline.close()
    old = files.afterPowerCut(0)
    const whole = old.afterPowerCut(0)
    await upgrade(whole)
    writes = whole.operations
  })

  it('brings the agent up on the old release or the new one, at whichever write it comes', async () => {
    expect(writes).toBeGreaterThan(60)
    for (let cutAt = 1; cutAt <= writes; cutAt++) {
      for (let seed = 0; seed < 3; seed++) {
        const files = old.afterPowerCut(seed, { cutAt })
        await upgrade(files)
        expect(files.cut, `write ${cutAt}`).toBe(true)
        await comesUp(files.afterPowerCut(seed * 1_000 + cutAt), seed > 0)
      }
    }
  })

  it('does so when the power goes again while the agent comes up', async () => {
    const random = seeded(11)
    for (let run = 0; run < 100; run++) {
      const files = old.afterPowerCut(0, { cutAt: 1 + Math.floor(random() * writes) })
      await upgrade(files)
      const again = files.afterPowerCut(run, { cutAt: 1 + Math.floor(random() * 30) })
      await upgrade(again)
      await comesUp(again.afterPowerCut(run + 1), run % 2 === 0)
    }
  })
})
