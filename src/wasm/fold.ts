import type { WitType } from './types.ts'

export type Primitive = Extract<WitType, string>
type Compound = Exclude<WitType, string>
type Of<K extends Compound['kind']> = Extract<Compound, { kind: K }>

/**
 * One way to make something out of every WIT type, from what was made of its parts: the canonical ABI's layout, an encoding. Parts without a type (a
 * case without payload) are null.
 */
export interface TypeFold<R> {
  primitive(type: Primitive): R
  list(of: R, type: Of<'list'>): R
  option(of: R, type: Of<'option'>): R
  result(ok: R | null, err: R | null): R
  tuple(items: readonly R[]): R
  record(fields: readonly { readonly name: string; readonly of: R }[]): R
  variant(cases: readonly { readonly name: string; readonly of: R | null }[]): R
  enum(cases: readonly string[]): R
  flags(flags: readonly string[]): R
}

/** Types are shared in components, and what was made of one is shared alike: `made` remembers it, and keeps the work as small as the binary. */
export function foldType<R>(type: WitType, fold: TypeFold<R>, made: WeakMap<object, R>): R {
  if (typeof type === 'string') return fold.primitive(type)
  let result = made.get(type)
  if (result === undefined) {
    result = foldCompound(type, fold, made)
    made.set(type, result)
  }
  return result
}

function foldCompound<R>(type: Compound, fold: TypeFold<R>, made: WeakMap<object, R>): R {
  const of = (part: WitType): R => foldType(part, fold, made)
  const ofOptional = (part: WitType | null): R | null => (part === null ? null : of(part))
  switch (type.kind) {
    case 'list':
      return fold.list(of(type.of), type)
    case 'option':
      return fold.option(of(type.of), type)
    case 'result':
      return fold.result(ofOptional(type.ok), ofOptional(type.err))
    case 'tuple':
      return fold.tuple(type.items.map(of))
    case 'record':
      return fold.record(type.fields.map((field) => ({ name: field.name, of: of(field.type) })))
    case 'variant':
      return fold.variant(type.cases.map((part) => ({ name: part.name, of: ofOptional(part.type) })))
    case 'enum':
      return fold.enum(type.cases)
    case 'flags':
      return fold.flags(type.flags)
  }
}

/** The key of a field or a flag in JavaScript, as jco names it: `battery-level` is `batteryLevel`. */
export function camelCase(label: string): string {
  const [first = '', ...rest] = label.split('-')
  return first.toLowerCase() + rest.map((word) => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase()).join('')
}
