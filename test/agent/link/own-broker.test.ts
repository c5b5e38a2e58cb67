import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@hypha/core/platform/clock.ts'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createDrivers, type Drivers } from '../../../agent/host/drivers/drivers.ts'
import type { HostCall } from '../../../agent/host/host.ts'
import { parseNodeFile } from '../../../agent/host/node-file.ts'
import { OwnBroker } from '../../../agent/link/own-broker.ts'

// A broker that nobody here wrote, as on a device's network: mosquitto, from the system's packages.

const path = `${process.env.PATH}:/usr/sbin`
let folder: string
let port: number
let mosquitto: ChildProcess
const cleanups: (() => void)[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hypha-own-broker-'))
  port = await freePort()
  await startMosquitto()
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) cleanup()
  await endMosquitto()
  rmSync(folder, { recursive: true })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

async function startMosquitto(): Promise<void> {
  const passwords = join(folder, 'passwords')
  writeFileSync(passwords, '', { mode: 0o600 })
  execFileSync('mosquitto_passwd', ['-b', passwords, 'hypha', 'a secret'], { env: { PATH: path }, stdio: 'ignore' })
  const config = join(folder, 'mosquitto.conf')
  // mosquitto that is started by root becomes another user, who may not read the folder.
  writeFileSync(config, `listener ${port} 127.0.0.1\nallow_anonymous false\npassword_file ${passwords}\nuser root\n`)
  mosquitto = spawn('mosquitto', ['-c', config], { env: { PATH: path }, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  mosquitto.stderr!.on('data', (data) => {
    said += data
  })
  await vi.waitFor(() => expect(said).toContain('running'), { timeout: 5_000 })
}

async function endMosquitto(): Promise<void> {
  const ended = once(mosquitto, 'exit')
  mosquitto.kill('SIGKILL')
  await ended
}

const publish = (topic: string, payload: string): void =>
  void execFileSync('mosquitto_pub', [
    ...['-h', '127.0.0.1', '-p', `${port}`, '-u', 'hypha', '-P', 'a secret', '-r'],
    ...['-t', topic, '-m', payload],
  ])

/** The drivers of a node file, and a broker as the agent opens it. */
function nodeWith(sensors: string, password = 'a secret'): { drivers: Drivers; notes: string[] } {
  const nodeFile = parseNodeFile(`[mqtt]\nurl = "mqtt://127.0.0.1:${port}"\nusername = "hypha"\n${sensors}`)
  const notes: string[] = []
  const note = (text: string) => void notes.push(text)
  const broker = new OwnBroker({
    ...nodeFile.mqtt!,
    clientId: 'hypha-pi-7',
    password,
    ca: null,
    note,
    reconnectMs: 50,
  })
  const subscribe = broker.subscribe.bind(broker)
  const drivers = createDrivers(nodeFile, { home: folder, clock: systemClock, helper: null, subscribe, note })
  cleanups.push(() => {
    drivers.close()
    broker.close()
  })
  return { drivers, notes }
}

function read(drivers: Drivers, sensor: string): unknown {
  const instance = { app: 'app', module: 'module', home: 'pi-7' }
  const call: HostCall = {
    instance,
    interface: 'sensor',
    func: 'read',
    args: [sensor],
    key: 'turn/0',
    leftMs: 1_000,
    httpHosts: [],
  }
  return drivers.call(call)
}

const bound = `
  [sensor.porch]
  driver = "mqtt"
  topic = "zigbee2mqtt/porch"
  field = "temperature"
  [sensor.plain]
  driver = "mqtt"
  topic = "meters/power"
  scale = 0.001
`

test("What others publish on the owner's broker is a sensor: a field of a JSON object, or a plain number.", async () => {
  const { drivers, notes } = nodeWith(bound)
  expect(read(drivers, 'porch')).toEqual({ tag: 'err', val: 'unavailable' })
  publish('zigbee2mqtt/porch', '{"battery":100,"temperature":21.5}')
  publish('meters/power', '1250')
  await vi.waitFor(() => expect(read(drivers, 'porch')).toEqual({ tag: 'ok', val: 21.5 }))
  await vi.waitFor(() => expect(read(drivers, 'plain')).toEqual({ tag: 'ok', val: 1.25 }))
  publish('zigbee2mqtt/porch', 'no JSON')
  publish('zigbee2mqtt/porch', '{"temperature":19}')
  await vi.waitFor(() => expect(read(drivers, 'porch')).toEqual({ tag: 'ok', val: 19 }))
  expect(notes).toHaveLength(1)
})

test('It listens again when the broker was gone for a while, and a broker that refuses is named in the log.', async () => {
  const { drivers, notes } = nodeWith(bound)
  publish('meters/power', '1000')
  await vi.waitFor(() => expect(read(drivers, 'plain')).toEqual({ tag: 'ok', val: 1 }))
  await endMosquitto()
  await vi.waitFor(() => expect(notes.join()).toContain(`127.0.0.1:${port}: nobody listens there`))
  await startMosquitto()
  publish('meters/power', '2000')
  await vi.waitFor(() => expect(read(drivers, 'plain')).toEqual({ tag: 'ok', val: 2 }), { timeout: 5_000 })

  const refused = nodeWith(bound, 'a wrong one')
  await vi.waitFor(() => expect(refused.notes.join()).toContain('refused'))
})
