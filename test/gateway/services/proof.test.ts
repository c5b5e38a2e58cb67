import { type Directive, directive } from '@hypha/core/trust/directive.ts'
import { beforeEach, describe, expect, it } from 'vitest'
import { pushBody } from '../../../gateway/admin/api/push-body.ts'
import { expectCode, signDirective, thief } from '../../support/signed.ts'
import { type AppModule, componentImporting, pushOf, startFleet, type TestGateway } from '../api/gateway.ts'

const operator = { name: 'local', role: 'admin' } as const
const unknownRelease = new Uint8Array(32).fill(9)

describe('a directive that a node proves to hold, and that a restored gateway does not know', () => {
  let gateway: TestGateway
  let app: AppModule[]
  let made: Directive

  beforeEach(async () => {
    gateway = await startFleet()
    app = [{ name: 'ledger', component: await componentImporting('sql') }]
    await push(1)
    await push(2)
    made = gateway.store.directives.get('gw-edge')!.directive
    gateway.sent.directives.length = 0
  })

  const push = (number: number) => gateway.services.apps.push(pushBody.decode(pushOf(app, { number })), operator)
  /** As the gateway has made it after the backup. */
  const held = (changes: Partial<Directive> = {}, release = made.sections[0]!.release, epoch = 5): Directive => {
    const [section] = made.sections
    const chosenMs = section!.chosenMs! + (release === section!.release ? 0 : 1_000)
    return { ...made, version: 7, sections: [{ ...section!, release, epoch, chosenMs }], ...changes }
  }
  const prove = (proven: Directive, by?: typeof thief) => gateway.reports.proof('gw-edge', signDirective(proven, by))
  const now = () => gateway.store.directives.get('gw-edge')!.directive
  const events = async () => (await gateway.services.events.query({})).map(({ code, text }) => [code, text])
  const notices = async () => (await gateway.services.status()).notices

  it('is what the gateway goes on from, with what the node runs as it is', async () => {
    prove(held())
    expect(now()).toEqual(held())
    // What is retained for it was the older one.
    expect(gateway.sent.directives).toEqual([held()])
    await gateway.services.config.set('greenhouse', 'level', { value: '1' }, operator)
    expect([now().version, now().sections[0]!.epoch]).toEqual([8, 6])
    expect(await events()).toEqual([])
  })

  it('with a release that is not here stays in force, and the operator is told until he has said what is to run', async () => {
    prove(held({}, unknownRelease))
    const text =
      "gw-edge runs a release of greenhouse that this gateway doesn't know: push it again, or hypha rollback greenhouse to go on with 2"
    expect(await events()).toEqual([['release-unknown', text]])
    expect(await notices()).toEqual([`${text}.`])
    // Neither what others do nor another proof of the same changes that.
    await gateway.services.config.set('greenhouse', 'level', { value: '1' }, operator)
    gateway.pipeline.planner.replan()
    prove(held({}, unknownRelease))
    expect(now()).toEqual(held({}, unknownRelease))
    expect(await events()).toHaveLength(1)

    await gateway.services.apps.rollback('greenhouse', undefined, operator)
    expect([now().version, now().sections[0]!.epoch, now().sections[0]!.release]).toEqual([
      8,
      6,
      made.sections[0]!.release,
    ])
    expect(await notices()).toEqual([])
    // Who comes back later with the same is told what was decided.
    gateway.store.directives.adopt(held({ version: 8 }, unknownRelease), new Uint8Array(1))
    prove(held({ version: 9 }, unknownRelease))
    expect([now().version, now().sections[0]!.epoch]).toEqual([10, 7])
    expect(await notices()).toEqual([])
  })

  it('with a release that is not here gives way to a newer push', async () => {
    prove(held({}, unknownRelease))
    await push(3)
    expect([now().version, now().sections[0]!.epoch]).toEqual([8, 6])
    expect((await gateway.services.apps.show('greenhouse')).release).toBe(3)
    expect(await notices()).toEqual([])
  })

  it('survives a restart of the gateway', async () => {
    prove(held({}, unknownRelease))
    gateway.pipeline.start()
    expect(now()).toEqual(held({}, unknownRelease))
    expect(await notices()).toHaveLength(1)
  })

  it('with a release that is here, and was chosen after the backup, makes it the one that is to run', async () => {
    const first = gateway.store.apps.release('greenhouse', 1)!
    const release = Uint8Array.from(Buffer.from(first.digest, 'hex'))
    prove(held({}, release))
    expect((await gateway.services.apps.show('greenhouse')).release).toBe(1)
    expect(await events()).toMatchObject([['release-adopted', expect.stringContaining('was put on release 1')]])
  })

  it('with an app that is not here is kept until the app is pushed, or removed', async () => {
    const other = { ...held().sections[0]!, app: 'other', release: unknownRelease, epoch: 9 }
    prove(held({ sections: [...made.sections, other] }))
    expect(now().sections.map(({ app: name }) => name)).toEqual(['greenhouse', 'other'])
    expect(await notices()).toEqual([
      "gw-edge runs a release of other that this gateway doesn't know: push it again, or hypha app rm other to remove it.",
    ])
    await gateway.services.apps.remove('other', operator)
    expect(now().sections.map(({ app: name }) => name)).toEqual(['greenhouse'])
    // Pushed again under its name, it goes on above the epoch that was seen.
    await gateway.services.apps.push(pushBody.decode(pushOf(app, { app: 'other' })), operator)
    expect(now().sections[1]).toMatchObject({ app: 'other', epoch: 10 })
  })

  it('counts by what it says of its apps, where the restored gateway has come to a higher version by itself', async () => {
    for (const value of ['1', '2', '3']) {
      await gateway.services.config.set('greenhouse', 'level', { value }, operator)
    }
    const own = now()
    const [section] = own.sections
    prove(held({ version: own.version - 1 }, undefined, section!.epoch))
    expect(now()).toEqual(own)
    prove(held({ version: own.version - 1 }, unknownRelease, section!.epoch - 1))
    expect(now().sections[0]).toMatchObject({ release: unknownRelease, epoch: section!.epoch - 1 })
    await push(3)
    expect(now().sections[0]!.epoch).toBe(section!.epoch + 1)
    expect(now().sections[0]!.chosenMs).toBeGreaterThan(held({}, unknownRelease).sections[0]!.chosenMs!)
  })

  it('proves nothing if the gateway role has not signed it, if it is for another node or fleet, or if it is older', () => {
    const before = now()
    expectCode('threshold-not-met', () => prove(held(), thief))
    expectCode('envelope-malformed', () => gateway.reports.proof('gw-edge', directive.encode(held())))
    for (const changes of [{ node: 'pi-7' }, { fleet: 'meadow' }]) prove(held(changes))
    prove(held({ version: made.version - 1 }, undefined, made.sections[0]!.epoch))
    expect(now()).toEqual(before)
    expect(gateway.sent.directives).toEqual([])
  })
})
