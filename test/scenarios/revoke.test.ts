import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hasIdentity } from '../../agent/home.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { joinWith, newest, nodeOf, pushMeter, setSecret, untilNode, untilValue } from './node-support.ts'
import { ask, steadySensor } from './support.ts'

// A device is stolen. Whoever has it has its keys, and must have nothing by them from the moment at which the operator says so.

let fleet: Fleet

beforeAll(async () => {
  fleet = await Fleet.start()
  await Promise.all(['pi-lost', 'pi-here'].map((node) => fleet.addNode(node, { nodeFile: steadySensor })))
  await pushMeter(fleet)
  await setSecret(fleet, 'twelve chars')
  for (const node of ['pi-lost', 'pi-here']) await untilValue(fleet, 'secret', node, (length) => length === 12)
})
afterAll(() => fleet.stop())

test("A revoked node is thrown out at once and let in no more, isn't told to leave, and its history stays", async () => {
  const { url } = await fleet.json<{ url: string }>(['invite', 'pi-lost', '--replace', '--url-only'])
  const revoked = await fleet.json<{ secrets: object[]; node: object }>([
    'node',
    'revoke',
    'pi-lost',
    '--reason',
    'stolen from the shed',
  ])
  expect(revoked.secrets).toEqual([{ app: 'meter', key: 'secret' }])
  expect(revoked.node).toMatchObject({ online: false, revoked: { reason: 'stolen from the shed' } })

  // Its connection, its next one, and its certificate's renewal; it says so where its owner would look.
  await fleet.gateway!.line(/refused: pi-lost was revoked \[node-revoked\]/)
  const agent = fleet.agents.get('pi-lost')!
  await agent.line(/certificate can't be renewed now: pi-lost was revoked/)
  expect(agent.running).toBe(true)
  expect(hasIdentity(fleet.agentHome('pi-lost'))).toBe(true)
  expect(existsSync(join(fleet.agentHome('pi-lost'), 'data/journal'))).toBe(true)

  // Nothing that it counts since then arrives, while its neighbour's does.
  const last = await newest(fleet, 'ticks', 'pi-lost')
  const { value } = (await newest(fleet, 'ticks', 'pi-here'))!
  await untilValue(fleet, 'ticks', 'pi-here', (ticks) => ticks > value + 5)
  expect(await newest(fleet, 'ticks', 'pi-lost')).toEqual(last)

  const plan = await ask<{ instances: { home: string | null; node: string }[] }>(fleet, '/v1/apps/meter/plan')
  expect(plan.instances.map(({ node }) => node)).toEqual(['pi-here'])
  const history = ['values', '--app', 'meter', '--of', 'pi-lost', '--metric', 'ticks', '--history', '10min']
  const [kept] = await fleet.json<{ history: object[] }[]>(history)
  expect(kept!.history.length).toBeGreaterThan(0)
  expect(await fleet.hypha(['nodes'])).toMatch(/pi-lost +device +revoked/)
  expect(await fleet.hypha(['node', 'pi-lost'])).toContain('stolen from the shed')
  expect(await fleet.json<object[]>(['audit'])).toContainEqual(
    expect.objectContaining({ action: 'node.revoke', subject: 'pi-lost', details: { reason: 'stolen from the shed' } }),
  )

  const tried = await joinWith(join(fleet.folder, 'thief'), url, '--json')
  expect(JSON.parse(tried.stderr)).toMatchObject({ error: { code: 'join-token-unknown' } })
  expect((await fleet.tryHypha(['node', 'revoke', 'pi-lost'])).code).not.toBe(0)
  expect((await fleet.tryHypha(['invite', 'pi-lost'])).stderr).toContain('--replace')
})

test('After a restart of the gateway it is still refused', async () => {
  await fleet.gateway!.end('SIGKILL')
  await fleet.startGateway()
  await untilNode(fleet, 'pi-here', 'online', ({ online }) => online)
  const lost = fleet.agents.get('pi-lost')!
  await lost.end('SIGKILL')
  const again = fleet.spawnAgent('pi-lost')
  await again.line(/refused the node/)
  await fleet.gateway!.line(/refused: pi-lost was revoked \[node-revoked\]/)
  expect(await nodeOf(fleet, 'pi-lost')).toMatchObject({ online: false, revoked: { reason: 'stolen from the shed' } })
})

test('Removed, it is forgotten at once', async () => {
  await fleet.hypha(['node', 'rm', 'pi-lost'])
  await eventually('the node to be forgotten', async () => {
    const nodes = await fleet.json<{ id: string }[]>(['nodes'])
    return nodes.every(({ id }) => id !== 'pi-lost') || undefined
  })
})
