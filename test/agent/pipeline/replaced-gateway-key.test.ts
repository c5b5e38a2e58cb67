import { openEnvelope } from '@hypha/core/trust/cose.ts'
import { directive } from '@hypha/core/trust/directive.ts'
import { maxDirectiveBytes } from '@hypha/core/trust/snapshot.ts'
import { beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { LossyFiles } from '../../support/lossy-files.ts'
import { makeRoot, signDirective, signer, signRoot, startMs } from '../../support/signed.ts'
import { coreOf, Network, startNode, type TestNode, until } from './node.ts'

const newKey = signer(7)
const chain = [
  signRoot(makeRoot()),
  signRoot(makeRoot({ version: 2, gateway: { threshold: 1, keys: [newKey.publicKey] } })),
]

const network = new Network()
const one = network.offer(5, coreOf(1))
const signedByOld = network.directive!
const { unverifiedPayload } = openEnvelope(signedByOld, 'directive', maxDirectiveBytes)
/** The same, signed by the new key; its versions begin anew. */
const signedByNew = signDirective({ ...directive.decode(unverifiedPayload), version: 1 }, newKey)

let boots = 0

describe('a node whose gateway has got another key', () => {
  const clock = new FakeClock(startMs)
  let files: LossyFiles
  let node: TestNode

  const boot = async (from: LossyFiles) => {
    files = from
    node = await startNode(files, network, clock, `boot ${++boots}`)
    await node.boot()
  }
  const runsOn = () => {
    expect(node.running()).toBe(one)
    expect(node.sandbox.started).toBe(1)
  }

  beforeEach(async () => {
    network.directive = signedByOld
    await boot(new LossyFiles())
    node.connect()
    await until(files, clock, node, 'one is confirmed', () => node.status() === 'confirmed')
  })

  it('forgets its directive, accepts the first of the new key with a lower version, and restarts nothing', async () => {
    await node.followRoot(chain)
    expect(node.held()).toBe(0)
    runsOn()
    network.directive = signedByNew
    node.connect()
    await until(files, clock, node, 'the directive is held', () => node.held() === 1)
    runsOn()
    expect(node.told).toEqual([])
  })

  it('accepts a directive that came before the root metadata which names its key, without being sent it again', async () => {
    network.directive = signedByNew
    node.connect()
    await until(files, clock, node, 'the refusal', () => node.pipeline.refused?.code === 'threshold-not-met')
    expect(node.held()).toBe(5)
    await node.followRoot(chain)
    await until(files, clock, node, 'the directive is held', () => node.held() === 1)
    expect(node.pipeline.refused).toBeNull()
    runsOn()
  })

  it('refuses what the replaced key signs from then on', async () => {
    await node.followRoot(chain)
    node.connect()
    await until(files, clock, node, 'the refusal', () => node.pipeline.refused?.code === 'threshold-not-met')
    expect(node.held()).toBe(0)
    runsOn()
  })

  it('runs what it has confirmed when it is killed in between, with no network, and removes nothing', async () => {
    await node.followRoot(chain)
    const kept = files.list('contents')
    await boot(files.afterKill())
    expect(node.held()).toBe(0)
    await until(files, clock, node, 'one runs', () => node.running() === one)
    clock.advance(60_000)
    runsOn()
    expect(files.list('contents')).toEqual(kept)
    network.directive = signedByNew
    node.connect()
    await until(files, clock, node, 'the directive is held', () => node.held() === 1 && node.status() === 'confirmed')
    runsOn()
  })

  it('does so at whichever write the power goes', async () => {
    await node.pipeline.close()
    const before = files.afterPowerCut(0)
    const follow = async () => {
      network.directive = signedByNew
      await node.followRoot(chain)
      node.connect()
      await until(files, clock, node, 'the directive is held', () => node.held() === 1)
      await node.pipeline.close()
    }
    await boot(before.afterPowerCut(0))
    const booted = files.operations
    await follow()
    const { operations } = files
    expect(operations).toBeGreaterThan(booted)
    for (let cutAt = booted + 1; cutAt <= operations; cutAt++) {
      await boot(before.afterPowerCut(0, { cutAt }))
      await follow().catch((error: unknown) => expect(files.cut, String(error)).toBe(true))
      await boot(files.afterPowerCut(cutAt))
      await until(files, clock, node, 'one runs', () => node.running() === one)
      await follow()
    }
  })
})
