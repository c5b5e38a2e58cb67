import type { Files } from '@hypha/core/ports/files.ts'
import { type JournalRecord, turnsOf } from './records.ts'
import { SegmentReader, SegmentWriter, segmentPath } from './segment.ts'

export interface Compaction {
  /** How many samples are to be dropped, and the time that they span. */
  readonly samples: number
  readonly spanMs: number
  /** Bytes of the segment without them; 0 where nothing is left and its file is to go. */
  readonly bytes: number
  /** Puts the new segment in the place of the old one, at once; durable after the folder's next sync. */
  replace(): void
}

/**
 * Writes a segment anew without its samples, every other entry under its number, and beside the old one until `replace` is called. The durable checkpoint must
 * cover the segment: what instances go on from is left out too.
 */
export async function compact(
  files: Files,
  folder: string,
  { number, bytes }: { readonly number: number; readonly bytes: number },
): Promise<Compaction> {
  const path = segmentPath(folder, number)
  const temporary = `${path}.new`
  files.remove(temporary)
  const file = files.open(path)
  try {
    const reader = new SegmentReader(file, bytes)
    const writer = new SegmentWriter(files, temporary, reader.header)
    try {
      const { samples, spanMs, kept } = copyWithoutSamples(reader, writer)
      if (kept > 0) await writer.file.sync()
      const replace = (): void => {
        if (kept > 0) files.rename(temporary, path)
        else for (const gone of [temporary, path]) files.remove(gone)
      }
      return { samples, spanMs, bytes: kept > 0 ? writer.bytes : 0, replace }
    } finally {
      writer.file.close()
    }
  } finally {
    file.close()
  }
}

function copyWithoutSamples(from: SegmentReader, to: SegmentWriter): { samples: number; spanMs: number; kept: number } {
  let [samples, skipped, kept] = [0, 0, 0]
  let [earliest, latest] = [Number.POSITIVE_INFINITY, 0]
  const keep = (record: JournalRecord): void => {
    if (skipped > 0) to.write({ kind: 'skip', count: skipped })
    skipped = 0
    to.write(record)
    kept++
  }
  for (let record = from.read(); record; record = from.read()) {
    if (record.kind === 'event' || record.kind === 'gap') keep(record)
    if (record.kind === 'skip') skipped += record.count
    for (const turn of turnsOf(record)) {
      const { samples: dropped, logs, messages } = turn.record
      for (const { atMs } of dropped) {
        earliest = Math.min(earliest, atMs)
        latest = Math.max(latest, atMs)
      }
      samples += dropped.length
      const bare = { ...turn.record, samples: [], kv: [], state: null }
      if (turn.effects !== null) {
        // It stands before what is left out, and says of how many entries it is the first.
        keep({ kind: 'turn', ...turn, record: { ...bare, logs: [], messages: [] }, targets: [] })
        skipped += dropped.length
        if (logs.length + messages.length === 0) continue
        keep({ kind: 'turn', ...turn, record: bare, reportsInput: false, effects: null })
        continue
      }
      skipped += dropped.length
      if (logs.length + messages.length === 0 && !turn.reportsInput) continue
      keep({ kind: 'turn', ...turn, record: bare })
    }
  }
  if (skipped > 0) to.write({ kind: 'skip', count: skipped })
  return { samples, spanMs: Math.max(0, latest - Math.min(earliest, latest)), kept }
}
