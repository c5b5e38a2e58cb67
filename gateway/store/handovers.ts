import { type Database, orEmpty, orNull, plainBytes, plainBytesOrNull } from './sqlite.ts'

export interface InstanceId {
  readonly app: string
  readonly module: string
  readonly home: string | null
}

/** Who has an instance: at most one node at a time. */
export interface Holder extends InstanceId {
  /** `held`: the node is told to run it. `releasing`: it is told no more, and hasn't said what the instance keeps. `free`: nobody has it. */
  readonly status: 'held' | 'releasing' | 'free'
  /** That has it, or had it last. */
  readonly node: string
  /** Since when that is so, ms since 1970. */
  readonly since: number
  /** The node that it was to go to when it was last taken from one. */
  readonly wanted: string
  /** Of one that is free or has come: what is missing of its state, in words without a full stop; null for nothing. */
  readonly lost: string | null
  /** Number of the move that brought it to the node; 0 where none did. */
  readonly move: number
  /** What it was given to go on from, as the content of that digest (hex); null for nothing. */
  readonly digest: string | null
  readonly size: number
  readonly turns: number
  /** Where it came from by that move; null where none brought it. */
  readonly origin: string | null
  /** When it had stopped there, by the gateway's clock; null where that isn't known. */
  readonly stopped: number | null
  /** Whether it is known to run where it is. */
  readonly arrived: boolean
}

/** What an instance keeps, as its node has last said. */
export interface CheckpointRecord extends InstanceId {
  readonly node: string
  readonly incarnation: Uint8Array
  /** Of the last entry of the node's journal that it stands for. */
  readonly number: number
  readonly at: number
  readonly turns: number
  readonly stopped: number | null
  /** The highest of the gateway's inputs that the instance had handled. */
  readonly handled: number
  readonly kept: Uint8Array
}

/** A node that had an instance once. */
export interface Departure {
  /** Up to this number of this journal it speaks in the instance's name; null where it never said that it had ended. */
  readonly incarnation: Uint8Array | null
  readonly number: number
  /** Messages of its own up to this number wait for the instance elsewhere already. */
  readonly waited: number
  /** Inputs above this one, and up to that (null: all), are another node's to handle. Null where none are. */
  readonly above: number | null
  readonly until: number | null
}

interface HolderRow extends Omit<Holder, 'home' | 'arrived'> {
  readonly home: string
  readonly arrived: number
}

const holderOf = ({ home, arrived, ...row }: HolderRow): Holder => ({
  ...row,
  home: orNull(home),
  arrived: arrived === 1,
})

const noDeparture: Departure = { incarnation: null, number: 0, waited: 0, above: null, until: null }

