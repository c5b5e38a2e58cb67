import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Files } from '@hypha/core/ports/files.ts'
import { Image } from './image.ts'
import { turnsOf } from './records.ts'
import { SegmentReader, segmentPath } from './segment.ts'

/** A segment that is no longer written to. */
export interface SealedSegment {
  readonly segment: number
  /** Sequence numbers of its first entry and of the one after its last. */
  readonly first: number
  readonly next: number
  /** Bytes of its whole frames. */
  readonly bytes: number
  /** Whether samples may be dropped from it; not where that was done or it holds none. */
  readonly hasSamples: boolean
}

export interface Recovered {
  readonly image: Image
  readonly sealed: readonly SealedSegment[]
  /** Every record up to this segment is in the durable checkpoint. */
  readonly covers: number
  readonly next: number
  /** What the first new segment's header says of the one before. */
  readonly previous: { readonly bytes: number; readonly crc: number }
  /** Number of the first new segment. */
  readonly segment: number
  /** Entries that were durable once and can't be read any more. */
  readonly unreadable: number
}

export const checkpointPath = (folder: string): string => `${folder}/checkpoint`

/**
 * Reads back what a journal's folder holds, null where it holds nothing. Segments that the checkpoint covers were synced before it was written and stand
 * for themselves; those after it count as long as each follows whole upon the one before. The rest was never synced, and is removed.
 * Throws `journal-damaged` where the checkpoint can't be read.
 */
export function recover(files: Files, folder: string): Recovered | null {
  const checkpoint = files.read(checkpointPath(folder))
  const names = files.list(folder)
  for (const name of names) if (name.endsWith('.new')) files.remove(`${folder}/${name}`)
  const numbers = names
    .map((name) => /^(\d{1,15})\.log$/.exec(name)?.[1])
    .filter((match) => match !== undefined)
    .map(Number)
    .sort((a, b) => a - b)
  const start = checkpoint === null ? null : Image.decode(checkpoint)
  const covers = start?.covers ?? 0

  const scanned: Scanned[] = []
  for (const number of numbers.filter((candidate) => candidate <= covers)) {
    const segment = scan(files, folder, number, null)
    if (segment && start && bytesEqual(segment.incarnation, start.image.incarnation)) scanned.push(segment)
    else files.remove(segmentPath(folder, number))
  }
  const sealed: SealedSegment[] = [...scanned]
  let unreadable = 0
  for (const [index, segment] of scanned.entries()) {
    if (!segment.torn) continue
    // Bytes of a card can rot: what comes after them in the segment is lost, and said to be.
    const end = scanned[index + 1]?.first ?? start!.next
    unreadable += Math.max(0, end - segment.next)
  }

  let image = start?.image ?? null
  let next = start?.next ?? 1
  let last: Scanned | null = scanned.find(({ segment }) => segment === covers) ?? null
  let expected = covers + 1
  let chained = true
  for (const number of numbers.filter((candidate) => candidate > covers)) {
    const follows = (header: SegmentReader['header']): boolean =>
      number === expected &&
      header.first === next &&
      (image === null || bytesEqual(header.incarnation, image.incarnation)) &&
      (number === covers + 1 || (header.previous.bytes === last?.bytes && header.previous.crc === last.crc))
    const segment = chained
      ? scan(files, folder, number, (reader) => {
          if (!follows(reader.header)) return null
          image ??= new Image(reader.header.incarnation)
          return image
        })
      : null
    if (!segment) {
      chained = false
      files.remove(segmentPath(folder, number))
      continue
    }
    sealed.push(segment)
    last = segment
    next = segment.next
    expected = number + 1
  }
  if (image === null) return null
  const previous = last === null ? { bytes: 0, crc: 0 } : { bytes: last.bytes, crc: last.crc }
  return { image, sealed, covers, next, previous, segment: expected, unreadable }
}

interface Scanned extends SealedSegment {
  readonly incarnation: Uint8Array
  readonly crc: number
  readonly torn: boolean
}

/** Reads a segment through; `accept` gives the image that takes in its records, or null where it doesn't count. */
function scan(
  files: Files,
  folder: string,
  segment: number,
  accept: ((reader: SegmentReader) => Image | null) | null,
): Scanned | null {
  const file = files.open(segmentPath(folder, segment))
  try {
    const reader = new SegmentReader(file)
    const image = accept?.(reader) ?? null
    if (reader.header.segment !== segment || (accept && !image)) return null
    let hasSamples = false
    for (let record = reader.read(); record; record = reader.read()) {
      if (turnsOf(record).some((turn) => turn.record.samples.length > 0)) hasSamples = true
      image?.apply(record, reader.first)
    }
    const { header, next, at: bytes, crc, torn } = reader
    return { segment, first: header.first, next, bytes, hasSamples, incarnation: header.incarnation, crc, torn }
  } catch (thrown) {
    if (thrown instanceof HyphaError && thrown.code === 'journal-damaged') return null
    throw thrown
  } finally {
    file.close()
  }
}
