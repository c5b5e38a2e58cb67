import { nearest } from '@hypha/core/nearest.ts'
import type { RolloutPolicy } from '@hypha/core/trust/release.ts'
import { boundFault, isTimeZone, wavesFault, windowFault } from '@hypha/core/trust/rollout-shape.ts'
import {
  badValue,
  duration,
  flag,
  knownKeys,
  optional,
  type Place,
  stringList,
  tableOf,
  words,
} from './manifest-values.ts'

const day = 86_400_000
const maxWaves = 63
const maxWindows = 16
const maxBounds = 32

/** As they stand in `days`, Sunday first. */
const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const

const rolloutKeys = [
  'waves',
  'success',
  'failure',
  'soak',
  'prepare',
  'approve',
  'rollback',
  'window',
  'health',
] as const

/**
 * The table `[rollout]` of a manifest, with its windows and its bounds of metrics. `here` is the table's own place, `modules` are the names of the app's modules. Throws
 * `manifest-invalid`, which names file, line, table and key.
 */
export function readRollout(value: unknown, here: Place, modules: readonly string[]): RolloutPolicy {
  const at = (key: string): Place => ({ ...here, key })
  const table = tableOf(value, at(''))
  knownKeys(table, rolloutKeys, at)
  return {
    waves: optional(table.waves, null, (waves) => readWaves(waves, at('waves'))),
    successPercent: optional(table.success, null, (share) => percent(at('success'), share, 1)),
    failurePercent: optional(table.failure, null, (share) => percent(at('failure'), share, 0)),
    soakMs: optional(table.soak, null, (soak) => duration(at('soak'), soak, 0, 31 * day)),
    prepareMs: optional(table.prepare, null, (prepare) => duration(at('prepare'), prepare, 1, 31 * day)),
    approve: optional(table.approve, false, (approve) => flag(at('approve'), approve)),
    rollback: optional(table.rollback, true, (rollback) => flag(at('rollback'), rollback)),
    windows: tablesOf(table.window, at('window'), maxWindows).map((window, nth) =>
      readWindow(window, (key) => ({ ...here, table: 'rollout.window', key, nth })),
    ),
    health: tablesOf(table.health, at('health'), maxBounds).map((bound, nth) =>
      readBound(bound, (key) => ({ ...here, table: 'rollout.health', key, nth }), modules),
    ),
  }
}

function readWaves(value: unknown, place: Place): NonNullable<RolloutPolicy['waves']> {
  const form = 'a share of the fleet such as "10%", or a label such as "label:canary"'
  const pattern = /^(label:[a-z0-9][a-z0-9.=_-]{0,63}|\d{1,3}%)$/
  const waves = stringList(place, value, maxWaves, (item) => words(place, item, 70, pattern, form)).map((text) =>
    text.startsWith('label:')
      ? ({ kind: 'label', label: text.slice('label:'.length) } as const)
      : ({ kind: 'share', percent: percent(place, text, 1) } as const),
  )
  return sound(place, waves, wavesFault(waves))
}

function readWindow(table: Record<string, unknown>, at: (key: string) => Place): RolloutPolicy['windows'][number] {
  knownKeys(table, ['label', 'days', 'from', 'to', 'zone'], at)
  const window = {
    label: optional(table.label, null, (label) =>
      words(at('label'), label, 64, /^[a-z0-9][a-z0-9.=_-]*$/, 'a label of a-z, 0-9, ".", "=", "_" and "-"'),
    ),
    days: optional(
      table.days,
      dayNames.map((_, index) => index),
      (days) =>
        stringList(at('days'), days, 7, (item) => dayName(at('days'), item)).map((name) =>
          dayNames.indexOf(name as never),
        ),
    ),
    fromMinute: timeOfDay(at('from'), table.from, 1_439),
    toMinute: timeOfDay(at('to'), table.to, 1_440),
    zone: optional(table.zone, 'UTC', (zone) => timeZone(at('zone'), zone)),
  }
  return sound(at('days'), window, windowFault(window))
}

function readBound(
  table: Record<string, unknown>,
  at: (key: string) => Place,
  modules: readonly string[],
): RolloutPolicy['health'][number] {
  knownKeys(table, ['module', 'metric', 'min', 'max'], at)
  const module = words(at('module'), table.module, 40)
  if (!modules.includes(module)) {
    const meant = nearest(module, modules)
    throw badValue(
      at('module'),
      `the app has no module "${module}"`,
      meant === null ? undefined : `Did you mean "${meant}"?`,
    )
  }
  const bound = {
    module,
    metric: words(at('metric'), table.metric, 64, /^[a-zA-Z0-9_][a-zA-Z0-9_.-]*$/, 'the name of a metric'),
    min: optional(table.min, null, (min) => number(at('min'), min)),
    max: optional(table.max, null, (max) => number(at('max'), max)),
  }
  return sound(at('metric'), bound, boundFault(bound))
}

/** The value itself, or the error that says what is wrong with it. */
function sound<T>(place: Place, value: T, fault: string | null): T {
  if (fault !== null) throw badValue(place, fault)
  return value
}

function tablesOf(value: unknown, place: Place, max: number): Record<string, unknown>[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) {
    throw badValue(place, 'this must be a list of tables', `Write it in double brackets: [[rollout.${place.key}]].`)
  }
  if (value.length > max) throw badValue(place, `${value.length} entries are over the cap of ${max}`)
  return value.map((item, nth) => tableOf(item, { ...place, table: `rollout.${place.key}`, key: '', nth }))
}

/** "95%" as 95. */
function percent(place: Place, value: unknown, min: number): number {
  const parsed = typeof value === 'string' ? /^(\d{1,3})%$/.exec(value) : null
  const share = Number(parsed?.[1])
  if (parsed !== null && share >= min && share <= 100) return share
  throw badValue(
    place,
    `${JSON.stringify(value)} is no share from ${min}% to 100%`,
    'Write it as "95%", with the quotes.',
  )
}

/** "02:30" in minutes of the day. */
function timeOfDay(place: Place, value: unknown, max: number): number {
  const parsed = typeof value === 'string' ? /^(\d{2}):([0-5]\d)$/.exec(value) : null
  const minute = Number(parsed?.[1]) * 60 + Number(parsed?.[2])
  if (parsed !== null && minute <= max) return minute
  const missing = value === undefined ? 'a window needs it' : `${JSON.stringify(value)} is no time of the day`
  throw badValue(place, missing, 'Write hours and minutes in quotes, such as "02:30".')
}

function dayName(place: Place, value: unknown): string {
  const name = words(place, value, 3)
  if (dayNames.some((known) => known === name)) return name
  throw badValue(place, `"${name}" is no day`, `Days are ${dayNames.join(', ')}.`)
}

function timeZone(place: Place, value: unknown): string {
  const zone = words(place, value, 64)
  if (isTimeZone(zone)) return zone
  throw badValue(place, `"${zone}" is no time zone`, 'Write its IANA name, such as "Europe/Berlin".')
}

function number(place: Place, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw badValue(place, `${JSON.stringify(value)} is no number`)
}
