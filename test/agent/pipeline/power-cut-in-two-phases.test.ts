import { toHex } from '@hypha/core/bytes/text.ts'
import { beforeAll, describe, expect, it } from 'vitest'
import { Installs } from '../../../agent/install/installs.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { LossyFiles } from '../../support/lossy-files.ts'
import { seeded } from '../../support/random.ts'
import { startMs } from '../../support/signed.ts'
import { coreOf, Network, startNode, type TestNode, until } from './node.ts'

const network = new Network()
const one = network.section(1, coreOf(1))
const two = network.section(2, coreOf(2), { phase: 'prepare', wave: 0 })
const [oneHex, twoHex] = [toHex(one.release), toHex(two.release)]
network.direct(1, one)
const first = network.directive
network.direct(2, one, two)
const second = network.directive
/** The instant that the commit names, two seconds after the node's start. */
const said = network.commitOf(two, startMs, 2_000)

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

const isThrough = (node: TestNode) => node.running() === twoHex && node.status() === 'confirmed'

/** From a disk with release one confirmed over PREPARE, COMMIT and FLIP to release two confirmed. */
async function rollOut(files: LossyFiles): Promise<void> {
  const clock = new FakeClock(startMs)
  Object.assign(network, { online: true, directive: second, commit: said })
  const node = await boot(files, clock)
  if (node === null) return
  node.connect()
  node.committed(said)
  await until(files, clock, node, 'two is confirmed', () => isThrough(node))
}

function written(files: LossyFiles) {
  return new Installs(files, { starts: 3, traps: 3 }, () => undefined).state('greenhouse')
}

/** The power is back, long after the instant: what was written down says which one runs, with no network; with it, it is the new one in the end. */
async function comesUp(files: LossyFiles): Promise<void> {
  const { trial, prepared, confirmed } = written(files)
  const due = prepared?.commit ? prepared.installed : (trial?.installed ?? confirmed)
  const clock = new FakeClock(startMs + 3_600_000)
  Object.assign(network, { online: false, directive: second, commit: said })
  const node = await boot(files, clock)
  expect(node?.running(), node?.told.join('; ')).toBe(due!.release)
  expect([oneHex, twoHex]).toContain(node!.running())
  network.online = true
  node!.connect()
  node!.committed(said)
  await until(files, clock, node!, 'two is confirmed', () => isThrough(node!))
  expect([node!.section()?.epoch, node!.journal.flipOf('greenhouse')]).toEqual([2, null])
}

describe('A power cut while a release is prepared, committed and taken over', () => {
  let old: LossyFiles
  let writes = 0

  beforeAll(async () => {
    const files = new LossyFiles()
    const clock = new FakeClock(startMs - 60_000)
    network.directive = first
    const node = await boot(files, clock)
    node!.connect()
    await until(files, clock, node!, 'one is confirmed', () => node!.status() === 'confirmed')
    await node!.pipeline.close()
    old = files.afterPowerCut(0)
    const whole = old.afterPowerCut(0)
    await rollOut(whole)
    writes = whole.operations
  })

  it('leaves the old release or the new one, and the new one once its commit is written down', async () => {
    expect(writes).toBeGreaterThan(60)
    for (let cutAt = 1; cutAt <= writes; cutAt++) {
      for (let seed = 0; seed < 2; seed++) {
        const files = old.afterPowerCut(seed, { cutAt })
        await rollOut(files)
        expect(files.cut, `write ${cutAt}`).toBe(true)
        await comesUp(files.afterPowerCut(seed * 1_000 + cutAt))
      }
    }
  })

  it('does so when the power goes again while the agent comes up', async () => {
    const random = seeded(12)
    for (let run = 0; run < 60; run++) {
      const files = old.afterPowerCut(0, { cutAt: 1 + Math.floor(random() * writes) })
      await rollOut(files)
      const again = files.afterPowerCut(run, { cutAt: 1 + Math.floor(random() * 30) })
      await rollOut(again)
      await comesUp(again.afterPowerCut(run + 1))
    }
  })
})
