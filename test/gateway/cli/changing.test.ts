import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { call } from '../api/calls.ts'
import { componentImporting, pushOf } from '../api/gateway.ts'
import { fleetOnSocket, jsonOf, runHypha, temporaryFolder } from './support.ts'

/** Arguments, the audit entry that they leave, and what is given on standard input. */
type Step = readonly [args: string[], action: string, input?: string]

test('what owns something can be shown, changed and removed, and each change is in the audit log', async () => {
  const { folder, home } = await fleetOnSocket()
  const app = pushOf([{ name: 'sampler', component: await componentImporting('sensor') }])
  expect((await call({ socketPath: home.socket }, 'POST', '/v1/push', app)).status).toBe(200)
  const steps: Step[] = [
    [['node', 'label', 'pi-7', 'floor=2', 'south'], 'node.change'],
    [['node', 'label', 'pi-7', '--remove', 'south'], 'node.change'],
    [['node', 'set', 'pi-7', '--zone', 'tunnel'], 'node.change'],
    [['invite', 'pi-9', '--label', 'north', '--url-only'], 'invite.create'],
    [['token', 'create', 'ci', '--role', 'operator', '--for', '30d'], 'token.create'],
    [['token', 'rm', 'ci'], 'token.revoke'],
    [['client', 'create', 'screen', '--subscribe', 'v/#', '--out', folder], 'client.create'],
    [['client', 'rm', 'screen'], 'client.remove'],
    [['config', 'set', 'greenhouse', 'url', 'http://10.0.0.2/', '--module', 'sampler'], 'config.set'],
    [['config', 'set', 'greenhouse', 'token', '--secret'], 'config.set', 'hunter2\n'],
    [['config', 'unset', 'greenhouse', 'url', '--module', 'sampler'], 'config.unset'],
    [['node', 'rm', 'pi-8', '--force'], 'node.remove'],
  ]
  for (const [args, , input] of steps) {
    const { code, stderr } = await runHypha(folder, args, input === undefined ? {} : { input })
    expect([args, code, stderr]).toEqual([args, 0, ''])
  }
  expect((await runHypha(folder, ['nodes'])).stdout).not.toContain('pi-8')
  expect((await runHypha(folder, ['node', 'pi-7'])).stdout).toMatch(/zone +tunnel\nlabels +floor=2\n/)
  expect(await jsonOf(folder, ['config', 'greenhouse'])).toEqual([
    { app: 'greenhouse', module: null, node: null, key: 'token', value: null, secret: true },
  ])
  expect(existsSync(join(folder, 'screen.pem'))).toBe(true)
  expect(statSync(join(folder, 'screen.key')).mode & 0o077).toBe(0)
  const [invite] = await jsonOf(folder, ['invites'])
  expect(await jsonOf(folder, ['invitation', invite.id])).toEqual(invite)
  expect((await runHypha(folder, ['invitation', 'rm', invite.id])).code).toBe(0)
  expect((await runHypha(folder, ['app', 'rm', 'greenhouse'])).code).toBe(0)
  expect(await jsonOf(folder, ['apps'])).toEqual([])

  const actions = (await jsonOf(folder, ['audit'])).map(({ action }: { action: string }) => action).reverse()
  const expected = ['app.push', ...steps.map(([, action]) => action), 'invite.revoke', 'app.remove']
  expect(actions).toEqual(expected)
})

test('what a client is told to type asks the broker for what it was granted, and for nothing wider', async () => {
  const { folder } = await fleetOnSocket()
  const grants = ['--subscribe', 'v/#', 'm/plants/alarm', '--publish', 'm/plants/#']
  const { stdout } = await runHypha(folder, ['client', 'create', 'screen', ...grants, '--out', temporaryFolder()])
  const { subscribe } = await jsonOf(folder, ['client', 'screen'])
  const asked = [...stdout.matchAll(/mosquitto_sub .*/g)].flatMap(([line]) => [...line.matchAll(/-t '([^']+)'/g)])
  expect(asked.map(([, filter]) => filter)).toEqual(subscribe)
  expect(stdout).toMatch(/mosquitto_pub .* -t 'hypha\/[a-z]+\/m\/plants\/TOPIC' -m /)
})
