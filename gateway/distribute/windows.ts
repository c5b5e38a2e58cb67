import type { RolloutPolicy } from '@hypha/core/trust/release.ts'

type Window = RolloutPolicy['windows'][number]

/** Whether a node may change now; where it may not, when it may next (ms since 1970), null where no window of the next two weeks opens. */
export interface Opening {
  readonly open: boolean
  readonly opensAtMs: number | null
}

const minuteMs = 60_000
const dayMs = 86_400_000

/** A window that daylight saving skips in one week opens in the next. */
const daysAhead = 15

/**
 * Whether a node with these labels may change now. Windows with one of its labels count in place of those for all nodes: so it is with a node that sleeps and is awake at certain hours, and with
 * one whose link is metered outside its slot. A node that no window concerns may always change. Time zones must be known to this system (`isTimeZone`).
 */
export const windowOf = (windows: readonly Window[], labels: Iterable<string>, nowMs: number): Opening =>
  windowsAt(windows, nowMs)(labels)

/** The same for many nodes at one moment: each window is looked at once. */
export function windowsAt(windows: readonly Window[], nowMs: number): (labels: Iterable<string>) => Opening {
  const looked = new Map<Window, Opening>()
  const lookAt = (window: Window): Opening => {
    const known = looked.get(window) ?? openingOf(window, nowMs)
    looked.set(window, known)
    return known
  }
  return (labels) => {
    const own = new Set(labels)
    const named = windows.filter(({ label }) => label !== null && own.has(label))
    const concerning = named.length > 0 ? named : windows.filter(({ label }) => label === null)
    if (concerning.length === 0) return { open: true, opensAtMs: null }
    const openings = concerning.map(lookAt)
    if (openings.some(({ open }) => open)) return { open: true, opensAtMs: null }
    const times = openings.flatMap(({ opensAtMs }) => (opensAtMs === null ? [] : [opensAtMs]))
    return { open: false, opensAtMs: times.length === 0 ? null : Math.min(...times) }
  }
}

function openingOf(window: Window, nowMs: number): Opening {
  const { days, fromMinute, toMinute, zone } = window
  const today = Math.floor((nowMs + offsetOf(zone, nowMs)) / dayMs)
  // One that goes over midnight may have opened yesterday.
  for (let day = today - 1; day <= today + daysAhead; day++) {
    if (!days.includes(weekday(day))) continue
    const closes = day * dayMs + toMinute * minuteMs + (toMinute <= fromMinute ? dayMs : 0)
    const from = instantOf(zone, day * dayMs + fromMinute * minuteMs, 'first')
    const to = instantOf(zone, closes, 'last')
    if (nowMs >= to) continue
    return nowMs >= from ? { open: true, opensAtMs: null } : { open: false, opensAtMs: from }
  }
  return { open: false, opensAtMs: null }
}

/** Of a day counted from 1970-01-01, which was a Thursday; Sunday is 0. */
const weekday = (day: number): number => (((day + 4) % 7) + 7) % 7

/**
 * When clocks of a zone show a local time (as ms, as if it were UTC). One that they show twice, as they are set back, is its first or its last; one that they skip is as much later as they
 * skip.
 */
function instantOf(zone: string, localMs: number, which: 'first' | 'last'): number {
  const [before, after] = [offsetOf(zone, localMs - dayMs), offsetOf(zone, localMs + dayMs)]
  const shown = [localMs - before, localMs - after].filter((ms) => ms + offsetOf(zone, ms) === localMs)
  if (shown.length === 0) return localMs - before
  return which === 'first' ? Math.min(...shown) : Math.max(...shown)
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** How far the clocks of a zone are ahead of UTC at an instant, in ms. */
function offsetOf(zone: string, atMs: number): number {
  let format = formats.get(zone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'iso8601',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    formats.set(zone, format)
  }
  const parts = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]))
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type)!
  const local = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'))
  return local - Math.floor(atMs / 1_000) * 1_000
}
