import type { CodeReader } from './code-reader.ts'
import { context, Place } from './contexts.ts'
import { malformed, maxImmediates, Unsupported } from './limits.ts'
import type { NumberCoder } from './numbers.ts'
import type { Sink } from './sink.ts'

/** Groups of locals: count and type of each. */
type Groups = readonly (readonly [count: number, type: number])[]

function readGroups(reader: CodeReader): Groups {
  const groups: [number, number][] = []
  const count = reader.uleb()
  if (reader.pad > 0 || count > maxImmediates) throw new Unsupported('declarations of locals')
  for (let left = count; left > 0; left--) {
    const locals = reader.uleb()
    const padded = reader.pad > 0
    groups.push([locals, reader.sleb()])
    if (padded || reader.pad > 0) throw new Unsupported('padded declarations of locals')
  }
  return groups
}

/** A body's declarations of locals: as the old ones, or anew [D 5.7]. */
export function* codeLocals(
  numbers: NumberCoder,
  old: CodeReader | null,
  source: CodeReader | null,
  sink: Sink,
): Generator<void, void, void> {
  const was = old === null ? null : readGroups(old)
  const now = source === null ? null : readGroups(source)
  const same =
    now !== null &&
    was !== null &&
    now.length === was.length &&
    now.every(([count, type], i) => was[i]![0] === count && was[i]![1] === type)
  if (was !== null && numbers.flag(context(Place.locals), same)) {
    writeGroups(sink, was)
    return
  }
  const groups: [number, number][] = []
  const count = numbers.uint(context(Place.locals, 1), now?.length ?? 0)
  if (count > maxImmediates) throw malformed('a function has too many declarations of locals')
  for (let i = 0; i < count; i++) {
    while (numbers.coder.starved) yield
    const [locals, type] = now?.[i] ?? [0, 0]
    const before = was?.[i]?.[0] ?? 0
    const kind = numbers.sint(context(Place.locals, 2), type)
    const many =
      before > 0
        ? before + numbers.sint(context(Place.locals, 3), (locals - before) | 0)
        : numbers.uint(context(Place.locals, 4), locals)
    groups.push([many >>> 0, kind])
  }
  writeGroups(sink, groups)
}

function writeGroups(sink: Sink, groups: Groups): void {
  sink.uleb(groups.length)
  for (const [count, type] of groups) {
    sink.uleb(count)
    sink.sleb(type)
  }
}
