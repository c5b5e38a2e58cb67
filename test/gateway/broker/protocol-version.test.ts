import mqttPacket from 'mqtt-packet'
import { afterEach, expect, test, vi } from 'vitest'
import { connectClient, connectTls, endClients, nodeCredentials, startBroker, type TestBroker } from './support.ts'

// The embedded broker speaks MQTT 3.1.1.

let running: TestBroker

afterEach(async () => {
  await endClients()
  await running.close()
})

const soon = (check: () => void) => vi.waitFor(check, { timeout: 10_000 })

test('A client of MQTT 5 is answered with 1 in CONNACK, and the log says who it is and what it should do', async () => {
  running = await startBroker()
  const socket = await connectTls(running.port, await nodeCredentials(running.authority, 'pi-1'))
  const answer: Buffer[] = []
  socket.on('data', (data: Buffer) => answer.push(data))
  const ended = new Promise((resolve) => socket.once('close', resolve))
  const connect = { cmd: 'connect', protocolId: 'MQTT', clientId: 'pi-1', clean: true, keepalive: 60 } as const
  socket.write(mqttPacket.generate({ ...connect, protocolVersion: 5 }, { protocolVersion: 5 }))
  await ended
  expect(Buffer.concat(answer)).toEqual(Buffer.of(0x20, 2, 0, 1))
  await soon(() => expect(running.denials).toHaveLength(1))
  const [{ client, action, why }] = running.denials as [TestBroker['denials'][number]]
  expect({ id: client?.id, action }).toEqual({ id: 'pi-1', action: 'connect' })
  expect(why).toMatch(/MQTT 5.*3\.1\.1 \(protocol version 4\)/)
  expect(running.errors).toEqual([])
})

test('The usual client library fails with that reason, and connects when it is told to speak 3.1.1', async () => {
  running = await startBroker()
  const credentials = await nodeCredentials(running.authority, 'pi-1')
  await expect(connectClient(running.port, credentials, { protocolVersion: 5 })).rejects.toThrow(/protocol version/i)
  const client = await connectClient(running.port, credentials, { protocolVersion: 4 })
  expect(client.connected).toBe(true)
})
