import { afterAll, beforeAll, expect, test } from 'vitest'
import { fleetTopics } from '../../src/wire/topics.ts'
import { MqttAttacker, stolenFrom } from '../hostile/live/mqtt-attacker.ts'
import { Fleet } from '../support/fleet.ts'
import { newest, nodeOf, pushMeter, untilNode, untilValue } from './node-support.ts'
import { ask, type EventLine, eventOf, steadySensor } from './support.ts'

// Who has copied a card needn't start an agent with it: he may listen, read what is meant for the node, and say nothing of himself.

let fleet: Fleet

const eventsOf = async (code: string) =>
  (await ask<EventLine[]>(fleet, '/v1/events', { limit: '1000' })).filter((event) => event.code === code)

const connect = () => MqttAttacker.letIn(fleet.mqttPort, stolenFrom(fleet.agentHome('pi-7')), 'pi-7')

beforeAll(async () => {
  fleet = await Fleet.start()
  await fleet.addNode('pi-7', { nodeFile: steadySensor })
  await pushMeter(fleet)
  await untilValue(fleet, 'ticks', 'pi-7', (ticks) => ticks > 2)
})
afterAll(() => fleet.stop())

test('A connection that ends before it reads or says anything is nothing: the node goes on', async () => {
  const cut = await connect()
  cut.close()
  await untilNode(fleet, 'pi-7', 'online', ({ online }) => online)
  const { value } = (await newest(fleet, 'ticks', 'pi-7'))!
  await untilValue(fleet, 'ticks', 'pi-7', (ticks) => ticks > value + 2)
  expect(await nodeOf(fleet, 'pi-7')).toMatchObject({ clonedAt: null, online: true })
  expect(await eventsOf('cloned-identity')).toEqual([])
})

test('One that only reads is found when the genuine node comes back', async () => {
  const listener = await connect()
  await listener.subscribe(fleetTopics(fleet.name).down('pi-7', 'directive'))
  await eventOf(fleet, null, 'cloned-identity', /hypha invite pi-7 --replace/, 'pi-7')
  expect(await nodeOf(fleet, 'pi-7')).toMatchObject({ online: false, clonedAt: expect.any(Number) })
  listener.close()
})
