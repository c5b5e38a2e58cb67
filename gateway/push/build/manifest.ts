import { readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import type { ModuleSpec, RolloutPolicy } from '@hypha/core/trust/release.ts'
import { isBuiltIn } from '@hypha/core/wire/ids.ts'
import { checkFilter } from '@hypha/core/wire/topics.ts'
import { parse, TomlError } from 'smol-toml'
import { readLinks } from './manifest-links.ts'
import { readRollout } from './manifest-rollout.ts'
import {
  badValue,
  count,
  duration,
  flag,
  knownKeys,
  lineOf,
  optional,
  type Place,
  size,
  stringList,
  tableOf,
  words,
} from './manifest-values.ts'

const kib = 1024
const mib = 1024 ** 2
const day = 86_400_000

/** What a module has where its manifest says nothing. */
export const moduleDefaults = {
  /** Small enough that a module fits below one page of 64 KiB with its stack and its data. */
  heapBytes: 16 * kib,
  memoryBytes: mib,
  turnMs: 1000,
  telemetryPerS: 100,
  messagesPerS: 50,
  kvBytes: 64 * kib,
} as const

const maxManifestBytes = 256 * kib
const maxModules = 128

/** `hypha.toml` of an app, read and checked. */
export interface Manifest {
  readonly name: string
  /** The author's name for the release, such as "1.2.0"; empty where the manifest has none. */
  readonly version: string
  /** The app's folder, absolute. */
  readonly dir: string
  /** The manifest's own path, for messages. */
  readonly file: string
  /** In the order of the manifest. */
  readonly modules: readonly ModuleManifest[]
  /** What `[rollout]` says; null where there is no such table. */
  readonly rollout: RolloutPolicy | null
  /** Whether `[placement]` lets it follow what its links carry. */
  readonly follow: 'measured' | null
}

export interface ModuleManifest {
  readonly name: string
  /** The folder (or the one `.wasm` file) that the module is built from, absolute. */
  readonly source: string
  /** Size of the arena that the SDK's allocators work in. */
  readonly heapBytes: number
  /** What the release says of the module. */
  readonly spec: ModuleSpec
}

/**
 * Reads `hypha.toml` of the app in `dir`. Unknown keys are errors, and every number is capped.
 *
 * @throws HyphaError `manifest-missing` or `manifest-invalid`, which names file, line, table and key.
 */
export function loadManifest(dir: string): Manifest {
  const folder = resolve(dir)
  const file = join(folder, 'hypha.toml')
  const text = readManifest(file)
  const document = parseToml(file, text)
  const at = (table: string, key: string): Place => ({ file, table, key, text })
  knownKeys(document, ['app', 'module', 'rollout', 'placement'], (key) => at(key, ''))
  const app = tableOf(document.app, at('app', ''))
  knownKeys(app, ['name', 'version'], (key) => at('app', key))
  const modules = Object.entries(tableOf(document.module, at('module', '')))
  if (modules.length === 0) throw badValue(at('module', ''), 'the app has no module', 'Add a table [module.NAME].')
  if (modules.length > maxModules)
    throw badValue(at('module', ''), `${modules.length} modules are over the cap of ${maxModules}`)
  const name = words(at('app', 'name'), app.name, 40, idPattern, idForm)
  if (isBuiltIn(name))
    throw badValue(at('app', 'name'), `"${name}" is a program of Hypha itself`, 'Choose another name.')
  return {
    name,
    version: app.version === undefined ? '' : words(at('app', 'version'), app.version, 40),
    dir: folder,
    file,
    modules: modules.map(([name, table]) => readModule(folder, name, table, (key) => at(`module.${name}`, key))),
    follow: optional(document.placement, null, (table) => readPlacement(table, (key) => at('placement', key))),
    rollout: optional(document.rollout, null, (table) =>
      readRollout(
        table,
        { file, table: 'rollout', key: '', text },
        modules.map(([module]) => module),
      ),
    ),
  }
}

/** The table `[placement]`. */
function readPlacement(table: unknown, at: (key: string) => Place): 'measured' | null {
  const placement = tableOf(table, at(''))
  knownKeys(placement, ['follow'], at)
  return optional(placement.follow, null, (follow) => {
    words(at('follow'), follow, 8, /^measured$/, '"measured", or left out')
    return 'measured' as const
  })
}

const idPattern = /^[a-z0-9][a-z0-9-]{0,39}$/
const idForm = '1 to 40 characters from a-z, 0-9 and the hyphen, beginning with a letter or digit'

function readManifest(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false })
  if (stat === undefined || !stat.isFile()) {
    throw new HyphaError('manifest-missing', 'There is no hypha.toml', { where: file })
  }
  if (stat.size > maxManifestBytes) {
    throw new HyphaError('manifest-invalid', `${stat.size} bytes are over the cap of ${maxManifestBytes}`, {
      where: file,
    })
  }
  return readFileSync(file, 'utf8')
}

function parseToml(file: string, text: string): Record<string, unknown> {
  try {
    return parse(text)
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause
    const message = cause.message.split('\n')[0]!.replace('Invalid TOML document: ', '')
    throw new HyphaError('manifest-invalid', message, { where: `${file}:${cause.line}:${cause.column}`, cause })
  }
}

