import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { clientCredentials, startBroker, type TestBroker } from './support.ts'

// Clients that nobody here wrote: mosquitto's, from the system's packages.

let broker: TestBroker
let folder: string
let running: ChildProcess[]

beforeEach(async () => {
  broker = await startBroker()
  folder = await mkdtemp(join(tmpdir(), 'hypha-mosquitto-'))
  running = []
  const { ca, cert, key } = await clientCredentials(broker.authority, 'screen')
  await writeFile(join(folder, 'ca.pem'), ca)
  await writeFile(join(folder, 'cert.pem'), cert)
  await writeFile(join(folder, 'key.pem'), key, { mode: 0o600 })
  broker.grants.set('screen', { read: ['hypha/greens/v/#'], write: ['hypha/greens/m/house/#'] })
})
afterEach(async () => {
  for (const child of running) child.kill('SIGKILL')
  await broker.close()
  await rm(folder, { recursive: true })
})

/** Starts one of mosquitto's clients with the certificate of "screen". */
function start(program: 'mosquitto_sub' | 'mosquitto_pub', ...more: string[]) {
  const file = (name: string) => join(folder, name)
  const tls = [
    '--cafile',
    file('ca.pem'),
    '--cert',
    file('cert.pem'),
    '--key',
    file('key.pem'),
    '--tls-version',
    'tlsv1.3',
  ]
  const child = spawn(program, ['-h', '127.0.0.1', '-p', `${broker.port}`, '-V', 'mqttv311', ...tls, ...more])
  running.push(child)
  const said = { out: '', err: '' }
  child.stdout.on('data', (data) => {
    said.out += data
  })
  child.stderr.on('data', (data) => {
    said.err += data
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  return { said, ended }
}

test('mosquitto_sub shows the values, the retained ones first', async () => {
  const topic = 'hypha/greens/v/pi-1/app/module/celsius'
  await broker.broker.publish(topic, Buffer.from('21.5'), { retain: true })
  const { said, ended } = start('mosquitto_sub', '-i', 'screen', '-t', 'hypha/greens/v/#', '-C', '2', '-v')
  await vi.waitFor(() => expect(said.out).toContain('21.5'), { timeout: 10_000 })
  await broker.broker.publish(topic, Buffer.from('22'), { retain: true })
  expect(await ended).toBe(0)
  expect(said.out).toBe(`${topic} 21.5\n${topic} 22\n`)
})

test.each(['0', '1', '2'])('mosquitto_pub feeds a message in with QoS %s', async (qos) => {
  const { ended } = start('mosquitto_pub', '-i', 'screen', '-t', 'hypha/greens/m/house/set', '-m', 'on', '-q', qos)
  expect(await ended).toBe(0)
  await vi.waitFor(() => expect(broker.heard).toMatchObject([{ topic: 'hypha/greens/m/house/set', text: 'on' }]))
})

test('it is refused under another name', async () => {
  const { said, ended } = start('mosquitto_sub', '-i', 'pi-1', '-t', 'hypha/greens/v/#', '-C', '1')
  expect(await ended).not.toBe(0)
  expect(said.err).toMatch(/identifier rejected/i)
})

test('it is refused what it was not granted', async () => {
  const { said, ended } = start('mosquitto_sub', '-i', 'screen', '-t', 'hypha/greens/n/+/down/#', '-W', '20')
  await ended
  expect(said.err).toMatch(/denied|rejected/i)
  expect(broker.denials).toMatchObject([{ client: { id: 'screen' }, action: 'subscribe' }])
})

test('what it publishes elsewhere goes nowhere', async () => {
  const { ended } = start(
    'mosquitto_pub',
    '-i',
    'screen',
    '-t',
    'hypha/greens/n/pi-1/down/directive',
    '-m',
    'x',
    '-q',
    '1',
  )
  expect(await ended).toBe(0)
  expect(broker.heard).toEqual([])
  expect(broker.denials).toMatchObject([{ client: { id: 'screen' }, action: 'publish' }])
})
