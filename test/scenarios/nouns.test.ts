import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hyphaProgram, runProgram } from '../../examples/demo/processes.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { lastValue, steadySensor, writeApp } from './support.ts'

// Every noun that a person can own is listed, shown, changed where it can change, and removed from the command line, each change with an entry in
// the audit log; and the same from another machine with a token, as far as its role goes.

const main = `
import { names } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
export function tick(nowMs: u64): void {
  emit("sensors", <f64>names().length);
}
`
// Releases differ in what they set, so that the module is compiled once.
const manifest = (version: number) => `[module.main]\ntimer = "500ms"\n\n[module.main.config]\nversion = "${version}"\n`

let fleet: Fleet
let audited = 0

beforeAll(async () => {
  fleet = await Fleet.start()
  await fleet.addNode('pi-1', { nodeFile: steadySensor })
  await push(1)
  await lastValue(fleet, { app: 'app', metric: 'sensors' })
  audited = (await audit()).length
})
afterAll(() => fleet.stop())

const push = (version: number) =>
  fleet.hypha(['push', '--no-wait', writeApp(fleet, 'app', manifest(version), { main })])
const audit = () => fleet.json<{ actor: string; action: string; subject: string }[]>(['audit', '--limit', '1000'])

/** The entries that were added since the last look, the oldest first. */
async function newEntries(): Promise<string[]> {
  const entries = await audit()
  const fresh = entries.slice(0, entries.length - audited).reverse()
  audited = entries.length
  return fresh.map(({ actor, action, subject }) => `${actor} ${action} ${subject}`)
}

async function missing(...args: string[]): Promise<void> {
  const { code, stderr } = await fleet.tryHypha([...args, '--json'])
  expect(code).toBe(2)
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'not-found', mend: expect.any(String) } })
}

