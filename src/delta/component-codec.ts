import { ByteCodec } from './byte-codec.ts'
import { ByteIndex } from './byte-edits.ts'
import { CodeReader } from './code-reader.ts'
import { context, Place } from './contexts.ts'
import { malformed, Unsupported } from './limits.ts'
import { isModule, type Module, readModule, type Span } from './module.ts'
import { codeModule, type ModuleTarget, type Watcher } from './module-codec.ts'
import type { NumberCoder } from './numbers.ts'
import { window } from './parts.ts'
import type { Sink } from './sink.ts'

const componentHeader = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00]

export const isComponent = (bytes: Uint8Array): boolean => componentHeader.every((byte, i) => bytes[i] === byte)

/** Section of a component that holds a core module (Component Model, binary format). */
const coreModuleSection = 1

/** Core modules that are coded as such [D 7]. */
const maxModules = 64

/** A component as its core modules and what is between them. */
export interface Component {
  readonly bytes: Uint8Array
  readonly modules: readonly Module[]
  /** Bytes before each module, and behind the last. */
  readonly between: readonly Uint8Array[]
}

/** @throws Unsupported for what is no component, or has core modules that the delta doesn't know */
export function readComponent(bytes: Uint8Array): Component {
  if (!isComponent(bytes)) throw new Unsupported('not a component')
  const reader = new CodeReader(bytes, componentHeader.length)
  const spans: Span[] = []
  while (!reader.done) {
    const id = reader.byte()
    const size = reader.uleb()
    const start = reader.at
    reader.skip(size)
    if (id === coreModuleSection && isModule(bytes.subarray(start, reader.at))) spans.push({ start, end: reader.at })
  }
  if (spans.length > maxModules) throw new Unsupported('too many core modules')
  const modules = spans.map(({ start, end }) => readModule(bytes.subarray(start, end)))
  const between = [...spans, { start: bytes.length, end: bytes.length }].map(({ start }, i) => {
    return bytes.subarray(i === 0 ? 0 : spans[i - 1]!.end, start)
  })
  return { bytes, modules, between }
}

export interface ComponentTarget {
  readonly component: Component
  /** How each module is made of the old one that it follows. */
  readonly modules: readonly { readonly reference: number; readonly target: ModuleTarget }[]
}

/** Codes a component by an old one: core modules by core modules, the rest as bytes [D 7]. */
export function* codeComponent(
  numbers: NumberCoder,
  old: Component,
  target: ComponentTarget | null,
  sink: Sink,
  length: number,
  watcher: Watcher,
): Generator<void, void, void> {
  while (numbers.coder.starved) yield
  const bytes = new ByteCodec(numbers)
  const glue = joined(old.between)
  const index = target === null ? null : new ByteIndex(glue, window)
  const count =
    old.modules.length + numbers.sint(context(Place.component), (target?.modules.length ?? 0) - old.modules.length)
  if (count < 0 || count > maxModules || (count > 0 && old.modules.length === 0))
    throw malformed(`it has ${count} core modules`)
  let from = 0
  for (let i = 0; i <= count; i++) {
    while (numbers.coder.starved) yield
    const was = old.between[i]?.length ?? 0
    const now = target?.component.between[i] ?? null
    const size = codeLength(numbers, 1, was, now?.length ?? 0, length)
    yield* bytes.code(glue, Math.min(from, glue.length), size, now === null ? null : { bytes: now, index }, sink)
    from += was
    if (i === count) break
    const given = target?.modules[i]
    const reference = i + numbers.sint(context(Place.component, 2), (given?.reference ?? 0) - i)
    const before = old.modules[reference]
    if (before === undefined) throw malformed('it refers to a core module that the old component lacks')
    const moduleLength = codeLength(numbers, 3, before.bytes.length, given?.target.module.bytes.length ?? 0, length)
    yield* codeModule(numbers, before, given?.target ?? null, sink, moduleLength, watcher)
  }
  if (sink.total !== length) throw malformed(`the component has ${sink.total} bytes, not ${length}`)
}

function codeLength(numbers: NumberCoder, sub: number, expected: number, given: number, most: number): number {
  const told = expected + numbers.sint(context(Place.component, sub), given - expected)
  if (told < 0 || told > most) throw malformed(`a part has ${told} bytes`)
  return told
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