const moduleKeys = [
  'source',
  'timer',
  'subscribe',
  'publish',
  'heap',
  'isolate',
  'scope',
  'requires',
  'http',
  'memory',
  'turn',
  'telemetry-per-s',
  'messages-per-s',
  'kv',
  'config',
  'link',
  'offline',
] as const

function readModule(dir: string, name: string, value: unknown, at: (key: string) => Place): ModuleManifest {
  if (!idPattern.test(name)) throw badValue(at(''), `a module's name must be ${idForm}`)
  const table = tableOf(value, at(''))
  knownKeys(table, moduleKeys, at)
  const source = table.source === undefined ? name : words(at('source'), table.source, 200)
  const path = resolve(dir, source)
  if (path !== dir && !path.startsWith(`${dir}/`))
    throw badValue(at('source'), `"${source}" lies outside the app's folder`)
  return {
    name,
    source: path,
    heapBytes: optional(table.heap, moduleDefaults.heapBytes, (heap) => size(at('heap'), heap, kib, 16 * mib)),
    spec: readSpec(table, at),
  }
}

function readSpec(table: Record<string, unknown>, at: (key: string) => Place): ModuleSpec {
  return {
    timerMs: optional(table.timer, null, (timer) => duration(at('timer'), timer, 1, 31 * day)),
    subscribe: readFilters(table.subscribe, at('subscribe')),
    publish: readFilters(table.publish, at('publish')),
    config: optional(table.config, {}, (config) => readConfig(config, at)),
    limits: {
      memoryBytes: optional(table.memory, moduleDefaults.memoryBytes, (memory) =>
        size(at('memory'), memory, kib, 1024 * mib),
      ),
      turnMs: optional(table.turn, moduleDefaults.turnMs, (turn) => duration(at('turn'), turn, 1, 3_600_000)),
      telemetryPerS: optional(table['telemetry-per-s'], moduleDefaults.telemetryPerS, (rate) =>
        count(at('telemetry-per-s'), rate, 0, 1_000_000),
      ),
      messagesPerS: optional(table['messages-per-s'], moduleDefaults.messagesPerS, (rate) =>
        count(at('messages-per-s'), rate, 0, 1_000_000),
      ),
      kvBytes: optional(table.kv, moduleDefaults.kvBytes, (kv) => size(at('kv'), kv, 0, 64 * mib)),
    },
    isolate: optional(table.isolate, false, (isolate) => flag(at('isolate'), isolate)),
    fleetScope: optional(
      table.scope,
      false,
      (scope) => words(at('scope'), scope, 5, /^fleet$/, '"fleet", the only scope that can be asked for') === 'fleet',
    ),
    requires: readRequires(table.requires, at('requires')),
    httpHosts: readHosts(table.http, at('http')),
    links: readLinks(table.link, at('link')),
    offline: optional(table.offline, null, (offline) => {
      words(at('offline'), offline, 4, /^keep$/, '"keep", or left out')
      return 'keep' as const
    }),
  }
}

function readFilters(value: unknown, place: Place): string[] {
  if (value === undefined) return []
  return stringList(place, value, 32, (item) => {
    const filter = words(place, item, 256)
    try {
      checkFilter(filter)
    } catch (cause) {
      throw badValue(
        place,
        cause instanceof Error ? cause.message : String(cause),
        'Filters are relative to the app: "climate/#".',
      )
    }
    return filter
  })
}

function readRequires(value: unknown, place: Place): string[] {
  if (value === undefined) return []
  return stringList(place, value, 16, (item) =>
    words(place, item, 64, /^[a-z0-9][a-z0-9.=_-]*$/, 'a label of a-z, 0-9, ".", "=", "_" and "-"'),
  )
}

function readHosts(value: unknown, place: Place): string[] {
  if (value === undefined) return []
  return stringList(place, value, 32, (item) => {
    const host = words(
      place,
      item,
      256,
      /^([a-z0-9.-]+|\[[0-9a-f:.]+\]):\d{1,5}$/,
      'a host with its port, such as "api.example.org:443"',
    )
    if (Number(host.slice(host.lastIndexOf(':') + 1)) > 65_535)
      throw badValue(place, `"${host}" has no port that exists`)
    return host
  })
}

function readConfig(value: unknown, at: (key: string) => Place): Record<string, string> {
  const place = at('config')
  const table = tableOf(value, place)
  const inTable = (key: string): Place => ({ ...place, table: `${place.table}.config`, key })
  const entries = Object.entries(table)
  if (entries.length > 64) throw badValue(place, `${entries.length} keys are over the cap of 64`)
  return Object.fromEntries(
    entries.map(([key, entry]) => {
      words(inTable(key), key, 64, /^[A-Za-z0-9_.-]+$/, 'a key of letters, digits, "_", "." and "-"')
      if (typeof entry !== 'string') throw badValue(inTable(key), 'settings are strings', 'Put the value in quotes.')
      if (entry.length > 4096) throw badValue(inTable(key), `it has ${entry.length} characters, over the cap of 4096`)
      return [key, entry]
    }),
  )
}

/** The manifest's line of a module's key, for errors that are found after it was read. */
export function placeInManifest(manifest: Manifest, module: string, key: string): string {
  const text = readFileSync(manifest.file, 'utf8')
  const line = lineOf({ file: manifest.file, table: `module.${module}`, key, text })
  return line === null ? manifest.file : `${manifest.file}:${line}`
}
