import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import type { Report } from '@hypha/core/wire/messages/report.ts'
import type { Store } from '../store/store.ts'
import type { Complaints } from './complaints.ts'

interface Context {
  readonly store: Pick<Store, 'handovers' | 'meta'>
  readonly complaints: Complaints
  readonly now: number
}

/** Whether an entry of a report, by its number, is what a turn left behind that was another node's to take. */
export type IsOthers = (sequence: number) => boolean

const none: IsOthers = () => false

/**
 * A node that was cut off may have handled inputs that were given to another meanwhile. One of both counts, for each input the same: the one whose the input is by the queue. Of the other's turn nothing
 * is stored; that it was is told. Its entries follow on one another, though not always in one report. [P 13.6]
 */
export function othersTurns(node: string, report: Report, mark: number, { store, complaints, now }: Context): IsOthers {
  const { first, count, incarnation } = report
  const end = first + count
  const passed: { readonly from: number; readonly to: number }[] = []
  const turns = report.entries.some(({ entry }) => entry.kind === 'handled')
  const before = store.handovers.passedOver(node, incarnation)
  if (before >= first) passed.push({ from: first, to: before })
  if (!turns && passed.length === 0) return none
  for (const { offset, entry } of report.entries) {
    const sequence = first + offset
    if (entry.kind !== 'handled' || sequence <= mark || !bytesEqual(entry.source, store.meta.source)) continue
    if (!store.handovers.isOthers(node, entry, entry.number)) continue
    const left = entry.effects ?? 0
    passed.push({ from: sequence, to: sequence + left })
    const text = `${instanceName(entry)} handled an input here that was another node's by then: what that turn left behind, ${left} entries, is passed over`
    complaints.add({ node, code: 'turn-passed-over', text, at: now })
  }
  const last = passed.at(-1)?.to ?? -1
  if (last >= end && last > before) store.handovers.passOver(node, incarnation, last)
  if (passed.length === 0) return none
  return (sequence) => passed.some(({ from, to }) => sequence >= from && sequence <= to)
}
