import { HyphaError } from '@hypha/core/errors.ts'
import { checkFilter } from '@hypha/core/wire/topics.ts'
import { parse } from 'smol-toml'
import { boundInterfaces, everyNodesInterfaces } from './provided.ts'
import { TomlTable } from './toml-table.ts'
import { type VitalBinding, type VitalName, vitalBinding, vitalNames } from './vital-bindings.ts'

/** Turns what a driver reads into the sensor's unit: `value * scale + offset`. */
interface Scaling {
  readonly scale: number
  readonly offset: number
}

/** What a sensor's name is bound to. */
export type SensorBinding =
  /** A file of the kernel: the field-th number of its first line. */
  | ({ readonly driver: 'sysfs'; readonly path: string; readonly field: number } & Scaling)
  /** A column of a CSV file, row after row at a speed. */
  | ({
      readonly driver: 'replay'
      readonly file: string
      readonly column: string
      readonly rowsPerS: number
      readonly loop: boolean
    } & Scaling)
  /** The first number that a command prints. The helper process runs it. */
  | ({ readonly driver: 'command'; readonly argv: readonly string[]; readonly timeoutMs: number } & Scaling)
  /** The last value on a topic of a broker: a plain number, or a field of a JSON object. */
  | ({
      readonly driver: 'mqtt'
      readonly topic: string
      readonly field: string | null
      readonly maxAgeMs: number
    } & Scaling)
  /** A program that answers `read NAME` with a number, a line each, on a Unix socket. */
  | ({ readonly driver: 'socket'; readonly path: string; readonly timeoutMs: number } & Scaling)

/** The values that an actuator takes. */
interface Range {
  readonly min: number
  readonly max: number
}

/** What an actuator's name is bound to. */
export type ActuatorBinding =
  | ({ readonly driver: 'file'; readonly path: string; readonly scale: number; readonly decimals: number } & Range)
  /** `{value}` in an argument stands for the value. The helper process runs it. */
  | ({ readonly driver: 'command'; readonly argv: readonly string[]; readonly timeoutMs: number } & Range)
  /** A program that takes `set NAME VALUE` and answers `ok`. */
  | ({ readonly driver: 'socket'; readonly path: string; readonly timeoutMs: number } & Range)
  /** Nothing moves: the value is written to the agent's log. */
  | ({ readonly driver: 'log' } & Range)

/** A broker of the owner's own, on the device's network. */
export interface BrokerBinding {
  readonly host: string
  readonly port: number
  readonly tls: boolean
  readonly username: string | null
  /** Files of the owner's; relative paths begin in the agent's folder. */
  readonly passwordFile: string | null
  readonly caFile: string | null
}

/** The node's own file, which says what is bound to this machine. Nothing of it ever comes over the network. */
export interface NodeFile {
  readonly labels: readonly string[]
  /** `fast`: that the node is gone is noticed within two seconds, for a packet a second; `normal`: within 45. */
  readonly liveness: 'normal' | 'fast'
  /** How often at most what an instance keeps is sent to the gateway while it runs, where it has changed; 0 for never. */
  readonly checkpointMs: number
  /** What modules may have together; null where the file doesn't say. */
  readonly memoryBytes: number | null
  readonly sensors: ReadonlyMap<string, SensorBinding>
  readonly actuators: ReadonlyMap<string, ActuatorBinding>
  /** Hosts that modules may reach, as `host:port`, `*` for all; null where the node provides no `http`. */
  readonly http: { readonly allow: readonly string[]; readonly timeoutMs: number } | null
  /** Null where the node provides no `sql`. */
  readonly sql: { readonly maxBytes: number } | null
  /** Whether modules without a core form may run here, each cell of them in a process of some 80 MB. */
  readonly components: boolean
  /** The broker of the `mqtt` sensors; null where the file names none. */
  readonly mqtt: BrokerBinding | null
  /** What the file says of what the node may run short of. */
  readonly vitals: ReadonlyMap<VitalName, VitalBinding<SensorBinding>>
}

const maxBound = 64
const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$/
const labelPattern = /^[a-z0-9][a-z0-9.=_-]{0,63}$/
const hostPattern = /^(\*|[a-zA-Z0-9.-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5})$/

/**
 * Reads the node's file. An empty text is a node that provides what every node does.
 *
 * @throws HyphaError `node-file-invalid`, naming the line or the key and what is known there.
 */
