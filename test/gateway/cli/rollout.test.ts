import { expect, test } from 'vitest'
import { describePhases } from '../../../gateway/admin/cli/rollout-text.ts'
import { policyOf } from '../../../gateway/distribute/rollout-policy.ts'
import type { RolloutShown } from '../../../gateway/distribute/rollout-view.ts'
import { call } from '../api/calls.ts'
import { componentImporting, pushOf } from '../api/gateway.ts'
import { fleetOnSocket, jsonOf, runHypha } from './support.ts'

test('A push that asks for approval waits for it, and an operator approves, pauses, resumes and aborts', async () => {
  const { gateway, home, folder } = await fleetOnSocket()
  const where = { socketPath: home.socket }
  const modules = [{ name: 'sampler', component: await componentImporting('sensor') }]
  const pushed = await call(where, 'POST', '/v1/push?approve=true', pushOf(modules))
  expect(pushed.status).toBe(200)
  expect((await jsonOf(folder, ['rollout', 'show', 'greenhouse'])).rollout.state).toBe('approval')
  const shown = await runHypha(folder, ['rollout', 'greenhouse'], { env: { COLUMNS: '80' } })
  expect(shown.stdout).toMatch(/It waits for somebody to approve it/)
  expect(Math.max(...shown.stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)

  const act = async (name: string) => (await jsonOf(folder, ['rollout', name, 'greenhouse'])).state
  expect(await act('approve')).toBe('preparing')
  expect(await act('pause')).toBe('paused')
  expect(await act('resume')).toBe('preparing')
  expect(await act('abort')).toBe('aborted')
  const again = await runHypha(folder, ['rollout', 'resume', 'greenhouse'])
  expect(again.code).toBe(2)
  expect(again.stderr).toMatch(/\[rollout-state\]/)

  const acts = gateway.store.audit.list({}).map(({ action }) => action)
  expect(acts).toEqual(
    expect.arrayContaining(['rollout.approve', 'rollout.pause', 'rollout.resume', 'rollout.abort', 'app.push']),
  )
  const [one] = await jsonOf(folder, ['rollout', 'list', 'greenhouse'])
  expect(one).toMatchObject({ id: 1, release: 1, state: 'aborted', why: 'local has aborted it' })
})

test('What a rollout says of itself fits its width, with the waves and the newest of its history', () => {
  const history = Array.from({ length: 12 }, (_, index) => ({ atMs: 1_000 * index, text: `step ${index}` }))
  const shown: RolloutShown = {
    id: 3,
    app: 'greenhouse',
    release: 8,
    epoch: 9,
    kind: 'push',
    from: 7,
    state: 'preparing',
    wave: 1,
    committed: 0,
    waves: [['pi-1'], ['pi-2', 'pi-3'], Array.from({ length: 40 }, (_, index) => `greenhouse-node-${index}`)],
    waitsFor: 'waits for pi-2 to prepare: it has 10 of 4000 bytes, and pi-3, which has refused it (no room for it)',
    why: null,
    untilMs: Date.now() + 600_500,
    startedAt: 1,
    endedAt: null,
    policy: policyOf(null, {}),
    history,
  }
  const text = describePhases(shown, 80)
  expect(text.split('\n')[0]).toBe('Rollout 3 of greenhouse: release 8 after 7, preparing')
  expect(text).toMatch(
    /wave 1 {2}committed: pi-1\n {2}wave 2 {2}preparing: pi-2, pi-3\n {2}wave 3 {2}later: .*36 more/s,
  )
  expect(text).toMatch(/… 4 earlier lines/)
  expect(text).not.toMatch(/step 3\b/)
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
})
