import { context, Place } from './contexts.ts'
import { malformed, walkPerByte } from './limits.ts'
import { codeBytes, codeCount, type Parts } from './parts.ts'
import { bytesOf, latin1, type NamePart } from './section-tables.ts'
import { Sink } from './sink.ts'
import { SymbolHashes } from './symbol-hashes.ts'

/** The name section: names follow the things that they name [D 4.9]. */
export function* codeNames(
  parts: Parts,
  was: readonly NamePart[],
  now: readonly NamePart[] | null,
): Generator<void, void, void> {
  const { numbers, sink } = parts
  sink.put(Uint8Array.of(4, 0x6e, 0x61, 0x6d, 0x65))
  const count = codeCount(parts, Place.names, 0, was.length, now?.length ?? 0, sink.limit)
  for (let i = 0; i < count; i++) {
    while (numbers.coder.starved) yield
    const given = now?.[i] ?? null
    const before = was[i]
    const alike = before !== undefined && numbers.flag(context(Place.names, 1), given?.id === before.id)
    const id = alike ? before.id : numbers.tree(context(Place.names, 2), 7, given?.id ?? 0)
    const old = before?.id === id ? before : was.find((part) => part.id === id)
    const named =
      old === undefined ? numbers.flag(context(Place.names, 3), (given?.names ?? null) !== null) : old.names !== null
    const inside = new Sink(sink.limit)
    if (named) yield* codeMap(parts, id, old?.names ?? [], given?.names ?? null, inside)
    else {
      const bytes = old?.bytes ?? new Uint8Array()
      const length = codeCount(parts, Place.names, 4, bytes.length, given?.bytes.length ?? 0, sink.limit)
      yield* codeBytes(parts, bytes, given?.bytes ?? null, length, inside)
    }
    sink.byte(id)
    sink.uleb(inside.length)
    sink.put(inside.view())
  }
}

type Names = NonNullable<NamePart['names']>

function* codeMap(parts: Parts, id: number, was: Names, now: Names | null, sink: Sink): Generator<void, void, void> {
  const { numbers, plan } = parts
  const size = codeCount(parts, Place.names, 5, was.length, now?.length ?? 0, sink.limit)
  const old = new Map(was.map(({ index, name }) => [index, name]))
  const references = id === 1 ? plan.functions : id === 7 ? plan.globals : id === 9 ? plan.segments : null
  sink.uleb(size)
  const hashes = new SymbolHashes(numbers)
  let next = 0
  let history = 0
  let last = ''
  // A name may be followed often without being written.
  let left = walkPerByte * (parts.old.bytes.length + sink.limit)
  for (let i = 0; i < size; i++) {
    while (numbers.coder.starved) yield
    const given = now?.[i]
    const index = next + numbers.uint(context(Place.names, 6), (given?.index ?? 0) - next)
    next = index + 1
    const before = old.get(references === null ? index : (references[index] ?? -1))
    sink.uleb(index)
    left -= (before ?? last).length
    if (left < 0) throw malformed('it reads the old names too often')
    const { name: expected, known } = hashes.expected(before ?? '')
    const kept =
      before !== undefined &&
      numbers.flag(context(Place.names, 7, known ? 4 : history, expected === before ? 0 : 1), given?.name === expected)
    history = ((history << 1) | (kept ? 0 : 1)) & 3
    if (kept) hashes.keep(before)
    const told = kept ? expected : hashes.code(before ?? last, given?.name ?? null)
    if (told !== null) {
      const bytes = bytesOf(told)
      sink.uleb(bytes.length)
      sink.put(bytes)
      last = told
      continue
    }
    const name = given === undefined ? null : bytesOf(given.name)
    const bytes = bytesOf(before === undefined ? last : expected)
    const length = codeCount(parts, Place.names, 8, bytes.length, name?.length ?? 0, sink.limit)
    sink.uleb(length)
    const from = sink.length
    yield* codeBytes(parts, bytes, name, length, sink)
    last = latin1(sink.view().subarray(from))
  }
}