export function parseNodeFile(text: string, file = 'agent.toml'): NodeFile {
  const top = new TomlTable(file, '', parseToml(text, file))
  const nodeFile: NodeFile = {
    labels: labels(top),
    liveness: liveness(top),
    checkpointMs: checkpointMs(top),
    memoryBytes: top.has('memory') ? top.sizeBytes('memory') : optional(top, 'memory', null),
    sensors: bindings(top, 'sensor', sensor),
    actuators: bindings(top, 'actuator', actuator),
    http: top.has('http') ? http(top.table('http')) : optional(top, 'http', null),
    sql: top.has('sql') ? sql(top.table('sql')) : optional(top, 'sql', null),
    components: top.flag('components', false),
    mqtt: top.has('mqtt') ? broker(top.table('mqtt')) : optional(top, 'mqtt', null),
    vitals: vitals(top),
  }
  top.end()
  return nodeFile
}

/** The host interfaces that a node with this file provides, sorted. */
export function interfacesOf(nodeFile: NodeFile): string[] {
  return [
    ...everyNodesInterfaces,
    ...(nodeFile.sensors.size > 0 ? [boundInterfaces.sensor] : []),
    ...(nodeFile.actuators.size > 0 ? [boundInterfaces.actuator] : []),
    ...(nodeFile.http === null ? [] : [boundInterfaces.http]),
    ...(nodeFile.sql === null ? [] : [boundInterfaces.sql]),
  ].sort()
}

/** Whether something in the file is served by the helper process. */
export function needsHelper(nodeFile: NodeFile): boolean {
  const bound = [...sensorsOf(nodeFile), ...nodeFile.actuators.values()]
  return nodeFile.sql !== null || nodeFile.components || bound.some(({ driver }) => driver === 'command')
}

/** The sensors that modules read, and where the agent itself reads what it may run short of. */
export const sensorsOf = ({ sensors, vitals }: NodeFile): SensorBinding[] => [
  ...sensors.values(),
  ...[...vitals.values()].flatMap(({ source }) => source ?? []),
]

/** Files that the agent itself must be able to read and to write, for its permissions. Paths as they stand in the file. */
export function boundPaths(nodeFile: NodeFile): { readonly read: string[]; readonly write: string[] } {
  const read: string[] = []
  for (const binding of sensorsOf(nodeFile)) {
    if (binding.driver === 'sysfs') read.push(binding.path)
    if (binding.driver === 'replay') read.push(binding.file)
  }
  const { passwordFile = null, caFile = null } = nodeFile.mqtt ?? {}
  read.push(...[passwordFile, caFile].filter((path) => path !== null))
  const write: string[] = []
  for (const binding of nodeFile.actuators.values()) if (binding.driver === 'file') write.push(binding.path)
  return { read, write }
}

function parseToml(text: string, file: string): unknown {
  try {
    return parse(text)
  } catch (cause) {
    const { line, column, message } = cause as { line?: number; column?: number; message: string }
    const where = line === undefined ? file : `${file}:${line}:${column}`
    throw new HyphaError('node-file-invalid', `${where}: ${message.split('\n')[0]}`, { where, cause })
  }
}

/** Marks a key as known that is absent. */
function optional<T>(table: TomlTable, key: string, absent: T): T {
  table.text(key, '')
  return absent
}

function labels(top: TomlTable): readonly string[] {
  const found = top.texts('labels', [])
  for (const label of found) {
    if (!labelPattern.test(label))
      throw top.fail(
        'labels',
        `has "${label}", which is not made of a-z, 0-9 and . = _ -, beginning with a letter or digit`,
      )
  }
  if (found.length > 32) throw top.fail('labels', 'has more than 32 labels')
  return found
}

function checkpointMs(top: TomlTable): number {
  const ms = top.durationMs('checkpoint', 5_000)
  if (ms > 0 && ms < 100) throw top.fail('checkpoint', 'should be 0s, or at least 100ms')
  return ms
}

function liveness(top: TomlTable): NodeFile['liveness'] {
  const word = top.text('liveness', 'normal')
  if (word !== 'normal' && word !== 'fast') throw top.fail('liveness', `"${word}" is neither "normal" nor "fast"`)
  return word
}

function bindings<B>(top: TomlTable, key: string, bind: (table: TomlTable, driver: string) => B): Map<string, B> {
  const bound = new Map<string, B>()
  if (!top.has(key)) return optional(top, key, bound)
  const tables = top.table(key)
  for (const name of tables.keys()) {
    if (!namePattern.test(name)) throw tables.fail(name, 'is no name: use letters, digits and . _ -')
    const table = tables.table(name)
    bound.set(name, bind(table, table.text('driver')))
    table.end()
  }
  if (bound.size > maxBound) throw top.fail(key, `has more than ${maxBound} entries`)
  return bound
}

