import { beforeAll, describe, expect, test } from 'vitest'
import { call } from '../api/calls.ts'
import { componentImporting, pushOf } from '../api/gateway.ts'
import { addSamples, seriesKey } from '../store/support.ts'
import { type CliFleet, eventually, fleetOnSocket, playNodes, runHypha } from './support.ts'

// A fleet with something of everything, and names as long as they may be.
const longest = 'a'.repeat(40)
const sampler = { node: 'pi-7', app: 'greenhouse', module: 'sampler', home: 'pi-7' }

let component: Uint8Array
beforeAll(async () => {
  component = await componentImporting('sensor', 'telemetry')
})

async function filledFleet(): Promise<CliFleet> {
  const fleet = await fleetOnSocket()
  const { gateway, home } = fleet
  const socket = { socketPath: home.socket }
  const modules = ['sampler', longest].map((name) => ({ name, component, spec: { timerMs: 1_000 } }))
  const [now, text] = [gateway.clock.now(), 'it froze\x1b[2J '.repeat(20)]
  const { status } = await call(socket, 'POST', '/v1/push', pushOf(modules))
  expect(status).toBe(200)
  await call(socket, 'PUT', '/v1/apps/greenhouse/config/url', { value: `http://${longest}.example/`, node: 'pi-7' })
  await call(socket, 'PUT', '/v1/apps/greenhouse/config/token', { value: 'hunter2', secret: true })
  await call(socket, 'POST', '/v1/tokens', { name: longest, role: 'viewer' })
  await call(socket, 'POST', '/v1/clients', { name: 'screen', subscribe: ['v/#'] })
  await call(socket, 'POST', '/v1/invites', { node: longest, tier: 'device', labels: ['floor=2'] })
  addSamples(gateway.store, seriesKey(sampler), [
    [Date.now() - 2_000, 1, 21],
    [Date.now() - 1_000, 2, 23.123456789],
  ])
  gateway.store.logs.add({ at: now, ...sampler, level: 'warn', text })
  gateway.store.events.add({ at: now, ...sampler, code: 'trapped', text })
  playNodes(gateway, 'confirmed')
  await eventually(async () => (await call(socket, 'GET', '/v1/apps/greenhouse/rollout')).json.done).toBe(true)
  return fleet
}

const tables = [
  ['status'],
  ['nodes'],
  ['node', 'pi-7'],
  ['invites'],
  ['apps'],
  ['app', 'greenhouse'],
  ['releases'],
  ['release', 'greenhouse@1'],
  ['rollout', 'greenhouse'],
  ['plan', '--app', 'greenhouse'],
  ['config', 'greenhouse'],
  ['config', 'show', 'greenhouse', 'token'],
  ['values'],
  ['values', '--history', '5min'],
  ['audit'],
  ['token', 'list'],
  ['token', longest],
  ['client', 'list'],
  ['key', 'show'],
]
const lines = [['why', 'sampler'], ['logs'], ['events'], ['openapi'], ['client', 'screen']]

describe('What is read', () => {
  test('is one JSON value with --json', async () => {
    const { folder } = await filledFleet()
    for (const args of [...tables, ...lines]) {
      const { code, stdout, stderr } = await runHypha(folder, [...args, '--json'])
      expect([args, code, stderr]).toEqual([args, 0, ''])
      expect(JSON.parse(stdout), args.join(' ')).toBeTypeOf('object')
    }
  })

  test('fits 80 columns where it is a table, and steers no terminal', async () => {
    const { folder } = await filledFleet()
    for (const args of [...tables, ...lines]) {
      const { code, stdout } = await runHypha(folder, args, { env: { COLUMNS: '80' } })
      expect([args, code]).toEqual([args, 0])
      expect(stdout, args.join(' ')).not.toContain('\x1b')
      if (!tables.includes(args)) continue
      const widest = stdout.split('\n').sort((a, b) => b.length - a.length)[0]!
      expect(widest.length, `${args.join(' ')}: ${widest}`).toBeLessThanOrEqual(80)
    }
  })

  test('says with a plan which nodes do not come to it, with code and words', async () => {
    const { folder, gateway, home } = await fleetOnSocket()
    const socket = { socketPath: home.socket }
    await call(socket, 'POST', '/v1/push', pushOf([{ name: 'sampler', component }]))
    playNodes(gateway, 'reverted')
    await eventually(async () => {
      const { stdout } = await runHypha(folder, ['plan', '--app', 'greenhouse', '--json'])
      return JSON.parse(stdout).unprepared[0]
    }).toEqual({ node: 'pi-7', status: 'reverted', code: 'turn-trapped', text: 'sampler trapped: unreachable' })
  })

  test('never shows a secret', async () => {
    const { folder } = await filledFleet()
    for (const args of [
      ['config', 'greenhouse'],
      ['audit', '--json'],
    ]) {
      const { stdout } = await runHypha(folder, args)
      expect(stdout).toContain('token')
      expect(stdout).not.toContain('hunter2')
    }
  })

  test('is found by the name of a module alone, where only one app has it', async () => {
    const { folder } = await filledFleet()
    expect((await runHypha(folder, ['why', 'sampler'])).stdout).toMatch(
      /^greenhouse 1, sampler:\nsampler of pi-7 runs on pi-7/,
    )
    const { code, stderr } = await runHypha(folder, ['why', 'other'])
    expect([code, stderr]).toEqual([2, expect.stringContaining('No app runs a module other')])
  })
})
