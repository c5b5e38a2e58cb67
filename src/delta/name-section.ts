import { context, Place } from './contexts.ts'
import { codeBytes, codeCount, type Parts } from './parts.ts'
import { bytesOf, type NamePart } from './section-tables.ts'
import { Sink } from './sink.ts'

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
  let next = 0
  for (let i = 0; i < size; i++) {
    while (numbers.coder.starved) yield
    const given = now?.[i]
    const index = next + numbers.uint(context(Place.names, 6), (given?.index ?? 0) - next)
    next = index + 1
    const before = old.get(references === null ? index : (references[index] ?? -1))
    sink.uleb(index)
    const kept = before !== undefined && numbers.flag(context(Place.names, 7), given?.name === before)
    const bytes = bytesOf(before ?? '')
    if (kept) {
      sink.uleb(bytes.length)
      sink.put(bytes)
      continue
    }
    const name = given === undefined ? null : bytesOf(given.name)
    const length = codeCount(parts, Place.names, 8, bytes.length, name?.length ?? 0, sink.limit)
    sink.uleb(length)
    yield* codeBytes(parts, bytes, name, length, sink)
  }
}
