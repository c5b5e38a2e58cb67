import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fleet } from '../support/fleet.ts'
import { greenhouse, Stranger, steadySensor } from './support.ts'

// Clients that nobody here wrote: mosquitto's, from the system's packages, with a certificate that `hypha client create` made.

interface Credentials {
  cert: string
  key: string
  ca: string
}

let fleet: Fleet
let grafana: Credentials
let script: Credentials
const running: Stranger[] = []

beforeAll(async () => {
  fleet = await Fleet.start({ name: 'greens' })
  await fleet.addNode('pi-1', { nodeFile: steadySensor })
  await fleet.hypha(['push', '--no-wait', greenhouse])
  grafana = await createClient('grafana', ['--subscribe', 'v/#', 'm/#'])
  script = await createClient('script', ['--publish', 'm/greenhouse/climate/#'])
})
afterAll(async () => {
  await Promise.all(running.map((stranger) => stranger.end()))
  await fleet.stop()
})

async function createClient(name: string, grants: string[]): Promise<Credentials> {
  const out = join(fleet.folder, 'clients')
  mkdirSync(out, { recursive: true })
  const { files } = await fleet.json<{ files: { certificate: string; key: string; ca: string } }>([
    'client',
    'create',
    name,
    '--out',
    out,
    ...grants,
  ])
  return { cert: files.certificate, key: files.key, ca: files.ca }
}

function mosquitto(program: 'sub' | 'pub', id: string, credentials: Partial<Credentials>, ...args: string[]): Stranger {
  const { ca = grafana.ca, cert, key } = credentials
  const own = cert === undefined || key === undefined ? [] : ['--cert', cert, '--key', key]
  const broker = ['-h', '127.0.0.1', '-p', `${fleet.mqttPort}`, '-V', 'mqttv311', '-i', id, '--cafile', ca, ...own]
  const stranger = new Stranger(`mosquitto_${program}`, [...broker, ...args])
  running.push(stranger)
  return stranger
}

const followAll = () => mosquitto('sub', 'grafana', grafana, '-v', '-t', 'hypha/greens/v/#', '-t', 'hypha/greens/m/#')

function refused(what: RegExp): Promise<string> {
  return fleet.gateway!.line(what)
}

test('A value is plain JSON, retained for whoever comes later, and live from then on', async () => {
  const topic = 'hypha/greens/v/pi-1/greenhouse/sampler/load'
  const first = mosquitto('sub', 'grafana', grafana, '-F', '%r %t %p', '-t', 'hypha/greens/v/#', '-C', '1')
  await first.ended
  const second = mosquitto('sub', 'grafana', grafana, '-F', '%r %t %p', '-t', topic, '-C', '3')
  expect(await second.ended).toBe(0)
  const read = second.lines.map((line) => line.split(' '))
  expect(read.map(([retained, on]) => [retained, on])).toEqual([
    ['1', topic],
    ['0', topic],
    ['0', topic],
  ])
  const values = read.map(([, , text]) => JSON.parse(text!) as { value: number; at: number; node: string })
  for (const value of values) {
    expect(Object.keys(value).sort()).toEqual(['at', 'node', 'value'])
    expect(value).toMatchObject({ node: 'pi-1', value: expect.any(Number) })
  }
  expect(values.map(({ at }) => at)).toEqual(values.map(({ at }) => at).toSorted((a, b) => a - b))
})

