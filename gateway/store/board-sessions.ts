import { type Database, plainBytes } from './sqlite.ts'

/** Sessions of one board that are remembered: of starts and of gateways. What was reported under an older one can't be checked any more. */
const maxSessions = 16

/** The keys under which boards' reports carry their MACs. */
export function createBoardSessions(db: Database, fleet: string) {
  const add = db.prepare(
    'INSERT INTO board_sessions (fleet, node, incarnation, session_key, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
  )
  const list = db.prepare<[string, string], { incarnation: Uint8Array; session_key: Uint8Array }>(
    'SELECT incarnation, session_key FROM board_sessions WHERE fleet = ? AND node = ? ORDER BY at DESC',
  )
  const prune = db.prepare(`DELETE FROM board_sessions WHERE fleet = :fleet AND node = :node AND session_key NOT IN
    (SELECT session_key FROM board_sessions WHERE fleet = :fleet AND node = :node ORDER BY at DESC LIMIT ${maxSessions})`)
  return {
    add(node: string, incarnation: Uint8Array, key: Uint8Array, at: number): void {
      add.run(fleet, node, incarnation, key, at)
      prune.run({ fleet, node })
    },
    /** The newest first. */
    list: (node: string): { readonly incarnation: Uint8Array; readonly key: Uint8Array }[] =>
      list
        .all(fleet, node)
        .map((row) => ({ incarnation: plainBytes(row.incarnation), key: plainBytes(row.session_key) })),
  }
}
