import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadIdentity, saveIdentity } from '../../agent/home.ts'
import { loadAuthority } from '../../gateway/enrol/ca.ts'
import { fleetTopics } from '../../src/wire/topics.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { TopicRelay } from '../support/topic-relay.ts'
import { areOnline, inState, nodeAt, push, receiptsOf, show, ticking, versioned } from './rollout-support.ts'
import { steadySensor, writeApp } from './support.ts'

// A commit that reaches a node before the directive that asks for what it commits. [P 10.4]

let fleet: Fleet
let relay: TopicRelay
const both = ['pi-1', 'pi-2']

beforeAll(async () => {
  fleet = await Fleet.start()
  await fleet.addNode('pi-1', { nodeFile: steadySensor })
  await fleet.joinNode('pi-2', { nodeFile: steadySensor })
  const read = (name: string) => readFileSync(join(fleet.folder, 'hypha/gateway', name), 'utf8')
  const authority = await loadAuthority(fleet.name, { certificate: read('ca.pem'), key: read('ca.key') })
  const home = fleet.agentHome('pi-2')
  const identity = loadIdentity(home)
  relay = await TopicRelay.start(identity, authority, fleet.mqttPort)
  saveIdentity(home, { ...identity, brokerPort: relay.port })
  await fleet.startAgent('pi-2')
  await fleet.hypha(['push', '--snap', writeApp(fleet, 'app', ticking, { main: versioned(1) })])
})
afterAll(async () => {
  relay?.close()
  await fleet?.stop()
})

test('A node that is told of a commit before its directive keeps it, and flips by it once the directive has come', async () => {
  await areOnline(fleet, 'app', both)
  const topics = fleetTopics(fleet.name)
  relay.hold((topic) => topic === topics.down('pi-2', 'directive'))
  const before = relay.passed.length
  // One of the two is enough for the commit.
  const { epoch } = await push(fleet, 'app', 2, '', `[rollout]\nsuccess = "50%"\n\n${ticking}`)
  const [first] = await receiptsOf(fleet, 'app', epoch, ['pi-1'])
  await eventually(
    'the commit has reached pi-2, and its directive has not',
    () => relay.passed.slice(before).includes(topics.commit('app')) || undefined,
  )
  expect(relay.held).toBeGreaterThan(0)
  await nodeAt(fleet, 'app', 'pi-2', 'waiting')
  await show(fleet, 'app', 1, ['pi-2'])
  // The one that asks to prepare it. Of the flip it says nothing: that only the commit does.
  relay.letOneGo()
  const [, late] = await receiptsOf(fleet, 'app', epoch, both)
  expect(late).toMatchObject({ late: true, instantMs: first!.instantMs })
  expect(late!.flippedMs).toBeGreaterThan(first!.flippedMs)
  await show(fleet, 'app', 2, both)
  relay.letGo()
  await inState(fleet, 'app', 2, 'done')
  await fleet.reached('app', 'confirmed')
})