function vitals(top: TomlTable): Map<VitalName, VitalBinding<SensorBinding>> {
  const bound = new Map<VitalName, VitalBinding<SensorBinding>>()
  if (!top.has('vital')) return optional(top, 'vital', bound)
  const tables = top.table('vital')
  for (const name of vitalNames) {
    if (!tables.has(name)) continue
    const table = tables.table(name)
    bound.set(name, vitalBinding(name, table, sensor))
    table.end()
  }
  tables.end()
  return bound
}

function sensor(table: TomlTable, driver: string): SensorBinding {
  const scaling = { scale: table.number('scale', 1), offset: table.number('offset', 0) }
  switch (driver) {
    case 'sysfs':
      return { driver, path: absolute(table, 'path'), field: table.number('field', 0), ...scaling }
    case 'replay': {
      const rowsPerS = table.number('rows-per-s', 1)
      if (rowsPerS <= 0) throw table.fail('rows-per-s', 'should be above 0')
      const file = table.text('file')
      return { driver, file, column: table.text('column'), rowsPerS, loop: table.flag('loop', true), ...scaling }
    }
    case 'command':
      return { driver, ...command(table), ...scaling }
    case 'mqtt': {
      const topic = table.text('topic')
      checkFilter(topic)
      const field = table.text('field', '') || null
      return { driver, topic, field, maxAgeMs: table.durationMs('max-age', 60_000), ...scaling }
    }
    case 'socket':
      return { driver, path: absolute(table, 'path'), timeoutMs: table.durationMs('timeout', 1_000), ...scaling }
    default:
      throw table.fail(
        'driver',
        `"${driver}" is not known`,
        'Sensors have the drivers sysfs, replay, command, mqtt and socket.',
      )
  }
}

function actuator(table: TomlTable, driver: string): ActuatorBinding {
  const range = { min: table.number('min', -Number.MAX_VALUE), max: table.number('max', Number.MAX_VALUE) }
  if (range.min > range.max) throw table.fail('min', 'is above max')
  switch (driver) {
    case 'file': {
      const decimals = table.number('decimals', 0)
      if (!Number.isInteger(decimals) || decimals < 0 || decimals > 15)
        throw table.fail('decimals', 'should be from 0 to 15')
      return { driver, path: absolute(table, 'path'), scale: table.number('scale', 1), decimals, ...range }
    }
    case 'command':
      return { driver, ...command(table), ...range }
    case 'socket':
      return { driver, path: absolute(table, 'path'), timeoutMs: table.durationMs('timeout', 1_000), ...range }
    case 'log':
      return { driver, ...range }
    default:
      throw table.fail(
        'driver',
        `"${driver}" is not known`,
        'Actuators have the drivers file, command, socket and log.',
      )
  }
}

function command(table: TomlTable): { argv: readonly string[]; timeoutMs: number } {
  const argv = table.texts('argv')
  if (argv.length === 0 || argv[0] === '') throw table.fail('argv', 'should begin with a program')
  return { argv, timeoutMs: table.durationMs('timeout', 2_000) }
}

function http(table: TomlTable): NonNullable<NodeFile['http']> {
  const allow = table.texts('allow')
  for (const host of allow) {
    if (!hostPattern.test(host)) throw table.fail('allow', `has "${host}", which is not of the form "host:port"`)
  }
  const timeoutMs = table.durationMs('timeout', 10_000)
  table.end()
  return { allow: allow.map((host) => host.toLowerCase()), timeoutMs }
}

function sql(table: TomlTable): NonNullable<NodeFile['sql']> {
  const maxBytes = table.sizeBytes('max', 256 * 1024 * 1024)
  table.end()
  return { maxBytes }
}

function broker(table: TomlTable): BrokerBinding {
  const text = table.text('url')
  const url = URL.canParse(text) ? new URL(text) : null
  const tls = url?.protocol === 'mqtts:'
  if (url === null || !(tls || url.protocol === 'mqtt:') || url.hostname === '')
    throw table.fail('url', `"${text}" should be such as "mqtt://127.0.0.1:1883" or "mqtts://broker.lan:8883"`)
  if (url.username !== '' || url.password !== '')
    throw table.fail('url', 'holds a name or a password', 'Write username = "…" and password-file = "…".')
  const file = (key: string): string | null => table.text(key, '') || null
  const binding: BrokerBinding = {
    // The URL's brackets around an IPv6 address are no part of it.
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(url.port) || (tls ? 8_883 : 1_883),
    tls,
    username: file('username'),
    passwordFile: file('password-file'),
    caFile: file('ca'),
  }
  table.end()
  return binding
}

function absolute(table: TomlTable, key: string): string {
  const path = table.text(key)
  if (!path.startsWith('/')) throw table.fail(key, `"${path}" should be an absolute path`)
  return path
}
