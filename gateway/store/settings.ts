import type { Setting } from '@hypha/core/trust/directive.ts'
import { type Database, orEmpty, orNull, plainBytes } from './sqlite.ts'

export interface SettingKey {
  readonly app: string
  /** Null: for every module of the app. */
  readonly module: string | null
  /** Null: for every node. A sealed value can be opened by one node only. */
  readonly node: string | null
  readonly key: string
}

export interface SettingRecord extends SettingKey {
  readonly setting: Setting
}

interface Row {
  app: string
  module: string
  node: string
  key: string
  value: string | null
  sender_key: Uint8Array | null
  nonce: Uint8Array | null
  box: Uint8Array | null
}

function fromRow(row: Row): SettingRecord {
  const { app, key, value } = row
  const setting: Setting =
    value === null
      ? {
          kind: 'sealed',
          senderKey: plainBytes(row.sender_key!),
          nonce: plainBytes(row.nonce!),
          box: plainBytes(row.box!),
        }
      : { kind: 'plain', value }
  return { app, module: orNull(row.module), node: orNull(row.node), key, setting }
}

/** What the operator set over a release's own configuration. */
export function createSettings(db: Database, fleet: string) {
  const put = db.prepare(`INSERT INTO settings (fleet, app, module, node, key, value, sender_key, nonce, box, changed)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (fleet, app, module, node, key) DO UPDATE SET value = excluded.value,
    sender_key = excluded.sender_key, nonce = excluded.nonce, box = excluded.box, changed = excluded.changed`)
  const list = db.prepare<[string, string], Row>(
    'SELECT * FROM settings WHERE fleet = ? AND app = ? ORDER BY module, node, key',
  )
  const remove = db.prepare('DELETE FROM settings WHERE fleet = ? AND app = ? AND module = ? AND node = ? AND key = ?')
  return {
    set({ app, module, node, key, setting }: SettingRecord, at: number): void {
      const value = setting.kind === 'plain' ? setting.value : null
      const sealed = setting.kind === 'sealed' ? [setting.senderKey, setting.nonce, setting.box] : [null, null, null]
      put.run(fleet, app, orEmpty(module), orEmpty(node), key, value, ...sealed, at)
    },
    /** All of an app; who asks for an instance's own chooses the most specific of each key. */
    list: (app: string): SettingRecord[] => list.all(fleet, app).map(fromRow),
    remove: ({ app, module, node, key }: SettingKey): boolean =>
      remove.run(fleet, app, orEmpty(module), orEmpty(node), key).changes > 0,
  }
}

/**
 * The settings of one instance's module on one node, by key: what is said of the module and the node counts before what is said of the node, of the module, of
 * the app, in this order.
 */
export function settingsFor(
  all: readonly SettingRecord[],
  where: { module: string; node: string },
): Record<string, Setting> {
  const rank = (entry: SettingRecord) => (entry.node === null ? 0 : 2) + (entry.module === null ? 0 : 1)
  const fitting = all.filter(
    (entry) =>
      (entry.module === null || entry.module === where.module) && (entry.node === null || entry.node === where.node),
  )
  return Object.fromEntries(fitting.sort((a, b) => rank(a) - rank(b)).map(({ key, setting }) => [key, setting]))
}
