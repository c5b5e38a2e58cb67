import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadIdentity } from '../../agent/home.ts'
import type { RunningProgram } from '../../examples/demo/processes.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { clockOff, newest, nodeOf, pushMeter, setSecret, spawnAgentAt, untilNode, untilValue } from './node-support.ts'
import { eventOf, steadySensor } from './support.ts'

// A device was in a drawer for longer than twice its certificate's life, and than the root metadata's: everything that it holds has expired. What it runs, it runs all the same.

const later = '+2000d'
const agesLater = 2_000 * 86_400_000

let fleet: Fleet
let agent: RunningProgram

beforeAll(async () => {
  fleet = await Fleet.start()
  await fleet.addNode('pi-7', { nodeFile: steadySensor })
  await pushMeter(fleet)
  await fleet.reached('meter', 'confirmed')
  await untilValue(fleet, 'ticks', 'pi-7', (ticks) => ticks > 2)
  await fleet.agents.get('pi-7')!.end('SIGTERM')
  await fleet.gateway!.end('SIGTERM')
  // Years pass for everybody.
  Object.assign(fleet.env, clockOff(later))
})
afterAll(() => fleet.stop())

test('It runs what it has confirmed, with no gateway in reach', async () => {
  agent = spawnAgentAt(fleet, 'pi-7', later)
  await agent.line(/No connection to the broker/)
  const journal = join(fleet.agentHome('pi-7'), 'data/journal')
  const bytes = () => readdirSync(journal).reduce((sum, name) => sum + statSync(join(journal, name)).size, 0)
  const before = bytes()
  await eventually('turns to be journaled', () => bytes() > before + 200 || undefined)
})

test('Its certificate, which has ended long ago, is renewed by proof of its key, and what it counts arrives', async () => {
  const before = loadIdentity(fleet.agentHome('pi-7'))
  await fleet.startGateway()
  await agent.line(/the certificate is renewed/)
  await agent.line(/connected/)
  expect(loadIdentity(fleet.agentHome('pi-7')).certificate).not.toBe(before.certificate)
  const { certificate } = await untilNode(fleet, 'pi-7', 'online', ({ online }) => online)
  expect(certificate.expiresAt).toBeGreaterThan(Date.now() + agesLater)
  const { value } = (await newest(fleet, 'ticks', 'pi-7'))!
  await untilValue(fleet, 'ticks', 'pi-7', (ticks) => ticks > value + 3)
})

test('New directives are refused under root metadata that has expired, and what runs goes on; renewed root metadata is followed', async () => {
  await setSecret(fleet, 'new secret')
  await eventOf(fleet, null, 'directive-refused', /expired/, 'pi-7')
  const { value } = (await newest(fleet, 'ticks', 'pi-7'))!
  await untilValue(fleet, 'ticks', 'pi-7', (ticks) => ticks > value + 3)
  const { directive } = await nodeOf(fleet, 'pi-7')
  expect(directive.held).toBeLessThan(directive.wanted)

  await fleet.hypha(['root', 'renew'])
  await agent.line(/follows root metadata version 2/)
  await untilValue(fleet, 'secret', 'pi-7', (length) => length === 10)
  await untilNode(fleet, 'pi-7', 'up to date', (node) => node.directive.held === node.directive.wanted)
})