test('An invitation is made, listed, shown and revoked', async () => {
  const { id, url } = await fleet.json<{ id: string; url: string }>([
    'invite',
    'pi-9',
    '--label',
    'south',
    '--for',
    '2h',
  ])
  expect(url).toMatch(/^hypha:\/\//)
  expect(await fleet.json(['invites'])).toContainEqual(expect.objectContaining({ id, node: 'pi-9', usedAt: null }))
  expect(await fleet.json(['invitation', id])).toMatchObject({ id, node: 'pi-9', labels: ['south'] })
  expect(await fleet.json(['invitation', 'rm', id])).toEqual({ revoked: id })
  await missing('invitation', id)
  await missing('invitation', 'rm', id)
  expect(await newEntries()).toEqual(['local invite.create pi-9', 'local invite.revoke pi-9'])
})

test('A node is listed, shown, labelled and put into a zone', async () => {
  expect(await fleet.json(['nodes'])).toMatchObject([{ id: 'pi-1', online: true }])
  expect(await fleet.json(['node', 'label', 'pi-1', 'floor=2', 'south'])).toMatchObject({
    labels: ['floor=2', 'south'],
  })
  expect(await fleet.json(['node', 'label', 'pi-1', '--remove', 'south'])).toMatchObject({ labels: ['floor=2'] })
  await fleet.json(['node', 'set', 'pi-1', '--zone', 'greenhouse-2'])
  expect(await fleet.json(['node', 'pi-1'])).toMatchObject({ labels: ['floor=2'], zone: 'greenhouse-2' })
  await missing('node', 'pi-9')
  expect(await newEntries()).toEqual(Array(3).fill('local node.change pi-1'))
})

test('A setting is set, listed, shown and unset', async () => {
  await fleet.json(['config', 'set', 'app', 'greeting', 'hello'])
  await fleet.json(['config', 'set', 'app', 'greeting', 'good morning'])
  const entry = { key: 'greeting', value: 'good morning', secret: false, node: null, module: null }
  expect(await fleet.json(['config', 'list', 'app'])).toMatchObject([entry])
  expect(await fleet.json(['config', 'show', 'app', 'greeting'])).toMatchObject([entry])
  await fleet.json(['config', 'unset', 'app', 'greeting'])
  await missing('config', 'show', 'app', 'greeting')
  await missing('config', 'unset', 'app', 'greeting')
  expect(await newEntries()).toEqual(['local config.set app', 'local config.set app', 'local config.unset app'])
})

test('Apps and releases are listed and shown; a release never changes, and goes when nothing needs it', async () => {
  for (const version of [2, 3]) await push(version)
  await eventually('release 3 is what is to run', async () => {
    const [app] = await fleet.json<{ release: number }[]>(['apps'])
    return app!.release === 3 || undefined
  })
  expect(await fleet.json(['app', 'app'])).toMatchObject({ name: 'app', where: [{ module: 'main', node: 'pi-1' }] })
  const numbers = async () => (await fleet.json<{ number: number }[]>(['releases', 'app'])).map(({ number }) => number)
  expect(await numbers()).toEqual([3, 2, 1])
  expect(await fleet.json(['release', 'app@2'])).toMatchObject({ app: 'app', number: 2, modules: [{ name: 'main' }] })
  await eventually('the rollout from 2 to 3 has ended', async () => {
    const removed = await fleet.tryHypha(['release', 'rm', 'app@2'])
    return removed.code === 0 || undefined
  })
  expect(await numbers()).toEqual([3, 1])
  await missing('release', 'app@2')
  expect((await fleet.tryHypha(['release', 'rm', 'app@3'])).code).not.toBe(0)
  expect(await newEntries()).toEqual(['local app.push app', 'local app.push app', 'local release.remove app@2'])
})

test('A token opens the gateway from another machine, as far as its role goes and until it is removed', async () => {
  const roles = ['viewer', 'operator', 'admin'] as const
  const files = Object.fromEntries(roles.map((role) => [role, join(fleet.folder, `${role}.json`)]))
  for (const role of roles) await fleet.json(['token', 'create', role, '--role', role, '--save', files[role]!])
  const from = async (role: string, ...args: string[]) => {
    // Another machine has no home of the fleet.
    const env = { HYPHA_HOME: join(fleet.folder, 'elsewhere'), HYPHA_CREDENTIALS: files[role]! }
    const { code, stdout, stderr } = await runProgram(hyphaProgram, [...args, '--json'], env)
    return code === 0 ? JSON.parse(stdout) : (JSON.parse(stderr) as { error: { code: string } }).error.code
  }
  for (const role of roles) expect(await from(role, 'nodes')).toMatchObject([{ id: 'pi-1' }])
  expect(await from('viewer', 'node', 'label', 'pi-1', 'seen')).toBe('not-allowed')
  expect(await from('operator', 'node', 'label', 'pi-1', 'seen')).toMatchObject({ labels: ['floor=2', 'seen'] })
  expect(await from('operator', 'token', 'create', 'more', '--role', 'admin')).toBe('not-allowed')
  expect(await from('admin', 'token', 'create', 'more', '--for', '1d')).toMatchObject({
    view: { name: 'more', role: 'viewer' },
  })
  expect((await fleet.json<{ name: string }[]>(['token', 'list'])).map(({ name }) => name).sort()).toEqual([
    'admin',
    'more',
    'operator',
    'viewer',
  ])
  expect(await fleet.json(['token', 'more'])).toMatchObject({ name: 'more', role: 'viewer' })
  expect(await from('admin', 'token', 'rm', 'viewer')).toEqual({ removed: 'viewer' })
  expect(await from('viewer', 'nodes')).toBe('not-signed-in')
  const forged = { ...JSON.parse(readFileSync(files.admin!, 'utf8')), token: 'hypha_guessed' }
  writeFileSync(files.viewer!, JSON.stringify(forged))
  expect(await from('viewer', 'nodes')).toBe('not-signed-in')
  await missing('token', 'viewer')
  expect(await newEntries()).toEqual([
    ...roles.map((role) => `local token.create ${role}`),
    'viewer denied PATCH /v1/nodes/:node',
    'operator node.change pi-1',
    'operator denied POST /v1/tokens',
    'admin token.create more',
    'admin token.revoke viewer',
    'unknown denied GET /v1/nodes',
    'unknown denied GET /v1/nodes',
  ])
})

test('What shows something shows it as JSON, too', async () => {
  const lists = ['apps', 'audit', 'client list', 'events', 'invites', 'key show', 'logs', 'nodes', 'releases', 'values']
  const others = [
    'app app',
    'openapi',
    'plan --app app',
    'rollout app',
    'status',
    'why main',
    'token list',
    'config app',
  ]
  const shown = await Promise.all([...lists, ...others].map((command) => fleet.json<object>(command.split(' '))))
  expect(shown.slice(0, lists.length).filter((list) => !Array.isArray(list))).toEqual([])
  expect(shown.filter((each) => typeof each !== 'object')).toEqual([])
})

test('An app and a node are removed', async () => {
  expect(await fleet.json(['app', 'rm', 'app'])).toEqual({ removed: 'app' })
  await missing('app', 'app')
  await missing('app', 'rm', 'app')
  const agent = fleet.agents.get('pi-1')!
  expect(await fleet.json(['node', 'rm', 'pi-1'])).toEqual({ removed: 'pi-1' })
  expect(await agent.ended).toBe(0)
  await missing('node', 'pi-1')
  expect(await newEntries()).toEqual(['local app.remove app', 'local node.remove pi-1'])
})
