import type { Files } from '@hypha/core/ports/files.ts'
import type { JournalRecord } from './records.ts'
import { SegmentReader, SegmentWriter, segmentPath } from './segment.ts'

export interface Compacted {
  /** How many samples were dropped, and the time that they span. */
  readonly samples: number
  readonly spanMs: number
}

/**
 * Drops the samples of a segment that the durable checkpoint covers, and keeps every other entry under its number. After a power cut the segment is the
 * old or the new one. `switched` is called in the moment in which the new one takes its place, with its bytes: 0 where nothing was left and the file is gone.
 */
export async function dropSamples(
  files: Files,
  folder: string,
  { number, bytes }: { readonly number: number; readonly bytes: number },
  switched: (bytes: number) => void,
): Promise<Compacted> {
  const path = segmentPath(folder, number)
  const temporary = `${path}.new`
  files.remove(temporary)
  const file = files.open(path)
  let [samples, from, to, skipped, kept] = [0, Number.POSITIVE_INFINITY, 0, 0, 0]
  try {
    const reader = new SegmentReader(file, bytes)
    const writer = new SegmentWriter(files, temporary, reader.header)
    try {
      const keep = (record: JournalRecord): void => {
        if (skipped > 0) writer.write({ kind: 'skip', count: skipped })
        skipped = 0
        writer.write(record)
        kept++
      }
      for (let record = reader.read(); record; record = reader.read()) {
        if (record.kind === 'event' || record.kind === 'gap') keep(record)
        if (record.kind === 'skip') skipped += record.count
        if (record.kind !== 'turn') continue
        for (const { atMs } of record.record.samples) {
          samples++
          from = Math.min(from, atMs)
          to = Math.max(to, atMs)
        }
        skipped += record.record.samples.length
        const { logs, messages } = record.record
        if (logs.length + messages.length === 0 && !record.reportsInput) continue
        // The checkpoint has what instances go on from.
        keep({ ...record, record: { ...record.record, samples: [], kv: [], state: null }, targets: [] })
      }
      if (skipped > 0) writer.write({ kind: 'skip', count: skipped })
      if (kept > 0) await writer.file.sync()
    } finally {
      writer.file.close()
    }
    if (kept > 0) files.rename(temporary, path)
    else for (const gone of [temporary, path]) files.remove(gone)
    switched(kept > 0 ? writer.bytes : 0)
    await files.syncFolder(folder)
    return { samples, spanMs: Math.max(0, to - Math.min(from, to)) }
  } finally {
    file.close()
  }
}
