import { expect, test } from 'vitest'
import { pushBody } from '../../../gateway/admin/api/push-body.ts'
import type { RolloutOptions } from '../../../gateway/distribute/rollout-policy.ts'
import { createGateway } from '../../../gateway/services/services.ts'
import { commit, maxCommitBytes } from '../../../src/trust/commit.ts'
import { openEnvelope, verifyThreshold } from '../../../src/trust/cose.ts'
import { crypto, makeRoot } from '../../support/signed.ts'
import { type AppModule, componentImporting, pushOf, startFleet, type TestGateway } from '../api/gateway.ts'
import { says, settled, told } from './nodes.ts'

// The gateway's own decisions, with nodes that say what the test has them say.

const sampler = async (): Promise<AppModule[]> => [{ name: 'sampler', component: await componentImporting('sensor') }]

const snap: RolloutOptions = { snap: true }

const push = (gateway: TestGateway, modules: AppModule[], changes = {}, options = snap) => {
  const { envelope, components } = pushBody.decode(pushOf(modules, changes))
  return gateway.pipeline.pushes.push(envelope, components, options)
}

const sectionsOf = (gateway: TestGateway, node: string) =>
  (gateway.store.directives.get(node)?.directive.sections ?? []).map(({ phase, epoch, wave }) => [phase, epoch, wave])

const commitsOf = (gateway: TestGateway) =>
  gateway.sent.commits.map(({ envelope }) =>
    commit.decode(
      verifyThreshold(
        openEnvelope(envelope, 'commit', maxCommitBytes),
        'commit',
        makeRoot().gateway,
        'gateway',
        crypto,
      ),
    ),
  )

const toTheInstant = (gateway: TestGateway) =>
  gateway.clock.advance(commitsOf(gateway).at(-1)!.instantMs - gateway.clock.now())

const state = (gateway: TestGateway) => gateway.pipeline.rollouts.show('greenhouse').state

/** A release that runs everywhere. */
async function running(gateway: TestGateway): Promise<AppModule[]> {
  const app = await sampler()
  await push(gateway, app)
  for (const node of ['pi-7', 'pi-8']) await says(gateway, node, 'prepared')
  toTheInstant(gateway)
  for (const node of ['pi-7', 'pi-8']) await says(gateway, node, 'confirmed')
  expect(state(gateway)).toBe('done')
  gateway.sent.commits.length = 0
  return app
}

test('A push is prepared by all, committed in the moment that the last one is ready, and told for good after its instant', async () => {
  const gateway = await startFleet()
  const app = await sampler()
  expect(await push(gateway, app)).toMatchObject({ epoch: 1, plan: { release: 1 } })
  expect(sectionsOf(gateway, 'pi-7')).toEqual([['prepare', 1, 0]])
  await says(gateway, 'pi-7', 'prepared')
  expect(gateway.sent.commits).toEqual([])
  expect(gateway.pipeline.rollouts.show('greenhouse').waitsFor).toMatch(/^waits for pi-8 to prepare/)
  await says(gateway, 'pi-8', 'prepared')
  const prepared = told(gateway, 'pi-7')
  const [made] = commitsOf(gateway)
  expect(made).toMatchObject({ app: 'greenhouse', epoch: 1, wave: 0 })
  expect(made!.instantMs).toBeGreaterThanOrEqual(gateway.clock.now() + 50)
  expect(sectionsOf(gateway, 'pi-7')).toEqual([['prepare', 1, 0]])
  // What it reports from its flip on counts, though no plan says so yet.
  const sampler7 = { app: 'greenhouse', module: 'sampler', home: 'pi-7' }
  expect(gateway.pipeline.planner.runs('pi-7', sampler7)).toBe(true)
  expect(gateway.store.given.wasAssigned('pi-7', sampler7)).toBe(true)
  await says(gateway, 'pi-7', 'trial')
  expect(sectionsOf(gateway, 'pi-7')).toEqual([['prepare', 1, 0]])
  gateway.clock.advance(made!.instantMs - gateway.clock.now())
  await says(gateway, 'pi-8', 'trial')
  expect(told(gateway, 'pi-7')).toEqual({ ...prepared, phase: 'run', wave: null })
  expect(state(gateway)).toBe('committed')
  for (const node of ['pi-7', 'pi-8']) await says(gateway, node, 'confirmed')
  expect(state(gateway)).toBe('done')
  expect(gateway.sent.commits).toHaveLength(1)
  expect(gateway.sent.failures).toEqual([])
  expect((await gateway.services.apps.plan('greenhouse')).release).toBe(1)
})

