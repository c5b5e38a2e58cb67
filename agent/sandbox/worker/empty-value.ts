import { camelCase, foldType, type Primitive, type TypeFold } from '@hypha/core/wasm/fold.ts'
import type { WitType } from '@hypha/core/wasm/types.ts'

function emptyPrimitive(type: Primitive): unknown {
  if (type === 'bool') return false
  if (type === 'string') return ''
  if (type === 'char') return '\0'
  return type === 'u64' || type === 's64' ? 0n : 0
}

const folds: TypeFold<() => unknown> = {
  primitive: (type) => () => emptyPrimitive(type),
  list: () => () => [],
  option:
    (_, { of }) =>
    () =>
      typeof of === 'object' && of.kind === 'option' ? { tag: 'none' } : undefined,
  result: (ok) => () => ({ tag: 'ok', val: ok?.() }),
  tuple: (items) => () => items.map((item) => item()),
  record: (fields) => () => Object.fromEntries(fields.map(({ name, of }) => [camelCase(name), of()])),
  variant:
    ([first]) =>
    () => ({ tag: first!.name, val: first!.of?.() }),
  enum:
    ([first]) =>
    () =>
      first,
  flags: (flags) => () => Object.fromEntries(flags.map((flag) => [camelCase(flag), false])),
}

const made = new WeakMap<object, () => unknown>()

/** What a call over a link with the policy `drop` returns where it failed: zero, nothing, the first case. */
export function emptyValue(type: WitType | null): unknown {
  return type === null ? undefined : foldType(type, folds, made)()
}
