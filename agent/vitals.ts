import type { Clock } from '@hypha/core/ports/clock.ts'
import { type VitalReading, type Vitals, vitals } from '@hypha/core/wire/messages/vitals.ts'
import type { VitalReader } from './host/drivers/vitals.ts'

/** How often it is read; a change is told as often at most. */
const everyMs = 2_000
/** What doesn't change is told so often. */
const againMs = 60_000
/** A value that has changed by less than a tenth is the same. */
const step = 0.1

/** Tells the gateway what the node has left for its modules. The result ends it. */
export function tellVitals(
  reader: VitalReader,
  clock: Pick<Clock, 'after' | 'monotonic'>,
  publish: (message: Uint8Array) => Promise<void>,
  onProblem: (thrown: unknown) => void,
): () => void {
  let told: { readonly at: number; readonly vitals: Vitals } | null = null
  let ended = false
  let cancel = (): void => undefined
  async function tell(): Promise<void> {
    const now = await reader.read()
    const at = clock.monotonic()
    const due = told === null || at - told.at >= againMs || hasChanged(told.vitals, now)
    const empty = now.battery === null && now.freeMemory === null && now.cpu === null
    if (ended || !due || (empty && told === null)) return
    await publish(vitals.encode(now)).then(
      () => {
        told = { at, vitals: now }
      },
      () => {
        // Offline: the next one has it.
      },
    )
  }
  const arm = (): void => {
    cancel = clock.after(everyMs, () => {
      tell()
        .catch(onProblem)
        .finally(() => {
          if (!ended) arm()
        })
    })
  }
  arm()
  return () => {
    ended = true
    cancel()
  }
}

const hasChanged = (told: Vitals, now: Vitals): boolean =>
  differs(told.battery, now.battery, 'below') ||
  differs(told.freeMemory, now.freeMemory, 'below') ||
  differs(told.cpu, now.cpu, 'above')

function differs(told: VitalReading | null, now: VitalReading | null, bad: 'below' | 'above'): boolean {
  if (told === null || now === null) return told !== now
  if (zoneOf(told, bad) !== zoneOf(now, bad)) return true
  return Math.abs(now.value - told.value) > step * Math.max(Math.abs(told.value), Math.abs(told.bound))
}

/** In trouble, well, or neither: that it is another now is never kept back. */
function zoneOf({ value, bound, clear }: VitalReading, bad: 'below' | 'above'): 'trouble' | 'well' | 'neither' {
  if (bad === 'below') return value < bound ? 'trouble' : value >= clear ? 'well' : 'neither'
  return value > bound ? 'trouble' : value <= clear ? 'well' : 'neither'
}
