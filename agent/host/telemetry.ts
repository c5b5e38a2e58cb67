import { TokenBucket } from './bucket.ts'
import { maxTurn } from './effects.ts'
import { err, type HostContext, type HostFunctions, ok } from './host.ts'

// As `metricName` in src/wire/ids.ts, which would bring the whole codec into each worker.
const metricPattern = /^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,63}$/
/** Different metrics that one instance may have. */
const maxMetrics = 256

/** `hypha:host/telemetry`. */
export function telemetryFunctions(context: HostContext): HostFunctions {
  const { effects, limits } = context
  const bucket = new TokenBucket(limits.telemetryPerS, () => context.monotonic())
  const known = new Set<string>()
  return {
    emit(metric: string, value: number) {
      if (!known.has(metric)) {
        if (!metricPattern.test(metric)) return err('invalid-metric')
        if (known.size >= maxMetrics) return err('too-many-metrics')
        known.add(metric)
      }
      if (!Number.isFinite(value)) return err('invalid-metric')
      if (effects.samples.length >= maxTurn.samples || !bucket.take()) {
        effects.throttled.samples++
        return err('throttled')
      }
      effects.samples.push({ metric, value, atMs: context.now() })
      return ok()
    },
  }
}
