import { describe, expect, it } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { LossyFiles } from '../../support/lossy-files.ts'
import { startMs } from '../../support/signed.ts'
import { coreOf, Network, startNode, until } from './node.ts'

const instance = { app: 'greenhouse', module: 'sampler', home: null }

describe('a power cut while an app is being removed', () => {
  const clock = new FakeClock(startMs)
  const network = new Network()
  let boots = 0

  const start = async (files: LossyFiles) => {
    const node = await startNode(files, network, clock, `boot ${++boots}`)
    await node.boot()
    return node
  }

  /** The app is on its way out; until it is gone, or the power goes. */
  async function remove(files: LossyFiles): Promise<void> {
    try {
      const node = await start(files)
      node.connect()
      const gone = () => node.pipeline.sections().length === 0 && files.list('contents').length === 0
      await until(files, clock, node, 'the app is gone', gone)
    } catch (error) {
      if (!files.cut) throw error
    }
  }

  it('leaves nothing of it behind in the end, at whichever write it comes', async () => {
    const disk = new LossyFiles()
    network.offer(1, coreOf(1))
    const node = await start(disk)
    node.connect()
    await until(disk, clock, node, 'one is confirmed', () => node.status() === 'confirmed')
    expect(node.journal.kv(instance).size).toBe(1)
    await node.pipeline.close()

    const old = disk.afterPowerCut(0)
    network.withdraw(2)
    const whole = old.afterPowerCut(0)
    await remove(whole)
    expect(whole.operations).toBeGreaterThan(10)
    for (let cutAt = 1; cutAt <= whole.operations; cutAt++) {
      for (let seed = 0; seed < 3; seed++) {
        const files = old.afterPowerCut(0, { cutAt })
        await remove(files)
        const survived = files.afterPowerCut(seed)
        const again = await start(survived)
        again.connect()
        await until(survived, clock, again, 'it is gone', () => again.pipeline.sections().length === 0)
        await until(survived, clock, again, 'contents are gone', () => survived.list('contents').length === 0)
        expect(survived.list('installs')).toEqual([])
        expect(again.journal.kv(instance).size, `write ${cutAt}`).toBe(0)
      }
    }
  })
})
