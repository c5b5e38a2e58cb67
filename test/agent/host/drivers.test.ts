import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { createDrivers, type Drivers } from '../../../agent/host/drivers/drivers.ts'
import type { HostCall } from '../../../agent/host/host.ts'
import { parseNodeFile } from '../../../agent/host/node-file.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup()
})

function node(toml: (home: string) => string) {
  const home = mkdtempSync(join(tmpdir(), 'hypha-drivers-'))
  const clock = new FakeClock()
  const notes: string[] = []
  const topics = new Map<string, (payload: Uint8Array) => void>()
  const open = (): Drivers => {
    const drivers = createDrivers(parseNodeFile(toml(home)), {
      home,
      clock,
      helper: null,
      subscribe(topic, take) {
        topics.set(topic, take)
        return () => topics.delete(topic)
      },
      note: (text) => notes.push(text),
    })
    cleanups.push(() => drivers.close())
    return drivers
  }
  cleanups.push(() => rmSync(home, { recursive: true }))
  const say = (topic: string, text: string) => topics.get(topic)!(new TextEncoder().encode(text))
  return { home, clock, notes, open, say }
}

function call(name: HostCall['interface'], func: string, args: unknown[], leftMs = 2_000): HostCall {
  const instance = { app: 'app', module: 'module', home: 'pi-7' }
  return { instance, interface: name, func, args, key: 'turn/0', leftMs, httpHosts: [] }
}

const read = (drivers: Drivers, name: string, leftMs?: number) => drivers.call(call('sensor', 'read', [name], leftMs))
const ok = (val?: unknown) => ({ tag: 'ok', val })
const err = (val: string) => ({ tag: 'err', val })

test('A kernel file is read each time, the field that is asked for, in the unit that the node file states.', async () => {
  const { home, open, notes } = node(
    (home) => `
    [sensor.cpu]
    driver = "sysfs"
    path = "${home}/temp"
    scale = 0.5
    offset = 1
    [sensor.load]
    driver = "sysfs"
    path = "${home}/loadavg"
    field = 2
  `,
  )
  const drivers = open()
  expect(await read(drivers, 'cpu')).toEqual(err('unavailable'))
  expect(await read(drivers, 'cpu')).toEqual(err('unavailable'))
  writeFileSync(join(home, 'temp'), '43000\n')
  writeFileSync(join(home, 'loadavg'), '0.10 0.20 0.30 1/100 4711\n')
  expect(await read(drivers, 'cpu')).toEqual(ok(21_501))
  expect(await read(drivers, 'load')).toEqual(ok(0.3))
  expect(await read(drivers, 'nothing')).toEqual(err('unknown'))
  expect(drivers.call(call('sensor', 'names', []))).toEqual(['cpu', 'load'])
  // Said once, not at each reading.
  expect(notes.filter((note) => note.startsWith('sensor cpu'))).toHaveLength(1)
})

test('A recorded series is replayed at its speed, over and over, also past rows without a number.', async () => {
  const { home, clock, open } = node(
    () => `
    [sensor.outdoor]
    driver = "replay"
    file = "weather.csv"
    column = "max, °C"
    rows-per-s = 2
    [sensor.once]
    driver = "replay"
    file = "weather.csv"
    column = "min"
    loop = false
  `,
  )
  writeFileSync(
    join(home, 'weather.csv'),
    'date,"max, °C",min\r\n"1, May",20.5,1\r\n"2, May",21.5,2\r\n"3, May",,3\r\n',
  )
  const drivers = open()
  const seen = []
  for (let step = 0; step < 7; step++) {
    seen.push(await read(drivers, 'outdoor'))
    clock.advance(500)
  }
  const [a, b, none] = [ok(20.5), ok(21.5), err('unavailable')]
  expect(seen).toEqual([a, b, none, a, b, none, a])
  expect(await read(drivers, 'once')).toEqual(ok(3))
  clock.advance(500 * 3_000_000)
  expect(await read(drivers, 'outdoor')).toEqual(b)
})

test('A program on a socket answers line by line; one that is silent times out, and one that is gone is unavailable.', async () => {
  const { home, open } = node(
    (home) => `
    [sensor.number]
    driver = "socket"
    path = "${home}/numbers"
    [sensor.silent]
    driver = "socket"
    path = "${home}/numbers"
    timeout = "20ms"
    [actuator.valve]
    driver = "socket"
    path = "${home}/numbers"
    [sensor.gone]
    driver = "socket"
    path = "${home}/nobody"
  `,
  )
  let next = 0
  const asked: string[] = []
  const server: Server = createServer((socket) => {
    socket.on('data', (data) => {
      for (const line of data.toString().split('\n').filter(Boolean)) {
        asked.push(line)
        if (line === 'read number') socket.write(`${++next}\n`)
        if (line.startsWith('set')) socket.write(line === 'set valve 0.5' ? 'ok\n' : 'error: stuck\n')
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(join(home, 'numbers'), resolve))
  cleanups.push(() => server.close())
  const drivers = open()
  expect(await Promise.all([1, 2, 3].map(() => read(drivers, 'number')))).toEqual([ok(1), ok(2), ok(3)])
  expect(await read(drivers, 'silent')).toEqual(err('timeout'))
  expect(await read(drivers, 'gone')).toEqual(err('unavailable'))
  expect(await drivers.call(call('actuator', 'set', ['valve', 0.5]))).toEqual(ok())
  expect(await drivers.call(call('actuator', 'set', ['valve', 1]))).toEqual(err('unavailable'))
  expect(asked).toContain('set valve 0.5')
})

test('The last value on a topic is a sensor, plain or a field of JSON, until it is too old.', async () => {
  const { clock, open, say } = node(
    () => `
    [sensor.plain]
    driver = "mqtt"
    topic = "shed/temperature"
    max-age = "10s"
    [sensor.field]
    driver = "mqtt"
    topic = "zigbee/0x01"
    field = "humidity"
  `,
  )
  const drivers = open()
  expect(await read(drivers, 'plain')).toEqual(err('unavailable'))
  say('shed/temperature', '21.5')
  say('shed/temperature', 'nonsense')
  say('zigbee/0x01', '{"humidity": 40, "battery": 90}')
  say('zigbee/0x01', '{"hum')
  expect(await read(drivers, 'plain')).toEqual(ok(21.5))
  expect(await read(drivers, 'field')).toEqual(ok(40))
  clock.advance(10_001)
  expect(await read(drivers, 'plain')).toEqual(err('unavailable'))
})

test('An actuator moves within its range only, into a file or into the log.', async () => {
  const { home, open, notes } = node(
    (home) => `
    [actuator.led]
    driver = "file"
    path = "${home}/brightness"
    scale = 2.55
    min = 0
    max = 100
    [actuator.horn]
    driver = "log"
  `,
  )
  const drivers = open()
  const set = (name: string, value: number) => drivers.call(call('actuator', 'set', [name, value]))
  expect(await set('led', 100)).toEqual(ok())
  expect(readFileSync(join(home, 'brightness'), 'utf8')).toBe('255\n')
  expect(await set('led', 101)).toEqual(err('out-of-range'))
  expect(await set('led', Number.NaN)).toEqual(err('out-of-range'))
  expect(await set('nothing', 1)).toEqual(err('unknown'))
  expect(await set('horn', 1)).toEqual(ok())
  expect(notes).toEqual(['actuator horn is set to 1'])
})