test("A publish feeds a module's inbox, and what the module answers is read in the same way", async () => {
  const screen = followAll()
  await screen.line(/sampler\/load/)
  const reading = (value: number) =>
    mosquitto(
      'pub',
      'script',
      script,
      '-q',
      '1',
      '-t',
      'hypha/greens/m/greenhouse/climate/outdoor',
      '-m',
      `{"value":${value}}`,
    )
  expect(await reading(-3.5).ended).toBe(0)
  await screen.line(/^hypha\/greens\/v\/pi-1\/greenhouse\/frost-alarm\/frost \{"value":1,/)
  const alarm = await screen.line(/^hypha\/greens\/m\/greenhouse\/alarm\/frost /)
  expect(JSON.parse(alarm.slice(alarm.indexOf('{')))).toMatchObject({ frost: 'on', celsius: -3.5, count: 1 })
  expect(await reading(7).ended).toBe(0)
  await screen.line(/^hypha\/greens\/v\/pi-1\/greenhouse\/frost-alarm\/frost \{"value":0,/)
  await screen.end()
})

test('What is no topic of its grants is denied to subscribe to', async () => {
  const topics = [
    'hypha/greens/n/pi-1/down/directive',
    'hypha/greens/n/+/state',
    'hypha/greens/b/#',
    '#',
    'hypha/other/v/#',
    '$SYS/#',
  ]
  for (const topic of topics) {
    const reader = mosquitto('sub', 'grafana', grafana, '-t', topic, '-W', '20')
    expect(await reader.ended, topic).not.toBe(27)
    expect(`${reader.out}${reader.err}`, topic).toMatch(/denied|rejected/i)
  }
})

test("What is published elsewhere goes nowhere, a node's topics and values of the gateway's included", async () => {
  const screen = followAll()
  await screen.line(/sampler\/load/)
  const before = await fleet.json<object>(['node', 'pi-1'])
  const topics = [
    'hypha/greens/n/pi-1/state',
    'hypha/greens/n/pi-1/presence',
    'hypha/greens/n/pi-1/up/report',
    'hypha/greens/n/pi-1/down/directive',
    'hypha/greens/b/root',
    'hypha/greens/v/pi-1/greenhouse/sampler/load',
    'hypha/greens/m/greenhouse/alarm/frost',
    'elsewhere',
  ]
  for (const topic of topics) {
    expect(await mosquitto('pub', 'script', script, '-q', '1', '-r', '-t', topic, '-m', 'forged').ended, topic).toBe(0)
    await refused(new RegExp(`refused: it has no right to publish this.*${topic}`))
  }
  const inside = mosquitto(
    'pub',
    'script',
    script,
    '-q',
    '1',
    '-t',
    'hypha/greens/m/greenhouse/climate/last',
    '-m',
    'end',
  )
  expect(await inside.ended).toBe(0)
  await screen.line(/climate\/last end$/)
  expect(screen.out).not.toContain('forged')
  const { online, apps, directive } = before as { online: boolean; apps: string[]; directive: object }
  expect(await fleet.json(['node', 'pi-1'])).toMatchObject({ online, apps, directive })
  await screen.end()
})

test("Another name than its certificate's is refused, a node's name above all", async () => {
  for (const id of ['pi-1', 'somebody']) {
    const reader = mosquitto('sub', id, grafana, '-t', 'hypha/greens/v/#', '-C', '1', '-W', '20')
    expect(await reader.ended).not.toBe(0)
    expect(reader.err, id).toMatch(/identifier rejected/i)
  }
})

test('Without a certificate there is no connection', async () => {
  const reader = mosquitto('sub', 'grafana', {}, '-t', 'hypha/greens/v/#', '-C', '1', '-W', '20')
  expect(await reader.ended).not.toBe(0)
  expect(reader.out).toBe('')
})

test('A certificate of another authority is refused, and so is the gateway by whoever trusts another authority', async () => {
  const stranger = strangersCertificate('grafana')
  const reader = mosquitto(
    'sub',
    'grafana',
    { cert: stranger.cert, key: stranger.key },
    '-t',
    'hypha/greens/v/#',
    '-C',
    '1',
    '-W',
    '20',
  )
  expect(await reader.ended).not.toBe(0)
  expect(reader.out).toBe('')
  const careful = mosquitto(
    'sub',
    'grafana',
    { ...grafana, ca: stranger.cert },
    '-t',
    'hypha/greens/v/#',
    '-C',
    '1',
    '-W',
    '20',
  )
  expect(await careful.ended).not.toBe(0)
  expect(careful.err).toMatch(/verify|certificate|tls/i)
})

test('A removed client is cut off, and stays out', async () => {
  const leaver = await createClient('leaver', ['--subscribe', 'v/#'])
  const reader = mosquitto('sub', 'leaver', leaver, '-t', 'hypha/greens/v/#')
  await reader.line(/value/)
  await fleet.hypha(['client', 'rm', 'leaver'])
  expect(await reader.ended).not.toBe(0)
  const size = reader.lines.length
  const again = mosquitto('sub', 'leaver', leaver, '-t', 'hypha/greens/v/#', '-C', '1', '-W', '20')
  expect(await again.ended).not.toBe(0)
  expect(reader.lines.length).toBe(size)
  expect(again.out).toBe('')
})

/** A certificate with the right names, by an authority of its own. */
function strangersCertificate(name: string): { cert: string; key: string } {
  const key = join(fleet.folder, 'stranger.key')
  const cert = join(fleet.folder, 'stranger.pem')
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  execFileSync('openssl', [
    'req',
    '-x509',
    '-new',
    '-key',
    key,
    '-days',
    '2',
    '-subj',
    `/O=greens/OU=client/CN=${name}`,
    '-out',
    cert,
  ])
  return { cert, key }
}