test('What runs is left alone, word for word, while the next one is prepared; a node that can not prepare ends that, and its epoch is spent', async () => {
  const gateway = await startFleet()
  const app = await running(gateway)
  const before = told(gateway, 'pi-7')
  await push(gateway, app, { number: 2 })
  expect(gateway.store.directives.get('pi-7')!.directive.sections[0]).toEqual(before)
  expect(sectionsOf(gateway, 'pi-7')).toEqual([
    ['run', 1, null],
    ['prepare', 2, 0],
  ])
  await says(gateway, 'pi-8', 'refused')
  expect(gateway.pipeline.rollouts.show('greenhouse')).toMatchObject({
    state: 'aborted',
    why: 'pi-8 is refused; 2 of 2 must',
  })
  expect(sectionsOf(gateway, 'pi-7')).toEqual([['run', 1, null]])
  expect((await gateway.services.apps.plan('greenhouse')).release).toBe(1)
  await push(gateway, app, { number: 3 })
  expect(told(gateway, 'pi-7')).toMatchObject({ phase: 'prepare', epoch: 3 })
  expect(gateway.sent.commits).toEqual([])
})

test('A node that goes back after the flip takes all back, at one instant', async () => {
  const gateway = await startFleet()
  const app = await running(gateway)
  const first = told(gateway, 'pi-7').release
  await push(gateway, app, { number: 2 })
  for (const node of ['pi-7', 'pi-8']) await says(gateway, node, 'prepared')
  toTheInstant(gateway)
  await says(gateway, 'pi-7', 'trial')
  await says(gateway, 'pi-8', 'reverted', { message: 'it trapped' })
  const why = 'pi-8 is failed (it trapped)'
  expect(gateway.pipeline.rollouts.show('greenhouse')).toMatchObject({ release: 2, state: 'restoring', why })
  // The one goes on with what it has flipped to; the other with what it never left.
  const prepares = ['prepare', 3, 0]
  expect(sectionsOf(gateway, 'pi-7')).toEqual([['run', 2, null], prepares])
  expect(sectionsOf(gateway, 'pi-8')).toEqual([['run', 1, null], prepares])
  for (const node of ['pi-7', 'pi-8']) expect(told(gateway, node).release).toEqual(first)
  await says(gateway, 'pi-7', 'prepared')
  expect(gateway.pipeline.rollouts.show('greenhouse').waitsFor).toMatch(/waits for pi-8 .*to prepare release 1/)
  expect(commitsOf(gateway)).toHaveLength(1)
  await says(gateway, 'pi-8', 'prepared')
  expect(commitsOf(gateway).at(-1)).toMatchObject({ epoch: 3, wave: 0 })
  toTheInstant(gateway)
  for (const node of ['pi-7', 'pi-8']) await says(gateway, node, 'trial')
  expect(gateway.pipeline.rollouts.show('greenhouse')).toMatchObject({ release: 2, state: 'rolled-back', why })
  for (const node of ['pi-7', 'pi-8'])
    expect(told(gateway, node)).toMatchObject({ phase: 'run', epoch: 3, wave: null, release: first })
  expect((await gateway.services.apps.plan('greenhouse')).release).toBe(1)
  expect(gateway.sent.failures).toEqual([])
})

