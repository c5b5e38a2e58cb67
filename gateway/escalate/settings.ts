import { defaultPolicy, type EscalationPolicy } from './policy.ts'

/** The keys of `[escalation]` in `fleet.toml`. */
const keys = {
  hold: 'faultHoldMs',
  'vital-hold': 'vitalHoldMs',
  'max-hold': 'maxHoldMs',
  calm: 'calmMs',
  settle: 'settleMs',
} as const satisfies Readonly<Record<string, keyof EscalationPolicy>>

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000 }
const maxMs = 31 * 86_400_000

/** The table as a policy; what it leaves out is as it is without it. Calls `bad` with what is wrong in it, which throws. */
export function policyOf(table: unknown, bad: (what: string) => Error): EscalationPolicy {
  if (table === undefined) return defaultPolicy
  if (typeof table !== 'object' || table === null || Array.isArray(table)) throw bad('escalation should be a table')
  const policy: { -readonly [Key in keyof EscalationPolicy]: EscalationPolicy[Key] } = { ...defaultPolicy }
  for (const [key, value] of Object.entries(table)) {
    if (!Object.hasOwn(keys, key)) {
      throw bad(`escalation.${key} is not known here: there are ${Object.keys(keys).join(', ')}`)
    }
    policy[keys[key as keyof typeof keys]] = durationMs(key, value, bad)
  }
  if (policy.maxHoldMs < Math.max(policy.faultHoldMs, policy.vitalHoldMs)) {
    throw bad('escalation.max-hold should not be less than the first hold')
  }
  return policy
}

function durationMs(key: string, value: unknown, bad: (what: string) => Error): number {
  const parsed = typeof value === 'string' ? /^(\d{1,9})(ms|s|min|h)$/.exec(value) : null
  const ms = parsed === null ? Number.NaN : Number(parsed[1]) * units[parsed[2]!]!
  if (ms <= maxMs) return ms
  throw bad(`escalation.${key} should be a time such as "30s", "5min" or "6h", of at most 31 days`)
}
