import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { noteLeaving } from '../../agent/leaving.ts'
import { Fleet } from '../support/fleet.ts'
import { joinWith } from './node-support.ts'
import { steadySensor } from './support.ts'

// A node is told to leave and dies on its way out: between what the gateway hears and the last key that is deleted lies a moment at which nobody can tell it any more.

let fleet: Fleet

beforeAll(async () => {
  fleet = await Fleet.start()
})
afterAll(() => fleet.stop())

async function addAndStop(node: string): Promise<string> {
  await (await fleet.addNode(node, { nodeFile: steadySensor })).end('SIGTERM')
  return fleet.agentHome(node)
}

test('It was forgotten, and had not deleted its keys: at its next start it does, with no gateway in reach', async () => {
  const home = await addAndStop('pi-1')
  await fleet.hypha(['node', 'rm', 'pi-1', '--force'])
  await noteLeaving(home, 'left')
  await fleet.gateway!.end('SIGTERM')
  const agent = fleet.spawnAgent('pi-1')
  expect(await agent.ended).toBe(0)
  expect(agent.lines.join()).toContain('pi-1 has left test')
  expect(readdirSync(home)).toEqual(['agent.toml'])
  await fleet.startGateway()
})

test('It died before it knew that it was heard: refused by a gateway that knows it no more, it deletes what is left', async () => {
  const home = await addAndStop('pi-2')
  await fleet.hypha(['node', 'rm', 'pi-2', '--force'])
  await noteLeaving(home, 'leaving')
  const agent = fleet.spawnAgent('pi-2')
  expect(await agent.ended).toBe(0)
  expect(readdirSync(home)).toEqual(['agent.toml'])
})

test('It died before it was heard: it is told once more, says so, and is forgotten', async () => {
  const home = await addAndStop('pi-3')
  await fleet.hypha(['node', 'rm', 'pi-3'])
  await noteLeaving(home, 'leaving')
  const agent = fleet.spawnAgent('pi-3')
  await agent.line(/has been removed/)
  expect(await agent.ended).toBe(0)
  expect(readdirSync(home)).toEqual(['agent.toml'])
  await expect(fleet.tryHypha(['node', 'pi-3'])).resolves.toMatchObject({ code: 2 })
})

test('One that nobody has told to leave keeps all that it has, whoever refuses it, and may join again where it left', async () => {
  const home = await addAndStop('pi-4')
  await fleet.hypha(['node', 'rm', 'pi-4', '--force'])
  const agent = fleet.spawnAgent('pi-4')
  await agent.line(/refused the node/)
  await agent.end('SIGTERM')
  expect(existsSync(join(home, 'identity'))).toBe(true)

  const { url } = await fleet.json<{ url: string }>(['invite', 'pi-1', '--url-only'])
  const back = await joinWith(fleet.agentHome('pi-1'), url)
  expect(back).toMatchObject({ code: 0, stderr: '' })
  await fleet.startAgent('pi-1')
})
