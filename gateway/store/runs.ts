import type { Database } from './sqlite.ts'

/** Runs of one node that are remembered: of two machines with the same keys, each throws the other out within a few. */
const maxRuns = 64

/** Which runs of each node's agent have come online, in order. */
export function createRuns(db: Database, fleet: string) {
  const find = db.prepare<[string, string, Uint8Array], { position: number }>(
    'SELECT position FROM node_runs WHERE fleet = ? AND node = ? AND run = ?',
  )
  const last = db.prepare<[string, string], { position: number | null }>(
    'SELECT max(position) AS position FROM node_runs WHERE fleet = ? AND node = ?',
  )
  const add = db.prepare('INSERT INTO node_runs (fleet, node, position, run) VALUES (?, ?, ?, ?)')
  const prune = db.prepare('DELETE FROM node_runs WHERE fleet = ? AND node = ? AND position <= ?')
  const forget = db.prepare('DELETE FROM node_runs WHERE fleet = ? AND node = ?')
  const newest = (node: string): number => last.get(fleet, node)?.position ?? 0

  return {
    /** Whether a run is the one that came online last, one that was followed by another, or one that never came. */
    look(node: string, run: Uint8Array): 'last' | 'followed' | 'never' {
      const found = find.get(fleet, node, run)
      if (!found) return 'never'
      return found.position === newest(node) ? 'last' : 'followed'
    },
    /** A run that never came is the last one now. */
    add(node: string, run: Uint8Array): void {
      const position = newest(node) + 1
      add.run(fleet, node, position, run)
      prune.run(fleet, node, position - maxRuns)
    },
    any: (node: string): boolean => newest(node) > 0,
    forget: (node: string): void => void forget.run(fleet, node),
  }
}

export type RunStore = ReturnType<typeof createRuns>
