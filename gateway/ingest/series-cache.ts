import { toHex } from '@hypha/core/bytes/text.ts'
import type { Series } from '@hypha/core/wire/messages/report.ts'
import type { Store } from '../store/store.ts'
import type { Waiting } from './contiguous.ts'

/** A series with what ingest remembers of it. */
export interface CachedSeries {
  readonly id: number
  readonly name: Series
  /** Shared by all series of the same metric of the same instance: time of the newest value that was made known. */
  readonly last: { at: number }
  /** The minute that was last marked as stale, and the rollups' round in which it was. */
  minute: number
  round: number
}

/** One journal of one node. */
export interface CachedJournal {
  readonly node: string
  readonly incarnation: Uint8Array
  /** The highest number stored; null for a journal that is new here. */
  mark: number | null
  /** It was set back behind its mark: nothing more of it is taken. */
  ended: boolean
  waiting: Waiting | null
  readonly series: Map<string, CachedSeries>
}

/**
 * What ingest keeps in memory so that a report costs no look-ups. All of it can be read again from the store, and it is let go of whenever the store may
 * differ: when series were removed, or a transaction failed.
 */
export function createSeriesCache(store: Store, limits: { maxCached: number; maxSeriesPerNode: number }) {
  const journals = new Map<string, CachedJournal>()
  const lasts = new Map<string, { at: number }>()
  const counts = new Map<string, number>()
  let size = 0
  let generation = store.series.generation

  function clear(): void {
    journals.clear()
    lasts.clear()
    counts.clear()
    size = 0
    generation = store.series.generation
  }

  function lastOf(series: Series): { at: number } {
    const { app, module, home, metric } = series
    const name = `${app}/${module}/${home ?? ''}/${metric}`
    let last = lasts.get(name)
    if (!last) {
      last = { at: store.series.lastAt(series) ?? 0 }
      lasts.set(name, last)
    }
    return last
  }

  function create(journal: CachedJournal, name: Series): CachedSeries | null {
    const { node, incarnation } = journal
    const key = { ...name, node, incarnation }
    const last = lastOf(name)
    let id = store.series.find(key)
    if (id === null) {
      const count = counts.get(node) ?? store.series.countOf(node)
      if (count >= limits.maxSeriesPerNode) return null
      id = store.series.add(key)
      counts.set(node, count + 1)
    }
    return { id, name, last, minute: -1, round: -1 }
  }

  return {
    clear,
    /** To be called before each transaction: lets go of what is out of date or too much. */
    refresh(): void {
      if (generation !== store.series.generation || size > limits.maxCached) clear()
    },
    journal(node: string, incarnation: Uint8Array): CachedJournal {
      const key = `${node}/${toHex(incarnation)}`
      let journal = journals.get(key)
      if (!journal) {
        const mark = store.marks.get(node, incarnation)
        const ended = mark !== null && store.marks.ended(node, incarnation)
        journal = { node, incarnation, mark, ended, waiting: null, series: new Map() }
        journals.set(key, journal)
        size++
      }
      return journal
    },
    /** Null if the node has as many series as one node may have. */
    series(journal: CachedJournal, name: Series): CachedSeries | null {
      const key = `${name.app}/${name.module}/${name.home ?? ''}/${name.epoch}/${name.metric}`
      const known = journal.series.get(key)
      if (known) return known
      const made = create(journal, name)
      if (made) {
        journal.series.set(key, made)
        size++
      }
      return made
    },
  }
}

export type SeriesCache = ReturnType<typeof createSeriesCache>
