import { median, quantile } from '../bench.ts'
import type { Activation } from './messages.ts'

/** One push to all of them. */
export interface Round {
  readonly pushToActiveMs: number
  readonly light: readonly Activation[]
  /** By the machine's monotonic clock. */
  readonly real: readonly number[]
  /** To the gateway's clock from the machine's monotonic one, as the bench's own process sees it. */
  readonly gatewayOffsetMs: number
  readonly notPrepared: number
}

/** How much later than the first, for each. */
export function spreadOf(times: readonly number[]): { p50: number; p99: number; max: number } {
  const first = Math.min(...times)
  const after = times.map((time) => time - first)
  return { p50: median(after), p99: quantile(after, 0.99), max: Math.max(...after) }
}

/** Over the rounds the worst, but for the push itself: there the median. */
export function figuresOf(rounds: readonly Round[], prefix: string): Record<string, number | null> {
  const committed = rounds.flatMap((round) =>
    round.light.flatMap(({ at, commit }) => (commit === null ? [] : [{ at, round, ...commit }])),
  )
  const worst = (of: (round: Round) => number) => Math.max(...rounds.map(of))
  const light = (round: Round) => round.light.map(({ at }) => at)
  const came = (round: Round) => round.light.flatMap(({ commit }) => (commit === null ? [] : [commit.cameAt]))
  const errors = committed.map(({ at, round, estimatedMs }) => Math.abs(estimatedMs - (at + round.gatewayOffsetMs)))
  const bounds = committed.map(({ errorMs }) => errorMs)
  const nowSpread = committed.length === 0 ? null : worst((round) => spreadOf(came(round)).p99)
  const p99 = worst((round) => spreadOf(light(round)).p99)
  const some = <T>(of: (values: number[]) => T, values: number[]) => (values.length === 0 ? null : of(values))
  return {
    [`${prefix}push_to_active_ms`]: median(rounds.map(({ pushToActiveMs }) => pushToActiveMs)),
    [`${prefix}spread_p50_ms`]: worst((round) => spreadOf(light(round)).p50),
    [`${prefix}spread_p99_ms`]: p99,
    [`${prefix}spread_max_ms`]: worst((round) => spreadOf(light(round)).max),
    [`${prefix}real_agents_spread_max_ms`]: worst(({ real }) => spreadOf(real).max),
    [`${prefix}real_agents_from_light_median_ms`]: worst(({ real, light }) => {
      const middle = median(light.map(({ at }) => at))
      return Math.max(...real.map((at) => Math.abs(at - middle)))
    }),
    [`${prefix}bound_p50_ms`]: some(median, bounds),
    [`${prefix}bound_max_ms`]: some((values) => Math.max(...values), bounds),
    [`${prefix}clock_error_p50_ms`]: some(median, errors),
    [`${prefix}clock_error_max_ms`]: some((values) => Math.max(...values), errors),
    [`${prefix}clock_errors_over_bound`]: committed.filter(({ errorMs }, index) => errors[index]! > errorMs + 0.2)
      .length,
    [`${prefix}timer_late_p99_ms`]: some(
      (values) => quantile(values, 0.99),
      committed.map(({ estimatedMs, instantMs }) => estimatedMs - instantMs),
    ),
    [`${prefix}lead_ms`]: some(
      median,
      committed.map(({ instantMs, issuedMs }) => instantMs - issuedMs),
    ),
    [`${prefix}commit_travel_p99_ms`]: some(
      (values) => quantile(values, 0.99),
      committed.map(({ cameAt, round, issuedMs }) => cameAt + round.gatewayOffsetMs - issuedMs),
    ),
    [`${prefix}commit_arrival_spread_p99_ms`]: nowSpread,
    [`${prefix}ratio_to_commit_arrival`]: nowSpread === null ? null : p99 / nowSpread,
    [`${prefix}not_prepared`]: worst(({ notPrepared }) => notPrepared),
  }
}