test('A gateway that dies while a release is taken back goes on with that', async () => {
  const gateway = await startFleet()
  const app = await running(gateway)
  await push(gateway, app, { number: 2 })
  for (const node of ['pi-7', 'pi-8']) await says(gateway, node, 'prepared')
  toTheInstant(gateway)
  await says(gateway, 'pi-7', 'trial')
  await says(gateway, 'pi-8', 'reverted')
  gateway.pipeline.stop()
  const again = { ...gateway, ...createGateway(gateway.deps) }
  again.pipeline.start()
  await settled()
  expect(state(again)).toBe('restoring')
  expect(sectionsOf(again, 'pi-7')).toEqual([
    ['run', 2, null],
    ['prepare', 3, 0],
  ])
  // Nobody prepares: that is not waited for long, and each is told as it is.
  again.clock.advance(30_000)
  await settled()
  expect(state(again)).toBe('rolled-back')
  expect(sectionsOf(again, 'pi-7')).toEqual([['run', 4, null]])
  expect(sectionsOf(again, 'pi-8')).toEqual([['run', 1, null]])
  again.pipeline.stop()
})

test('Earlier waves are taken back, and later ones are left alone', async () => {
  const gateway = await startFleet()
  const app = await running(gateway)
  const waves = {
    rollout: {
      waves: [{ kind: 'share', percent: 50 }],
      successPercent: null,
      failurePercent: null,
      soakMs: 1_000,
      prepareMs: null,
      approve: false,
      rollback: true,
      windows: [],
      health: [],
    },
  } as const
  await push(gateway, app, { number: 2, ...waves }, {})
  await says(gateway, 'pi-7', 'prepared')
  toTheInstant(gateway)
  await says(gateway, 'pi-7', 'confirmed')
  expect(state(gateway)).toBe('soaking')
  gateway.pipeline.rollouts.act('greenhouse', 'abort', 'ada')
  expect(state(gateway)).toBe('restoring')
  expect(sectionsOf(gateway, 'pi-8')).toEqual([['run', 1, null]])
  await says(gateway, 'pi-7', 'prepared')
  toTheInstant(gateway)
  await says(gateway, 'pi-7', 'confirmed')
  expect(state(gateway)).toBe('rolled-back')
  expect(sectionsOf(gateway, 'pi-7')).toEqual([['run', 3, null]])
  expect(sectionsOf(gateway, 'pi-8')).toEqual([['run', 1, null]])
})

test('Waves come one after another; a later one runs what it ran until its turn comes', async () => {
  const gateway = await startFleet()
  const app = await running(gateway)
  const waves = {
    rollout: {
      waves: [{ kind: 'share', percent: 50 }],
      successPercent: null,
      failurePercent: null,
      soakMs: 1_000,
      prepareMs: null,
      approve: false,
      rollback: true,
      windows: [],
      health: [],
    },
  } as const
  await push(gateway, app, { number: 2, ...waves }, { approve: true })
  expect(state(gateway)).toBe('approval')
  expect(sectionsOf(gateway, 'pi-7')).toEqual([['run', 1, null]])
  gateway.pipeline.rollouts.act('greenhouse', 'approve', 'ada')
  const { waves: parts, epoch } = gateway.pipeline.rollouts.show('greenhouse')
  expect(parts).toEqual([['pi-7'], ['pi-8']])
  expect(sectionsOf(gateway, 'pi-8')).toEqual([['run', 1, null]])
  await says(gateway, 'pi-7', 'prepared')
  toTheInstant(gateway)
  await says(gateway, 'pi-7', 'confirmed')
  expect(state(gateway)).toBe('soaking')
  expect([sectionsOf(gateway, 'pi-7'), sectionsOf(gateway, 'pi-8')]).toEqual([
    [['run', epoch, null]],
    [['run', 1, null]],
  ])
  gateway.clock.advance(1_000)
  await settled()
  expect(sectionsOf(gateway, 'pi-8')).toEqual([
    ['run', 1, null],
    ['prepare', epoch, 1],
  ])
  expect(await gateway.services.apps.rollout('greenhouse')).toMatchObject({ release: 2, done: false })
  await says(gateway, 'pi-8', 'prepared')
  toTheInstant(gateway)
  await says(gateway, 'pi-8', 'confirmed')
  gateway.clock.advance(1_000)
  await settled()
  expect(state(gateway)).toBe('done')
  expect(commitsOf(gateway).map(({ wave }) => wave)).toEqual([0, 1])
  expect((await gateway.services.apps.plan('greenhouse')).release).toBe(2)
})

