import type { TomlTable } from './toml-table.ts'

/** Where Linux has batteries. */
export const powerSupplies = '/sys/class/power_supply'

/** What a node may run short of. */
export const vitalNames = ['battery', 'free-memory', 'cpu'] as const
export type VitalName = (typeof vitalNames)[number]

/** What the node's file says of a vital; what is null is as the agent has it. `Source` is what a sensor is bound to. */
export interface VitalBinding<Source> {
  /** Whether the gateway is told of it. */
  readonly watch: boolean
  /** Where it is read: a driver as of a sensor. Null: where this machine has it itself. */
  readonly source: Source | null
  /** Percent for battery and CPU, bytes for memory. Below it, for CPU above it, the node is in trouble … */
  readonly bound: number | null
  /** … and is well again only from here on. */
  readonly clear: number | null
  /** It must be in trouble for so long before anything is done. */
  readonly forMs: number | null
}

/** The table of a vital, `[vital.battery]`. Throws `node-file-invalid`. */
export function vitalBinding<Source>(
  name: VitalName,
  table: TomlTable,
  sensor: (table: TomlTable, driver: string) => Source,
): VitalBinding<Source> {
  const amount = (key: string): number | null => {
    if (!table.has(key)) return missing(table, key)
    return name === 'free-memory' ? table.sizeBytes(key) : percent(table, key)
  }
  const binding = {
    watch: table.flag('watch', true),
    source: table.has('driver') ? sensor(table, table.text('driver')) : missing(table, 'driver'),
    bound: amount(name === 'cpu' ? 'max' : 'min'),
    clear: amount('clear'),
    forMs: table.has('for') ? table.durationMs('for') : missing(table, 'for'),
  }
  const { bound, clear } = binding
  const wrong = bound !== null && clear !== null && (name === 'cpu' ? clear > bound : clear < bound)
  if (wrong)
    throw table.fail('clear', `is on the wrong side of ${name === 'cpu' ? 'max' : 'min'}: nothing would be well again`)
  if (binding.forMs !== null && binding.forMs > maxForMs) throw table.fail('for', 'is more than a day')
  return binding
}

const maxForMs = 86_400_000

function percent(table: TomlTable, key: string): number {
  const value = table.number(key)
  if (value < 0 || value > 100) throw table.fail(key, 'should be a percentage from 0 to 100')
  return value
}

/** Marks a key as known that is absent. */
function missing(table: TomlTable, key: string): null {
  table.text(key, '')
  return null
}
