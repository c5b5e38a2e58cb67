import { type Database, plainBytes } from './sqlite.ts'

export interface ReceiptRecord {
  readonly app: string
  readonly node: string
  /** Of what runs since the flip. */
  readonly epoch: number
  /** When it came, ms since 1970. */
  readonly at: number
  /** The node's key at that time; Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array
  /** As the node signed it. */
  readonly envelope: Uint8Array
}

interface Row {
  readonly app: string
  readonly node: string
  readonly epoch: number
  readonly at: number
  readonly public_key: Uint8Array
  readonly envelope: Uint8Array
}

const fromRow = ({ public_key, envelope, ...row }: Row): ReceiptRecord => ({
  ...row,
  publicKey: plainBytes(public_key),
  envelope: plainBytes(envelope),
})

/** So many flips of an app are kept of each node, as many as rollouts are. */
const kept = 50

/** What nodes have signed of their flips. */
export function createReceipts(db: Database, fleet: string) {
  const put = db.prepare('INSERT OR IGNORE INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?)')
  const drop = db.prepare(`DELETE FROM receipts WHERE fleet = ? AND app = ? AND node = ? AND epoch NOT IN
    (SELECT epoch FROM receipts WHERE fleet = ? AND app = ? AND node = ? ORDER BY epoch DESC LIMIT ${kept})`)
  const newest = db.prepare<[string, string], { epoch: number | null }>(
    'SELECT max(epoch) AS epoch FROM receipts WHERE fleet = ? AND app = ?',
  )
  const list = db.prepare<[string, string, number], Row>(
    'SELECT * FROM receipts WHERE fleet = ? AND app = ? AND epoch = ? ORDER BY node',
  )
  return {
    /** False for one that is there: a node has one word for each flip, and says it again until it knows that it was heard. */
    add({ app, node, epoch, at, publicKey, envelope }: ReceiptRecord): boolean {
      const added = put.run(fleet, app, node, epoch, at, publicKey, envelope).changes > 0
      if (added) drop.run(fleet, app, node, fleet, app, node)
      return added
    },
    /** The newest epoch that an app has a receipt of; null where it has none. */
    newestEpoch: (app: string): number | null => newest.get(fleet, app)!.epoch,
    list: (app: string, epoch: number): ReceiptRecord[] => list.all(fleet, app, epoch).map(fromRow),
  }
}
