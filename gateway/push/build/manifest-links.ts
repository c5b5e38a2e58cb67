import type { LinkHint } from '@hypha/core/trust/release.ts'
import { maxLinkRatePerS } from '@hypha/core/trust/shape.ts'
import { maxValuesBytes } from '@hypha/core/wasm/caps.ts'
import { interfacePattern } from '@hypha/core/wire/ids.ts'
import { badValue, duration, knownKeys, optional, type Place, size, tableOf, words } from './manifest-values.ts'

const policies = ['retry', 'drop', 'last-value'] as const
const secondsOf: Readonly<Record<string, number>> = { s: 1, min: 60, h: 3_600 }
const maxLinks = 64

/**
 * The tables `[module.NAME.link."INTERFACE"]`; null where a module has none. `here` is the place of `link` in its module's table. Throws `manifest-invalid`. Whether the module imports such an interface
 * shows only when it is built.
 */
export function readLinks(value: unknown, here: Place): LinkHint[] | null {
  if (value === undefined) return null
  const tables = Object.entries(tableOf(value, here))
  if (tables.length > maxLinks) throw badValue(here, `${tables.length} links are over the cap of ${maxLinks}`)
  return tables.map(([name, table]) => readLink(name, table, { ...here, table: `${here.table}.link.${name}` }))
}

function readLink(name: string, value: unknown, here: Place): LinkHint {
  const at = (key: string): Place => ({ ...here, key })
  words(at(''), name, 128, interfacePattern, 'an interface such as "greenhouse:plants/advice"')
  const table = tableOf(value, at(''))
  knownKeys(table, ['policy', 'deadline', 'rate', 'bytes'], at)
  return {
    interface: name,
    policy: optional(table.policy, null, (policy) => readPolicy(policy, at('policy'))),
    deadlineMs: optional(table.deadline, null, (deadline) => duration(at('deadline'), deadline, 1, 600_000)),
    ratePerS: optional(table.rate, null, (rate) => readRate(rate, at('rate'))),
    bytesPerCall: optional(table.bytes, null, (bytes) => size(at('bytes'), bytes, 0, 2 * maxValuesBytes)),
  }
}

function readPolicy(value: unknown, place: Place): LinkHint['policy'] {
  const word = words(place, value, 20)
  const policy = policies.find((known) => known === word)
  if (policy !== undefined) return policy
  throw badValue(
    place,
    `"${word}" is none of ${policies.join(', ')}`,
    'Without a policy, the turn of a call that failed traps.',
  )
}

/** `"2/s"`, `"30/min"` or `"5/h"`, in calls a second. */
function readRate(value: unknown, place: Place): number {
  const parsed = typeof value === 'string' ? /^(\d{1,9}(?:\.\d{1,6})?)\s?\/\s?(s|min|h)$/.exec(value) : null
  if (parsed === null)
    throw badValue(place, `${JSON.stringify(value)} is no rate`, 'Write it as "2/s", "30/min" or "5/h".')
  const rate = Number(parsed[1]) / secondsOf[parsed[2]!]!
  if (rate > 0 && rate <= maxLinkRatePerS) return rate
  throw badValue(place, `${rate} calls a second are not more than 0 and up to ${maxLinkRatePerS}`)
}
