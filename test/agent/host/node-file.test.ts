import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { boundPaths, interfacesOf, needsHelper, parseNodeFile } from '../../../agent/host/node-file.ts'
import { boundInterfaces, everyNodesInterfaces, servedByHost } from '../../../agent/host/provided.ts'

test('A node file binds sensors, actuators, HTTP and SQL, and says what the node provides.', () => {
  const nodeFile = parseNodeFile(`
    labels = ["floor=2", "greenhouse"]
    memory = "64MiB"
    [sensor.cpu]
    driver = "sysfs"
    path = "/sys/class/thermal/thermal_zone0/temp"
    scale = 0.001
    [sensor.outdoor]
    driver = "replay"
    file = "weather.csv"
    column = "temp_max"
    rows-per-s = 10
    [actuator.fan]
    driver = "file"
    path = "/sys/class/pwm/pwmchip0/pwm0/duty_cycle"
    max = 100
    [http]
    allow = ["Example.com:443"]
    timeout = "2s"
    [sql]
    max = "8MiB"
  `)
  expect(nodeFile).toMatchObject({ labels: ['floor=2', 'greenhouse'], memoryBytes: 67_108_864 })
  expect(nodeFile.sensors.get('cpu')).toMatchObject({ driver: 'sysfs', scale: 0.001, offset: 0, field: 0 })
  expect(nodeFile.http).toEqual({ allow: ['example.com:443'], timeoutMs: 2_000 })
  expect(nodeFile.sql).toEqual({ maxBytes: 8_388_608 })
  expect(interfacesOf(nodeFile)).toEqual([...everyNodesInterfaces, ...Object.values(boundInterfaces)].sort())
  expect(needsHelper(nodeFile)).toBe(true)
  expect(boundPaths(nodeFile)).toEqual({
    read: ['/sys/class/thermal/thermal_zone0/temp', 'weather.csv'],
    write: ['/sys/class/pwm/pwmchip0/pwm0/duty_cycle'],
  })
})

test('A node without a file provides what every node does, and needs no helper.', () => {
  const nodeFile = parseNodeFile('')
  expect(interfacesOf(nodeFile)).toEqual(everyNodesInterfaces)
  expect(needsHelper(nodeFile)).toBe(false)
})

test('The host interfaces of the contract are those that an agent serves, and no others.', () => {
  const folder = new URL('../../../sdk/wit/host/', import.meta.url)
  const contract = readdirSync(folder).map((file) => {
    const version = /package hypha:host@([\d.]+);/.exec(readFileSync(new URL(file, folder), 'utf8'))![1]
    return `hypha:host/${file.replace('.wit', '')}@${version}`
  })
  expect(contract.sort()).toEqual([...everyNodesInterfaces, ...Object.values(boundInterfaces)].sort())
  expect(contract.every(servedByHost)).toBe(true)
  expect(servedByHost('hypha:host/files@0.1.0')).toBe(false)
  expect(servedByHost('wasi:clocks/wall-clock@0.2.3')).toBe(true)
  expect(servedByHost('wasi:sockets/tcp@0.2.3')).toBe(false)
})

test.each([
  ['labels = "one"', 'agent.toml: labels should be a list of texts'],
  ['labels = ["Floor 2"]', 'has "Floor 2"'],
  ['memory = 64', 'agent.toml: memory should be a text in quotes, is 64'],
  ['memory = "64 megs"', 'should be a size such as'],
  ['lables = []', 'agent.toml: lables is not known here'],
  ['[sensor.x]', 'agent.toml: sensor.x.driver is missing'],
  ['[sensor.x]\ndriver = "gpio"', 'agent.toml: sensor.x.driver "gpio" is not known'],
  ['[sensor.x]\ndriver = "sysfs"\npath = "temp"', 'should be an absolute path'],
  ['[sensor.x]\ndriver = "sysfs"\npath = "/a"\nscal = 2', 'agent.toml: sensor.x.scal is not known here'],
  ['[sensor."a b"]\ndriver = "sysfs"', 'is no name'],
  ['[sensor.x]\ndriver = "command"\nargv = []', 'should begin with a program'],
  ['[actuator.x]\ndriver = "log"\nmin = 2\nmax = 1', 'agent.toml: actuator.x.min is above max'],
  ['[http]\nallow = ["https://example.com"]', 'not of the form "host:port"'],
  ['sql = true', 'agent.toml: sql should be a table'],
  ['[sensor.x', 'agent.toml:1:'],
])('%j is refused with the place and what is wrong.', (text, message) => {
  expect(() => parseNodeFile(text)).toThrow(expect.objectContaining({ code: 'node-file-invalid' }))
  expect(() => parseNodeFile(text)).toThrow(message)
})

test("The owner's broker is an address with mqtt or mqtts; a name or a password in it is refused.", () => {
  const broker = (lines: string) => parseNodeFile(`[mqtt]\n${lines}`).mqtt
  expect(broker('url = "mqtt://127.0.0.1"')).toEqual({
    host: '127.0.0.1',
    port: 1_883,
    tls: false,
    username: null,
    passwordFile: null,
    caFile: null,
  })
  expect(broker('url = "mqtts://[::1]:9000"\nusername = "u"\npassword-file = "secret"\nca = "/etc/ca.pem"')).toEqual({
    host: '::1',
    port: 9_000,
    tls: true,
    username: 'u',
    passwordFile: 'secret',
    caFile: '/etc/ca.pem',
  })
  expect(() => broker('url = "http://broker"')).toThrow('should be such as "mqtt://127.0.0.1:1883"')
  expect(() => broker('url = "mqtt://u:p@broker"')).toThrow('holds a name or a password')
  expect(() => broker('url = "mqtt://broker"\nport = 1')).toThrow('is not known here')
})

test("The page about the node's file has an example that is one, and names every driver.", () => {
  const page = readFileSync(new URL('../../../docs/agent-toml.md', import.meta.url), 'utf8')
  const example = page.match(/^ {4}.*$|^$/gm)!.join('\n')
  expect([...parseNodeFile(example).sensors.keys()]).toEqual(['outdoor'])
  const known = (kind: string) => {
    try {
      parseNodeFile(`[${kind}.x]\ndriver = "none"`)
    } catch (thrown) {
      return [...(thrown as { mend: string }).mend.matchAll(/[a-z]+(?=,| and|\.)/g)].map(([name]) => name)
    }
    return []
  }
  expect([known('sensor').length, known('actuator').length]).toEqual([5, 4])
  for (const driver of [...known('sensor'), ...known('actuator')]) expect(page).toContain(`| \`${driver}\` |`)
})