/** Which node has which instance, what instances keep, and what is still to come from those that had them. */
export function createHandovers(db: Database, fleet: string) {
  const columns =
    'app, module, home, node, status, since, wanted, lost, move, digest, size, turns, origin, stopped, arrived'
  const ofApp = db.prepare<[string, string], HolderRow>(`SELECT ${columns} FROM holders WHERE fleet = ? AND app = ?`)
  const where = 'fleet = ? AND app = ? AND module = ? AND home = ?'
  const one = db.prepare<unknown[], HolderRow>(`SELECT ${columns} FROM holders WHERE ${where}`)
  const coming = db.prepare<[string, string], HolderRow>(
    `SELECT ${columns} FROM holders WHERE fleet = ? AND node = ? AND status = 'held' AND arrived = 0`,
  )
  const oldest = db.prepare<[string], { since: number | null }>(
    "SELECT min(since) AS since FROM holders WHERE fleet = ? AND status = 'releasing'",
  )
  const underWay = db.prepare<[string], HolderRow>(
    `SELECT ${columns} FROM holders WHERE fleet = ? AND (status <> 'held' OR arrived = 0)`,
  )
  const put = db.prepare(`INSERT OR REPLACE INTO holders (fleet, ${columns}) VALUES (?${', ?'.repeat(15)})`)
  const drop = db.prepare(`DELETE FROM holders WHERE ${where}`)

  const getCheckpoint = db.prepare<unknown[], Omit<CheckpointRecord, 'home'> & { home: string }>(
    `SELECT app, module, home, node, incarnation, number, at, turns, stopped, handled, kept FROM checkpoints WHERE ${where}`,
  )
  const putCheckpoint = db.prepare(`INSERT OR REPLACE INTO checkpoints
    (fleet, app, module, home, node, incarnation, number, at, turns, stopped, handled, kept)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
  const dropCheckpoint = db.prepare(`DELETE FROM checkpoints WHERE ${where}`)

  const getDeparture = db.prepare<unknown[], Departure>(
    `SELECT incarnation, number, waited, above, until FROM departures WHERE ${where} AND node = ?`,
  )
  const putDeparture = db.prepare(`INSERT OR REPLACE INTO departures
    (fleet, app, module, home, node, incarnation, number, waited, above, until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
  const getPassedOver = db.prepare<unknown[], { upto: number }>(
    'SELECT upto FROM passed_over WHERE fleet = ? AND node = ? AND incarnation = ?',
  )
  const putPassedOver = db.prepare('INSERT OR REPLACE INTO passed_over VALUES (?, ?, ?, ?)')
  const dropDepartures = db.prepare(`DELETE FROM departures WHERE ${where}`)
  const key = ({ app, module, home }: InstanceId) => [fleet, app, module, orEmpty(home)]

  const departure = (node: string, instance: InstanceId): Departure => {
    const row = getDeparture.get(...key(instance), node)
    return row === undefined ? noDeparture : { ...row, incarnation: plainBytesOrNull(row.incarnation) }
  }

  return {
    holders: (app: string): Holder[] => ofApp.all(fleet, app).map(holderOf),
    holder(instance: InstanceId): Holder | null {
      const row = one.get(...key(instance))
      return row === undefined ? null : holderOf(row)
    },
    /** Whether an instance is on its way to a node, or has not left another one yet. */
    isAwaited(node: string, instance: InstanceId): boolean {
      const row = one.get(...key(instance))
      return row !== undefined && (row.node !== node || (row.status === 'held' && row.arrived === 0))
    },
    /** Instances that a node is told to run, and isn't known to. */
    coming: (node: string): Holder[] => coming.all(fleet, node).map(holderOf),
    /** All that are on their way. */
    underWay: (): Holder[] => underWay.all(fleet).map(holderOf),
    /** Since when the one waits that has waited longest for its node's last word; null where none does. */
    waitingSince: (): number | null => oldest.get(fleet)!.since,
    put(holder: Holder): void {
      const { node, status, since, wanted, lost, move, digest, size, turns, origin, stopped, arrived } = holder
      const rest = [node, status, since, wanted, lost, move, digest, size, turns, origin, stopped, arrived ? 1 : 0]
      put.run(...key(holder), ...rest)
    },
    /** The instance is no more: nothing is remembered of it. */
    drop(instance: InstanceId): void {
      for (const statement of [drop, dropCheckpoint, dropDepartures]) statement.run(...key(instance))
    },
    checkpoint(instance: InstanceId): CheckpointRecord | null {
      const row = getCheckpoint.get(...key(instance))
      if (row === undefined) return null
      const { home, incarnation, kept } = row
      return { ...row, home: orNull(home), incarnation: plainBytes(incarnation), kept: plainBytes(kept) }
    },
    putCheckpoint(record: CheckpointRecord): void {
      const { node, incarnation, number, at, turns, stopped, handled, kept } = record
      putCheckpoint.run(...key(record), node, incarnation, number, at, turns, stopped, handled, kept)
    },
    departure,
    /** Whether an input is another node's to handle than this one, which may have had the instance when it was given to it. */
    isOthers(node: string, instance: InstanceId, number: number): boolean {
      const { above, until } = departure(node, instance)
      return above !== null && number > above && (until === null || number <= until)
    },
    /** Whether a node that has the instance no more says this of the time when it had it, by its own word of when that ended. */
    isLastWord(node: string, instance: InstanceId, incarnation: Uint8Array, sequence: number): boolean {
      const said = departure(node, instance)
      return said.incarnation !== null && Buffer.compare(said.incarnation, incarnation) === 0 && sequence <= said.number
    },
    /** Up to which number the entries of a journal are passed over; −1 for none. */
    passedOver: (node: string, incarnation: Uint8Array): number =>
      getPassedOver.get(fleet, node, incarnation)?.upto ?? -1,
    passOver: (node: string, incarnation: Uint8Array, upTo: number): void =>
      void putPassedOver.run(fleet, node, incarnation, upTo),
    /** Changes what is said there of a node that had the instance. */
    depart(node: string, instance: InstanceId, change: Partial<Departure>): void {
      const { incarnation, number, waited, above, until } = { ...departure(node, instance), ...change }
      putDeparture.run(...key(instance), node, incarnation, number, waited, above, until)
    },
  }
}
