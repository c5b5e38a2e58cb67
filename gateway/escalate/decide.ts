import { type Action, type Bar, barKey, type Cause, type Instance, isFault } from './bar.ts'
import type { Fault } from './faults.ts'
import type { EscalationPolicy } from './policy.ts'
import { inTrouble, type NodeVitals } from './vitals.ts'
import { faultText, liftText, vitalText } from './words.ts'

/** An instance where it is by the plan in force. */
export interface Placed extends Instance {
  readonly node: string
  readonly memoryBytes: number
  /** It reads its device's sensors or sets its actuators: it can't climb because its node runs short. */
  readonly bound: boolean
  /** Of the release that runs, in hex. */
  readonly release: string
}

export interface Observed {
  readonly now: number
  /** Of the last minutes, in any order. */
  readonly faults: readonly Fault[]
  readonly vitals: ReadonlyMap<string, NodeVitals>
  /** Those that hold, and those that were lifted. */
  readonly bars: readonly Bar[]
  readonly placed: readonly Placed[]
  /** Apps in the middle of a rollout: it is the rollout's gate that judges how they do, and nothing of them climbs or comes home before its end. */
  readonly judged: ReadonlySet<string>
}

/**
 * What is to be done now: the same for the same observations in any order. An instance that fails again and again may not stay on its node; of a node that runs short, one instance after another goes, the one
 * with the most memory first. What has climbed comes home when its time has come and its cause has gone; each time that it has to go again, it stays away for twice as long.
 */
export function decide(observed: Observed, policy: EscalationPolicy): Action[] {
  const { bars, judged } = observed
  const known = new Map(bars.map((bar) => [barKey(bar), bar]))
  const placed = observed.placed.filter(({ app }) => !judged.has(app)).sort(byName)
  const lifts = bars.filter(({ app, liftedAt }) => liftedAt === null && !judged.has(app)).sort(byName)
  const failing = placed.flatMap((instance) => climbsByFaults(instance, known.get(barKey(instance)), observed, policy))
  const going = new Set(failing.map(({ bar }) => barKey(bar)))
  const others = placed.filter((instance) => !going.has(barKey(instance)))
  return [...failing, ...climbsByVitals(others, known, observed, policy), ...homecomings(lifts, observed, policy)]
}

const byName = (a: Instance & { node: string }, b: Instance & { node: string }): number =>
  barKey(a) < barKey(b) ? -1 : 1

const holds = (bar: Bar | undefined): boolean => bar !== undefined && bar.liftedAt === null

function climbsByFaults(
  placed: Placed,
  bar: Bar | undefined,
  { now, faults }: Observed,
  policy: EscalationPolicy,
): Action[] {
  if (holds(bar)) return []
  const key = barKey(placed)
  const own = faults.filter((fault) => barKey(fault) === key && fault.at <= now && fault.at > (bar?.liftedAt ?? 0))
  for (const cause of ['memory', 'deadline', 'quota'] as const) {
    const { count, withinMs } = policy.faults[cause]
    const recent = own.filter((fault) => fault.cause === cause && now - fault.at < withinMs)
    if (recent.length < count) continue
    recent.sort((a, b) => a.at - b.at)
    return [{ kind: 'bar', bar: barOf(placed, cause, faultText(placed.node, recent), bar, now, policy) }]
  }
  return []
}

function climbsByVitals(
  placed: readonly Placed[],
  known: ReadonlyMap<string, Bar>,
  { now, vitals, bars }: Observed,
  policy: EscalationPolicy,
): Action[] {
  return [...vitals]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([node, of]): Action[] => {
      const [worst] = inTrouble(of, now)
      if (worst === undefined || now - of.at > policy.freshMs || isSettling(node, bars, now, policy)) return []
      const movable = placed.filter((each) => each.node === node && !each.bound && !holds(known.get(barKey(each))))
      const most = movable.reduce<Placed | null>((a, b) => (a !== null && a.memoryBytes >= b.memoryBytes ? a : b), null)
      if (most === null) return []
      const text = vitalText(node, worst.cause, worst.vital)
      return [{ kind: 'bar', bar: barOf(most, worst.cause, text, known.get(barKey(most)), now, policy) }]
    })
}

/** What its last change has brought is not yet to be seen in its vitals. */
const isSettling = (node: string, bars: readonly Bar[], now: number, { settleMs }: EscalationPolicy): boolean =>
  bars.some(
    (bar) => bar.node === node && !isFault(bar.cause) && now - Math.max(bar.since, bar.liftedAt ?? 0) < settleMs,
  )

function barOf(
  { app, module, home, node, release }: Placed,
  cause: Cause,
  text: string,
  before: Bar | undefined,
  now: number,
  policy: EscalationPolicy,
): Bar {
  const again = before?.liftedAt != null && now - before.liftedAt < policy.forgetMs
  const times = again ? before.times + 1 : 1
  const until = now + holdMs(cause, times, policy)
  return {
    app,
    module,
    home,
    node,
    cause,
    text,
    release: isFault(cause) ? release : null,
    since: now,
    until,
    times,
    liftedAt: null,
  }
}

/** How long an instance stays away that had to go for the nth time in a row. */
export const holdMs = (cause: Cause, times: number, policy: EscalationPolicy): number =>
  Math.min(policy.maxHoldMs, (isFault(cause) ? policy.faultHoldMs : policy.vitalHoldMs) * 2 ** Math.min(30, times - 1))

/** From each node at most one at a time, but for those whose reason is no more. */
function homecomings(bars: readonly Bar[], observed: Observed, policy: EscalationPolicy): Action[] {
  const { now, placed } = observed
  const settled = new Set<string>()
  return bars.flatMap((bar): Action[] => {
    const instance = placed.find(
      ({ app, module, home }) => app === bar.app && module === bar.module && home === bar.home,
    )
    if (instance === undefined) return [{ kind: 'lift', bar, why: 'it is no more' }]
    if (bar.release !== null && instance.release !== bar.release)
      return [{ kind: 'lift', bar, why: `another release is tried on ${bar.node}` }]
    if (now < bar.until || settled.has(bar.node)) return []
    if (!isFault(bar.cause)) {
      if (!isWell(bar, instance, observed, policy) || isSettling(bar.node, observed.bars, now, policy)) return []
      settled.add(bar.node)
    }
    return [{ kind: 'lift', bar, why: liftText(bar) }]
  })
}

/** Whether a node is well again, and has what the instance would take of it. */
function isWell(
  { node, cause }: Bar,
  { memoryBytes, node: at }: Placed,
  { now, vitals }: Observed,
  policy: EscalationPolicy,
): boolean {
  if (isFault(cause)) return true
  const said = vitals.get(node)
  if (said === undefined || now - said.at > policy.freshMs) return false
  const vital = said.of[cause]
  // It says nothing of it any more: nobody minds.
  if (vital === undefined) return true
  if (vital.wellSince === null || now - vital.wellSince < policy.calmMs) return false
  return cause !== 'free-memory' || at === node || vital.value - memoryBytes >= vital.bound
}
