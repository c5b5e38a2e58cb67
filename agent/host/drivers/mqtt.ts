import type { Clock } from '@hypha/core/ports/clock.ts'
import type { SensorBinding } from '../node-file.ts'
import { DriverError, type SensorDriver } from './driver.ts'

/** Given by whoever has a connection to a broker. Returns what ends the subscription. */
export type Subscribe = (topic: string, take: (payload: Uint8Array) => void) => () => void

/** The last value on a topic, as long as it isn't too old. */
export function mqttSensor(
  binding: Extract<SensorBinding, { driver: 'mqtt' }>,
  clock: Clock,
  subscribe: Subscribe,
): SensorDriver {
  let last: { readonly value: number; readonly at: number } | null = null
  const end = subscribe(binding.topic, (payload) => {
    const value = numberIn(new TextDecoder().decode(payload), binding.field)
    if (value !== null) last = { value, at: clock.monotonic() }
  })
  return {
    read() {
      if (last === null) throw new DriverError('unavailable', `nothing has come on ${binding.topic} yet`)
      const ageMs = clock.monotonic() - last.at
      if (ageMs > binding.maxAgeMs) {
        throw new DriverError('unavailable', `the last value on ${binding.topic} is ${Math.round(ageMs / 1_000)} s old`)
      }
      return last.value
    },
    close: end,
  }
}

function numberIn(text: string, field: string | null): number | null {
  if (field === null) return finite(text.trim() === '' ? Number.NaN : Number(text))
  try {
    const object: unknown = JSON.parse(text)
    const value = typeof object === 'object' && object !== null ? (object as Record<string, unknown>)[field] : undefined
    return typeof value === 'number' ? finite(value) : null
  } catch (cause) {
    if (cause instanceof SyntaxError) return null
    throw cause
  }
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)