test('A newer push takes the place of one that is being prepared', async () => {
  const gateway = await startFleet()
  const app = await running(gateway)
  await push(gateway, app, { number: 2 })
  await says(gateway, 'pi-7', 'prepared')
  await push(gateway, app, { number: 3 })
  expect(gateway.pipeline.rollouts.list('greenhouse').map((each) => [each.release, each.state])).toEqual([
    [3, 'preparing'],
    [2, 'superseded'],
    [1, 'done'],
  ])
  expect(sectionsOf(gateway, 'pi-7')).toEqual([
    ['run', 1, null],
    ['prepare', 3, 0],
  ])
})

test('A rollback while another release is on its way goes back to what runs', async () => {
  const gateway = await startFleet()
  const app = await running(gateway)
  await push(gateway, app, { number: 2 })
  expect(await gateway.pipeline.pushes.rollback('greenhouse', undefined, snap)).toMatchObject({
    release: { number: 1 },
  })
  expect(sectionsOf(gateway, 'pi-7')).toEqual([['run', 1, null]])
})

test('A push that no node is there for is told at once, as it is', async () => {
  const gateway = await startFleet()
  for (const node of ['pi-7', 'pi-8']) {
    gateway.store.nodes.setPresence(
      node,
      { connection: 2, online: false, run: null, journal: null },
      gateway.clock.now(),
    )
    gateway.reports.presence(node, false)
  }
  await push(gateway, await sampler())
  expect(sectionsOf(gateway, 'pi-7')).toEqual([['run', 1, null]])
})

test('A gateway that died after it had written a commit down sends it again, and goes on', async () => {
  const gateway = await startFleet()
  await push(gateway, await sampler())
  for (const node of ['pi-7', 'pi-8']) await says(gateway, node, 'prepared')
  gateway.pipeline.stop()
  const again = createGateway(gateway.deps)
  again.pipeline.start()
  await settled()
  expect(gateway.sent.commits).toHaveLength(2)
  expect(gateway.sent.commits[1]).toEqual(gateway.sent.commits[0])
  gateway.clock.advance(6_000)
  await settled()
  expect(sectionsOf(gateway, 'pi-7')).toEqual([['run', 1, null]])
  again.pipeline.stop()
})

test('What is pushed right after a start of the gateway waits for nodes that are about to connect again', async () => {
  const gateway = await startFleet()
  const app = await running(gateway)
  gateway.pipeline.stop()
  gateway.store.nodes.setAllOffline()
  const again = { ...gateway, ...createGateway(gateway.deps) }
  again.pipeline.start()
  await settled()
  await push(again, app, { number: 2 })
  expect(state(again)).toBe('preparing')
  for (const node of ['pi-7', 'pi-8']) await says(again, node, 'prepared')
  expect(commitsOf(again)).toMatchObject([{ epoch: 1 }, { epoch: 2, wave: 0 }])
  again.pipeline.stop()
})

test('Nodes that do not come back after a start of the gateway hold nobody up', async () => {
  const gateway = await startFleet()
  const app = await running(gateway)
  gateway.pipeline.stop()
  gateway.store.nodes.setAllOffline()
  const again = { ...gateway, ...createGateway(gateway.deps) }
  again.pipeline.start()
  await push(again, app, { number: 2 })
  gateway.clock.advance(6_000)
  await settled()
  gateway.clock.advance(120_000)
  await settled()
  expect(state(again)).toBe('done')
  expect(told(again, 'pi-7')).toMatchObject({ phase: 'run', epoch: 2 })
  again.pipeline.stop()
})

test('A first release that fails leaves nothing running, and the status says where and why', async () => {
  const gateway = await startFleet()
  await push(gateway, await sampler())
  for (const node of ['pi-7', 'pi-8']) await says(gateway, node, 'prepared')
  toTheInstant(gateway)
  for (const node of ['pi-7', 'pi-8']) await says(gateway, node, 'reverted', { message: 'it trapped' })
  expect(gateway.pipeline.rollouts.show('greenhouse')).toMatchObject({ state: 'aborted' })
  expect((await gateway.services.status()).notices).toEqual([
    'Nothing of greenhouse runs on pi-7, pi-8: greenhouse 1 failed there (it trapped), and nothing ran before it. Mend it and push again; see hypha rollout greenhouse.',
  ])
})
