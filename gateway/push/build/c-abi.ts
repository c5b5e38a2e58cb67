import type { WitType } from '@hypha/core/wasm/types.ts'
import { type CTypes, cValueName } from './c-types.ts'
import { casesOf, type FlatType, flatten, flattenCases, partsOf } from './flat.ts'

// Values in memory are C's own; only what is passed as core values must be taken apart and put together.

const flatTypes: Readonly<Record<FlatType, string>> = { i32: 'int32_t', i64: 'int64_t', f32: 'float', f64: 'double' }

/** Names of locals: unique within one function body, which is what `out` holds. */
const local = (out: readonly string[]): string => `v${out.length}`

/** Expressions of the core values that the C value `value` becomes. */
export function lowerFlat(types: CTypes, type: WitType, value: string, out: string[]): string[] {
  if (type === 'string' || (typeof type !== 'string' && type.kind === 'list')) {
    return [`(int32_t)(uintptr_t)${value}.ptr`, `(int32_t)${value}.len`]
  }
  const parts = partsOf(type)
  if (parts !== null)
    return parts.flatMap((part, index) => lowerFlat(types, part, `${value}.${partName(type, index)}`, out))
  const cases = casesOf(type)
  if (cases === null) return [`(${flatTypes[flatten(type)[0]!]})${value}`]
  const joined = flattenCases(cases)
  const stem = local(out)
  const slots = joined.map((_, index) => `${stem}_${index}`)
  for (const [index, slot] of slots.entries()) out.push(`${flatTypes[joined[index]!]} ${slot} = 0;`)
  const { tag, payload } = variantAccess(type, value)
  for (const [index, item] of cases.entries()) {
    if (item === null) continue
    out.push(`if (${tag} == ${index}) {`)
    const flat = flatten(item)
    const values = lowerFlat(types, item, payload(index), out)
    for (const [place, from] of values.entries())
      out.push(`${slots[place]!} = ${widen(from, flat[place]!, joined[place]!)};`)
    out.push('}')
  }
  return [`(int32_t)${tag}`, ...slots]
}

/** An expression of the C value that core values stand for. */
export function liftFlat(types: CTypes, type: WitType, flat: readonly string[], out: string[]): string {
  const name = types.of(type)
  if (type === 'string') return `(${name}){(char *)(uintptr_t)${flat[0]!}, (size_t)${flat[1]!}}`
  if (type === 'bool') return `${flat[0]!} != 0`
  if (typeof type !== 'string' && type.kind === 'list') {
    return `(${name}){(void *)(uintptr_t)${flat[0]!}, (size_t)${flat[1]!}}`
  }
  const parts = partsOf(type)
  const cases = casesOf(type)
  if (parts === null && cases === null) return `(${name})${flat[0]!}`
  const result = local(out)
  out.push(`${name} ${result} = {0};`)
  if (parts !== null) {
    let at = 0
    for (const [index, part] of parts.entries()) {
      const count = flatten(part).length
      const value = liftFlat(types, part, flat.slice(at, at + count), out)
      out.push(`${result}.${partName(type, index)} = ${value};`)
      at += count
    }
    return result
  }
  const { tag, payload } = variantAccess(type, result)
  const joined = flattenCases(cases!)
  out.push(`${tag} = ${tag.endsWith('.tag') ? flat[0]! : `${flat[0]!} != 0`};`)
  for (const [index, item] of cases!.entries()) {
    if (item === null) continue
    out.push(`if (${tag} == ${index}) {`)
    const narrowed = flatten(item).map((to, place) => narrow(flat[place + 1]!, joined[place]!, to))
    const value = liftFlat(types, item, narrowed, out)
    out.push(`${payload(index)} = ${value};`, '}')
  }
  return result
}

function partName(type: WitType, index: number): string {
  if (typeof type !== 'string' && type.kind === 'record') return cValueName(type.fields[index]!.name)
  return `f${index}`
}

function variantAccess(type: WitType, value: string): { tag: string; payload: (index: number) => string } {
  if (typeof type !== 'string') {
    if (type.kind === 'option') return { tag: `${value}.is_some`, payload: () => `${value}.val` }
    if (type.kind === 'result')
      return { tag: `${value}.is_err`, payload: (index) => `${value}.val.${index === 0 ? 'ok' : 'err'}` }
    if (type.kind === 'variant') {
      return { tag: `${value}.tag`, payload: (index) => `${value}.val.${cValueName(type.cases[index]!.name)}` }
    }
  }
  throw new TypeError('only variants have cases')
}

/** A core value in the wider type that it shares with other cases (CanonicalABI.md, `lower_flat_variant`). */
function widen(value: string, from: FlatType, to: FlatType): string {
  if (from === to) return value
  if (from === 'f64') return `(union { double from; int64_t to; }){${value}}.to`
  const int = from === 'f32' ? `(union { float from; int32_t to; }){${value}}.to` : value
  return to === 'i64' ? `(int64_t)(uint32_t)${int}` : int
}

function narrow(value: string, from: FlatType, to: FlatType): string {
  if (from === to) return value
  if (to === 'f64') return `(union { int64_t from; double to; }){${value}}.to`
  const int = from === 'i64' ? `(int32_t)${value}` : value
  return to === 'f32' ? `(union { int32_t from; float to; }){${int}}.to` : int
}
