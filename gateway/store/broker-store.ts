import type { Database } from 'better-sqlite3'
import type {
  BrokerContents,
  BrokerStore,
  BrokerWrite,
  StoredBroadcast,
  StoredDelivery,
  StoredMessage,
  StoredSubscription,
  StoredWill,
} from './ports/broker.ts'

/** The broker's tables. */
export const brokerMigration = `
  CREATE TABLE broker_retained (
    fleet TEXT NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL, qos INTEGER NOT NULL,
    PRIMARY KEY (fleet, topic)
  ) STRICT;
  CREATE TABLE broker_subscription (
    fleet TEXT NOT NULL, client TEXT NOT NULL, filter TEXT NOT NULL, qos INTEGER NOT NULL,
    PRIMARY KEY (fleet, client, filter)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE broker_queue (
    fleet TEXT NOT NULL, id INTEGER NOT NULL, client TEXT NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL,
    qos INTEGER NOT NULL, releasing INTEGER,
    PRIMARY KEY (fleet, id)
  ) STRICT;
  CREATE TABLE broker_will (
    fleet TEXT NOT NULL, client TEXT NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL, qos INTEGER NOT NULL,
    retain INTEGER NOT NULL,
    PRIMARY KEY (fleet, client)
  ) STRICT;
`

/** Messages that wait for many sessions: `clients` is a JSON array of their names. */
export const broadcastMigration = `
  CREATE TABLE broker_broadcast (
    fleet TEXT NOT NULL, id INTEGER NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL, clients TEXT NOT NULL,
    PRIMARY KEY (fleet, id)
  ) STRICT;
`

/** The broker's retained messages and sessions in SQLite. How durable a write is, the connection's `synchronous` says. */
export class SqliteBrokerStore implements BrokerStore {
  readonly #db: Database
  readonly #fleet: string
  readonly #apply: { readonly [Op in BrokerWrite['op']]: (write: Extract<BrokerWrite, { op: Op }>) => void }
  readonly #writeAll: (batch: readonly BrokerWrite[]) => void

  /** `db` must have the tables of `brokerMigration` and `broadcastMigration`. */
  constructor(db: Database, fleet: string) {
    this.#db = db
    this.#fleet = fleet
    const retain = db.prepare('INSERT OR REPLACE INTO broker_retained (fleet, topic, payload, qos) VALUES (?, ?, ?, ?)')
    const unretain = db.prepare('DELETE FROM broker_retained WHERE fleet = ? AND topic = ?')
    const subscribe = db.prepare(
      'INSERT OR REPLACE INTO broker_subscription (fleet, client, filter, qos) VALUES (?, ?, ?, ?)',
    )
    const unsubscribe = db.prepare('DELETE FROM broker_subscription WHERE fleet = ? AND client = ? AND filter = ?')
    const enqueue = db.prepare(
      'INSERT OR REPLACE INTO broker_queue (fleet, id, client, topic, payload, qos, releasing) VALUES (?, ?, ?, ?, ?, ?, ?)',
    )
    const dequeue = db.prepare('DELETE FROM broker_queue WHERE fleet = ? AND id = ?')
    const will = db.prepare(
      'INSERT OR REPLACE INTO broker_will (fleet, client, topic, payload, qos, retain) VALUES (?, ?, ?, ?, ?, ?)',
    )
    const unwill = db.prepare('DELETE FROM broker_will WHERE fleet = ? AND client = ?')
    const broadcast = db.prepare(
      'INSERT OR REPLACE INTO broker_broadcast (fleet, id, topic, payload, clients) VALUES (?, ?, ?, ?, ?)',
    )
    const stillWaiting = db.prepare('UPDATE broker_broadcast SET clients = ? WHERE fleet = ? AND id = ?')
    const settled = db.prepare('DELETE FROM broker_broadcast WHERE fleet = ? AND id = ?')
    this.#apply = {
      retain: (w) => retain.run(fleet, w.topic, w.payload, w.qos),
      unretain: (w) => unretain.run(fleet, w.topic),
      subscribe: (w) => subscribe.run(fleet, w.client, w.filter, w.qos),
      unsubscribe: (w) => unsubscribe.run(fleet, w.client, w.filter),
      enqueue: (w) => enqueue.run(fleet, w.id, w.client, w.topic, w.payload, w.qos, w.releasing),
      dequeue: (w) => dequeue.run(fleet, w.id),
      broadcast: (w) => broadcast.run(fleet, w.id, w.topic, w.payload, JSON.stringify([...w.clients])),
      settle: (w) => {
        const clients = [...w.clients]
        if (clients.length === 0) settled.run(fleet, w.id)
        else stillWaiting.run(JSON.stringify(clients), fleet, w.id)
      },
      will: (w) => will.run(fleet, w.client, w.topic, w.payload, w.qos, w.retain ? 1 : 0),
      unwill: (w) => unwill.run(fleet, w.client),
    }
    this.#writeAll = db.transaction((batch: readonly BrokerWrite[]) => {
      for (const write of batch) (this.#apply[write.op] as (write: BrokerWrite) => void)(write)
    })
  }

  load(): BrokerContents {
    const all = <Row>(sql: string) => this.#db.prepare<[string], Row>(sql).all(this.#fleet)
    const wills = all<Omit<StoredWill, 'retain'> & { retain: number }>(
      'SELECT client, topic, payload, qos, retain FROM broker_will WHERE fleet = ?',
    )
    const broadcasts = all<Omit<StoredBroadcast, 'clients'> & { clients: string }>(
      'SELECT id, topic, payload, clients FROM broker_broadcast WHERE fleet = ? ORDER BY id',
    )
    return {
      broadcasts: broadcasts.map((row) => ({ ...row, clients: JSON.parse(row.clients) as string[] })),
      retained: all<StoredMessage>('SELECT topic, payload, qos FROM broker_retained WHERE fleet = ?'),
      subscriptions: all<StoredSubscription>('SELECT client, filter, qos FROM broker_subscription WHERE fleet = ?'),
      deliveries: all<StoredDelivery>(
        'SELECT id, client, topic, payload, qos, releasing FROM broker_queue WHERE fleet = ? ORDER BY id',
      ),
      wills: wills.map((row) => ({ ...row, retain: row.retain === 1 })),
    }
  }

  write(batch: readonly BrokerWrite[]): void {
    this.#writeAll(batch)
  }
}
