import { HyphaError } from '@hypha/core/errors.ts'
import Sqlite from 'better-sqlite3'
import type { ChainedEntry } from '../audit-chain.ts'

/** The audit log of a database file that is only read: a backup, or the one of a gateway that doesn't run. Throws `store-unusable`. */
export function readAuditChain(path: string): { readonly fleet: string; readonly entries: Iterable<ChainedEntry> } {
  try {
    const db = new Sqlite(path, { readonly: true, fileMustExist: true })
    const fleets = db.prepare<[], { fleet: string }>('SELECT DISTINCT fleet FROM meta').all()
    const [first] = fleets
    if (first === undefined || fleets.length > 1) throw new Error('it does not hold one fleet')
    const entries = db.prepare<[string], ChainedEntry>('SELECT * FROM audit WHERE fleet = ? ORDER BY number')
    return { fleet: first.fleet, entries: entries.iterate(first.fleet) }
  } catch (cause) {
    throw new HyphaError('store-unusable', `The audit log in ${path} can't be read: ${(cause as Error).message}`, {
      where: path,
      cause,
    })
  }
}
