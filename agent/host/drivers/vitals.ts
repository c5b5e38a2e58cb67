import { readdirSync, readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { maxVitalForMs, type VitalReading, type Vitals } from '@hypha/core/wire/messages/vitals.ts'
import type { NodeFile, SensorBinding } from '../node-file.ts'
import { powerSupplies, type VitalBinding, type VitalName } from '../vital-bindings.ts'
import { DriverError, type SensorDriver } from './driver.ts'
import { type DriverPorts, openSensor } from './drivers.ts'

const readMs = 2_000
/** A reading of CPU is of the time since the one before; so much of it is forgotten with each second. */
const cpuForgets = 1 / 30

interface Judged {
  readonly bound: number
  readonly clear: number
  readonly forMs: number
}

/** What a node is taken to need where its file doesn't say: a fifth of its battery; a twentieth of its memory; a little of its time. */
function defaults(name: VitalName): Judged {
  if (name === 'battery') return { bound: 20, clear: 30, forMs: 10_000 }
  if (name === 'cpu') return { bound: 95, clear: 70, forMs: 300_000 }
  const total = memoryOf()
  return { bound: Math.floor(total / 20), clear: Math.floor(total / 10), forMs: 60_000 }
}

/** Where the process may have less than the machine has, that counts. */
const memoryOf = (): number => Math.min(totalmem(), process.constrainedMemory() || Number.MAX_SAFE_INTEGER)

export interface VitalReader {
  /** What the node has now. Never throws: what can't be read is null. */
  read(): Promise<Vitals>
  close(): void
}

/** Throws `node-file-invalid` and `helper-unreachable` where a vital's driver needs what isn't there. */
export function openVitals({ vitals }: Pick<NodeFile, 'vitals'>, ports: DriverPorts): VitalReader {
  const sources = new Map<VitalName, SensorDriver>()
  for (const [name, { source }] of vitals)
    if (source !== null) sources.set(name, openSensor(name, source, ports, 'vital'))
  const busy = busyShare()
  const said = new Set<VitalName>()

  async function measure(name: VitalName, binding: VitalBinding<SensorBinding> | undefined): Promise<number | null> {
    const source = sources.get(name)
    if (source === undefined) {
      if (name === 'battery') return batteryPercent()
      return name === 'cpu' ? busy() : process.availableMemory()
    }
    try {
      const { scale, offset } = binding!.source!
      const value = (await source.read(readMs)) * scale + offset
      said.delete(name)
      return value
    } catch (thrown) {
      if (!(thrown instanceof DriverError)) throw thrown
      if (!said.has(name)) ports.note(`vital ${name}: ${thrown.message}`)
      said.add(name)
      return null
    }
  }

  async function reading(name: VitalName): Promise<VitalReading | null> {
    const binding = vitals.get(name)
    if (binding?.watch === false) return null
    const value = await measure(name, binding)
    if (value === null || !Number.isFinite(value)) return null
    const own = defaults(name)
    const bound = binding?.bound ?? own.bound
    const further = name === 'cpu' ? Math.min(bound, own.clear) : Math.max(bound, own.clear)
    const forMs = Math.min(maxVitalForMs, binding?.forMs ?? own.forMs)
    return { value, bound, clear: binding?.clear ?? further, forMs }
  }

  return {
    read: async () => ({
      battery: await reading('battery'),
      freeMemory: await reading('free-memory'),
      cpu: await reading('cpu'),
    }),
    close() {
      for (const source of sources.values()) source.close()
    },
  }
}

/** The emptiest of this machine's batteries, in percent; null where it has none. */
function batteryPercent(): number | null {
  const levels = supplies().flatMap((name) => {
    if (textOf(name, 'type') !== 'Battery' || textOf(name, 'scope') === 'Device') return []
    const level = Number(textOf(name, 'capacity') ?? Number.NaN)
    return Number.isFinite(level) ? [level] : []
  })
  return levels.length === 0 ? null : Math.min(...levels)
}

function supplies(): string[] {
  try {
    return readdirSync(powerSupplies)
  } catch {
    // A machine without batteries may not even have the folder.
    return []
  }
}

function textOf(supply: string, file: string): string | null {
  try {
    return readFileSync(join(powerSupplies, supply, file), 'utf8').trim()
  } catch {
    // Not every supply has every file.
    return null
  }
}

/** Percent of all cores' time, of the last half minute or so; null at the first call. */
function busyShare(): () => number | null {
  let before = times()
  let at = performance.now()
  let mean: number | null = null
  return () => {
    const now = times()
    const [idle, all] = [now.idle - before.idle, now.all - before.all]
    if (all <= 0) return mean
    const seconds = (performance.now() - at) / 1_000
    const weight = mean === null ? 1 : Math.min(1, seconds * cpuForgets)
    mean = (mean ?? 0) * (1 - weight) + 100 * (1 - idle / all) * weight
    before = now
    at = performance.now()
    return mean
  }
}

function times(): { idle: number; all: number } {
  let [idle, all] = [0, 0]
  for (const { times: of } of cpus()) {
    idle += of.idle
    all += of.user + of.nice + of.sys + of.idle + of.irq
  }
  return { idle, all }
}
