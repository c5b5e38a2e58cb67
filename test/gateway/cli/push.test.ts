import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openEnvelope } from '../../../src/trust/cose.ts'
import { release } from '../../../src/trust/release.ts'
import { appOf } from '../push/app-folder.ts'
import { type CliFleet, fleetOnSocket, jsonOf, playNodes, runHypha, temporaryFolder } from './support.ts'

/** An app of one prebuilt module, made as an author would. */
async function newApp({ folder }: CliFleet): Promise<string> {
  const app = join(temporaryFolder(), 'hello-app')
  await jsonOf(folder, ['new', app, '--template', 'prebuilt'])
  return app
}

test('an app is made, planned, pushed, pushed again and rolled back', async () => {
  const fleet = await fleetOnSocket()
  const { folder, gateway } = fleet
  const app = await newApp(fleet)
  playNodes(gateway, 'confirmed')

  const plan = await jsonOf(folder, ['plan', app])
  expect(plan).toMatchObject({ app: 'hello-app', release: 1, complete: true })
  expect(gateway.store.apps.list()).toEqual([])

  const pushed = await jsonOf(folder, ['push', app])
  expect(pushed).toMatchObject({ app: 'hello-app', number: 1, plan: { instances: plan.instances } })
  expect(pushed.outcome.confirmed).toEqual([plan.instances[0].node])
  const stages = ['start', 'ask', 'key', 'build', 'analyse', 'sign', 'accept', 'activate', 'rollout', 'total']
  expect(Object.keys(pushed.timingsMs).sort()).toEqual(stages.sort())

  const again = await runHypha(folder, ['push', app])
  expect(again.code).toBe(0)
  expect(again.stderr).toMatch(/unchanged: hello/)
  expect(again.stderr).toMatch(/└─ hello/)
  expect(again.stdout).toMatch(/^hello-app 2 runs on /)

  expect(await jsonOf(folder, ['rollback', 'hello-app'])).toMatchObject({ number: 1 })
  expect((await jsonOf(folder, ['releases'])).map((each: { number: number }) => each.number)).toEqual([2, 1])
  expect((await jsonOf(folder, ['audit'])).map((each: { action: string }) => each.action)).toEqual([
    'app.rollback',
    'app.push',
    'app.push',
  ])
})

test('a push that nodes revert says which and why, and does not end with 0', async () => {
  const fleet = await fleetOnSocket()
  playNodes(fleet.gateway, 'reverted')
  const { code, stdout, stderr } = await runHypha(fleet.folder, ['push', await newApp(fleet)])
  expect([code, stdout]).toEqual([3, ''])
  expect(stderr).toMatch(/reverted it \(sampler trapped: unreachable\) \[rollout-failed\]/)
  expect(stderr).toMatch(/hypha logs --app hello-app/)
})

test('a push that takes longer than is waited for ends with 5, and goes on', async () => {
  const fleet = await fleetOnSocket()
  playNodes(fleet.gateway, 'preparing')
  const { code, stderr } = await runHypha(fleet.folder, ['push', await newApp(fleet), '--timeout', '1ms'])
  expect(code).toBe(5)
  expect(stderr).toMatch(/hypha rollout hello-app --wait/)
})

test('who does not wait is told that it was accepted', async () => {
  const fleet = await fleetOnSocket()
  const { code, stdout } = await runHypha(fleet.folder, ['push', await newApp(fleet), '--no-wait'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^hello-app 1 is accepted\./)
})

test('a wrong passphrase pushes nothing', async () => {
  const fleet = await fleetOnSocket()
  const { code, stderr } = await runHypha(fleet.folder, ['push', await newApp(fleet)], {
    env: { HYPHA_PASSPHRASE: 'guess' },
  })
  expect(code).toBe(2)
  expect(stderr).toMatch(/passphrase-wrong/)
  expect(fleet.gateway.store.apps.list()).toEqual([])
})

test('the plan shows a tree of tiers, and what has no place with its reasons', async () => {
  const { folder } = await fleetOnSocket()
  const wasm = readFileSync(new URL('../../../sdk/templates/prebuilt/hello/hello.wasm', import.meta.url))
  const manifest =
    '[app]\nname = "pair"\n[module.here]\ntimer = "1s"\n[module.nowhere]\ntimer = "1s"\nrequires = ["moon"]\n'
  const app = appOf({ 'hypha.toml': manifest, 'here/a.wasm': wasm, 'nowhere/a.wasm': wasm }, temporaryFolder())
  const { code, stdout } = await runHypha(folder, ['plan', app], { env: { COLUMNS: '80' } })
  expect(code).toBe(0)
  expect(stdout).toMatch(/^pair, release 1\n├─ (cloud|edge)\n│ {2}└─ /)
  expect(stdout).toMatch(/└─ without a place\n {3}└─ nowhere/)
  expect(stdout).toMatch(/requires the label moon/)
  expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
  expect(existsSync(join(app, 'build/here.wasm'))).toBe(true)
})

test('the floor goes on from what was signed, not from what the gateway says it is, and a push that raises it says so', async () => {
  const fleet = await fleetOnSocket()
  const { folder, gateway } = fleet
  const app = await newApp(fleet)
  playNodes(gateway, 'confirmed')
  await jsonOf(folder, ['push', app])
  await jsonOf(folder, ['push', app])
  const { apps } = gateway.services
  const floorOf = async (number: number) => {
    const { envelope } = await apps.envelope('hello-app', number)
    const { unverifiedPayload } = openEnvelope(Uint8Array.from(Buffer.from(envelope, 'base64')), 'release', 100_000)
    return release.decode(unverifiedPayload).floor
  }
  const { show } = apps
  apps.show = async (app) => ({ ...(await show(app)), floor: 2 })
  const third = await runHypha(folder, ['push', app])
  expect([third.code, await floorOf(3)]).toEqual([0, 0])
  expect(third.stderr).not.toContain('floor')

  const raised = await runHypha(folder, ['push', app, '--floor', '2'])
  expect([raised.code, await floorOf(4)]).toEqual([0, 2])
  expect(raised.stderr).toContain('raises the floor of hello-app from 0 to 2: no release below 2 may run ever again')
  expect((await runHypha(folder, ['push', app])).stderr).toContain('The floor of hello-app stays at 2.')
  expect(await floorOf(5)).toBe(2)
})
