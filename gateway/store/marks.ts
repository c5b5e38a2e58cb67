import type { Database } from './sqlite.ts'

/** How far each journal of each node is stored: what makes a report that comes twice count once. */
export function createMarks(db: Database, fleet: string) {
  const get = db.prepare<[string, string, Uint8Array], { up_to: number }>(
    'SELECT up_to FROM marks WHERE fleet = ? AND node = ? AND incarnation = ?',
  )
  const put = db.prepare(`INSERT INTO marks (fleet, node, incarnation, up_to, at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (fleet, node, incarnation) DO UPDATE SET up_to = max(up_to, excluded.up_to), at = excluded.at`)
  const end = db.prepare(
    'UPDATE marks SET ended = ? WHERE fleet = ? AND node = ? AND incarnation = ? AND ended IS NULL',
  )
  const ended = db.prepare('SELECT 1 FROM marks WHERE fleet = ? AND node = ? AND incarnation = ? AND ended IS NOT NULL')
  const prune = db.prepare(`DELETE FROM marks WHERE fleet = ? AND node = ? AND incarnation IN
    (SELECT incarnation FROM marks WHERE fleet = ? AND node = ? ORDER BY at DESC LIMIT -1 OFFSET ?)`)
  return {
    /** The highest number stored; null for a journal that is new here. */
    get: (node: string, incarnation: Uint8Array): number | null => get.get(fleet, node, incarnation)?.up_to ?? null,
    put: (node: string, incarnation: Uint8Array, upTo: number, at: number): void =>
      void put.run(fleet, node, incarnation, upTo, at),
    /** Takes nothing more of a journal. False where that was so already. */
    end: (node: string, incarnation: Uint8Array, at: number): boolean =>
      end.run(at, fleet, node, incarnation).changes > 0,
    ended: (node: string, incarnation: Uint8Array): boolean => ended.get(fleet, node, incarnation) !== undefined,
    /** Forgets the journals of a node that were written to longest ago, but for `keep`. */
    prune: (node: string, keep: number): number => prune.run(fleet, node, fleet, node, keep).changes,
  }
}
