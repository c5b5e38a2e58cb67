import { HyphaError } from '../errors.ts'
import type { Release, RolloutPolicy } from './release.ts'

type Wave = NonNullable<RolloutPolicy['waves']>[number]

/**
 * What a rollout's policy must fulfil beyond its schema, so that it can be followed on every fleet. Time zones are not judged here: a node knows those of its own system, and is
 * not asked to follow a window. Throws `metadata-invalid`.
 */
export function checkRollout({ app, modules, rollout }: Pick<Release, 'app' | 'modules' | 'rollout'>): void {
  if (rollout === null) return
  const faults = [
    ...(rollout.waves === null ? [] : [wavesFault(rollout.waves)]),
    ...rollout.windows.map(windowFault),
    ...rollout.health.map((bound) => boundFault(bound) ?? moduleFault(bound.module, modules)),
  ]
  const fault = faults.find((each) => each !== null)
  if (fault) throw new HyphaError('metadata-invalid', `The rollout of ${app}: ${fault}`)
}

/** What is wrong with waves, in words; null where nothing is. Each has to add something to those before it. */
export function wavesFault(waves: readonly Wave[]): string | null {
  if (waves.length === 0) return 'it has a list of waves, and none in it'
  let share = 0
  for (const [index, wave] of waves.entries()) {
    if (share === 100) return `wave ${index + 1} follows one that has every node already`
    if (wave.kind === 'share') {
      if (wave.percent <= share) return `a wave of ${wave.percent}% follows one of ${share}%: waves must rise`
      share = wave.percent
    } else if (waves.findIndex((other) => other.kind === 'label' && other.label === wave.label) < index) {
      return `two waves are for the label ${wave.label}`
    }
  }
  return null
}

/** What is wrong with a window, in words; null where nothing is. */
export function windowFault(window: RolloutPolicy['windows'][number]): string | null {
  const { days, fromMinute, toMinute } = window
  if (days.length === 0) return 'a window is open on no day'
  if (new Set(days).size !== days.length) return 'a window names a day twice'
  return fromMinute === toMinute ? 'a window closes at the minute at which it opens' : null
}

/** What is wrong with a bound of a metric, in words; null where nothing is. */
export function boundFault({ module, metric, min, max }: RolloutPolicy['health'][number]): string | null {
  const name = `${module}.${metric}`
  if (min === null && max === null) return `${name} is to be watched, and has neither a least nor a greatest value`
  if (![min, max].every((bound) => bound === null || Number.isFinite(bound))) return `a bound of ${name} is no number`
  return min !== null && max !== null && min > max ? `${name} is to be at least ${min} and at most ${max}` : null
}

const moduleFault = (name: string, modules: Release['modules']): string | null =>
  modules.some((module) => module.name === name) ? null : `it watches the module ${name}, which the release hasn't`

/** Whether this system knows a time zone by its IANA name. */
export function isTimeZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== ''
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}
