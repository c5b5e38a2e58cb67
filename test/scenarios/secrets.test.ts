import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'mqtt'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadIdentity } from '../../agent/home.ts'
import { ed25519Pkcs8 } from '../../src/bytes/ed25519.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { pushMeter, setSecret, untilNode, untilValue } from './node-support.ts'
import { steadySensor } from './support.ts'

// What was set with --secret is readable in one place: on the node that it is for, by the module that asks for it.

const secret = 'correct-battery-horse-staple-7431'

let fleet: Fleet

beforeAll(async () => {
  fleet = await Fleet.start()
  await fleet.addNode('pi-7', { nodeFile: steadySensor })
  await pushMeter(fleet)
  await setSecret(fleet, secret)
  await untilValue(fleet, 'secret', 'pi-7', (length) => length === secret.length)
})
afterAll(() => fleet.stop())

/** In any spelling that a careless program might use. */
const spellings = [secret, Buffer.from(secret).toString('hex'), Buffer.from(secret).toString('base64').slice(0, -4)]

const holds = (bytes: Buffer): boolean => spellings.some((text) => bytes.includes(text))

function filesWithIt(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => {
    const whole = join(folder, path)
    try {
      return statSync(whole).isFile() && holds(readFileSync(whole))
    } catch (error) {
      // The node is at work: what was renamed meanwhile is looked at under its new name.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    }
  })
}

test('A secret stands in no file of the gateway, its database and write-ahead log included, and in none of the node', () => {
  expect(filesWithIt(join(fleet.folder, 'hypha'))).toEqual([])
  expect(filesWithIt(fleet.agentHome('pi-7'))).toEqual([])
})

test('nor in a log, an answer, an event or an audit entry', async () => {
  const logs = [...fleet.gateway!.lines, ...fleet.agents.get('pi-7')!.lines]
  expect(logs.length).toBeGreaterThan(3)
  const listed = await fleet.hypha(['config', 'list', 'meter', '--json'])
  expect(JSON.parse(listed)).toMatchObject([{ key: 'secret', secret: true, value: null }])
  const audit = await fleet.hypha(['audit', '--json'])
  expect(audit).toContain('config.set')
  const said = [listed, audit, ...logs]
  for (const asked of [['events'], ['logs'], ['node', 'pi-7'], ['app', 'meter'], ['status']]) {
    said.push(await fleet.hypha([...asked, '--json']))
  }
  expect(said.filter((text) => holds(Buffer.from(text)))).toEqual([])
})

test('nor in anything that the broker sends to the node', async () => {
  await fleet.agents.get('pi-7')!.end('SIGTERM')
  const { certificate, ca, seed, brokerPort } = loadIdentity(fleet.agentHome('pi-7'))
  const key = `-----BEGIN PRIVATE KEY-----\n${Buffer.from(ed25519Pkcs8(seed)).toString('base64')}\n-----END PRIVATE KEY-----\n`
  // In the node's own place, so that the broker hands out what it would hand to the node.
  const observer = connect({
    host: '127.0.0.1',
    port: brokerPort,
    protocol: 'mqtts',
    clientId: 'pi-7',
    ca,
    cert: certificate,
    key,
  })
  const seen = new Map<string, Buffer>()
  observer.on('message', (topic, payload) => void seen.set(topic, payload))
  try {
    const down = ['directive', 'ack', 'input'].map((kind) => `hypha/test/n/pi-7/down/${kind}`)
    await observer.subscribeAsync([...down, 'hypha/test/b/root'], { qos: 1 })
    await eventually('the directive to come', () => seen.has('hypha/test/n/pi-7/down/directive') || undefined)
    // Another value of it, as it is being set.
    const first = seen.get('hypha/test/n/pi-7/down/directive')!
    await setSecret(fleet, `${secret}-too`)
    await eventually('the next directive', () => {
      return !seen.get('hypha/test/n/pi-7/down/directive')!.equals(first) || undefined
    })
    expect(first.length).toBeGreaterThan(500)
    expect([...seen].filter(([, payload]) => holds(payload)).map(([topic]) => topic)).toEqual([])
    expect(holds(first)).toBe(false)
  } finally {
    await observer.endAsync(true)
  }
  await fleet.startAgent('pi-7')
  await untilValue(fleet, 'secret', 'pi-7', (length) => length === secret.length + 4)
  await untilNode(fleet, 'pi-7', 'online', ({ online }) => online)
  expect(filesWithIt(join(fleet.folder, 'hypha'))).toEqual([])
})
