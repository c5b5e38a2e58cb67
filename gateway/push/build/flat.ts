import { codecOf } from '@hypha/core/wasm/abi/build.ts'
import { alignTo, type FlatType } from '@hypha/core/wasm/abi/codec.ts'
import type { WitType } from '@hypha/core/wasm/types.ts'

export type { FlatType }

/** More parameters than this go through memory, and so does more than one result (CanonicalABI.md, MAX_FLAT_PARAMS, MAX_FLAT_RESULTS). */
const maxFlatParams = 16
const maxFlatResults = 1

export interface Layout {
  readonly size: number
  readonly align: number
}

/** The cases of anything that is laid out as a variant: options are `none, some`, results `ok, err`. Null for other types. */
export function casesOf(type: WitType): readonly (WitType | null)[] | null {
  if (typeof type === 'string') return null
  switch (type.kind) {
    case 'option':
      return [null, type.of]
    case 'result':
      return [type.ok, type.err]
    case 'variant':
      return type.cases.map((item) => item.type)
    default:
      return null
  }
}

/** The parts of anything that is laid out as a record; null for other types. */
export function partsOf(type: WitType): readonly WitType[] | null {
  if (typeof type === 'string') return null
  if (type.kind === 'tuple') return type.items
  return type.kind === 'record' ? type.fields.map((field) => field.type) : null
}

/** Bytes of a discriminant that tells `count` cases apart: 1, 2 or 4. */
export const tagBytes = (count: number): 1 | 2 | 4 => (count <= 0x100 ? 1 : count <= 0x1_0000 ? 2 : 4)

/** Bytes that hold `count` flags. */
export const flagBytes = (count: number): 1 | 2 | 4 => (count <= 8 ? 1 : count <= 16 ? 2 : 4)

/** Size and alignment in memory (CanonicalABI.md, "Alignment" and "Element Size"). */
export const layoutOf = (type: WitType): Layout => codecOf(type)

export const layoutOfParts = (parts: readonly WitType[]): Layout => layoutOf({ kind: 'tuple', items: parts })

/** Offsets of a record's parts. */
export function offsetsOf(parts: readonly WitType[]): number[] {
  let at = 0
  return parts.map((part) => {
    const { size, align } = layoutOf(part)
    const offset = alignTo(at, align)
    at = offset + size
    return offset
  })
}

/** Where the payload of a variant begins, and the variant's alignment. */
export function payloadOf(cases: readonly (WitType | null)[]): { readonly offset: number; readonly align: number } {
  const largest = Math.max(1, ...cases.map((item) => (item === null ? 1 : layoutOf(item).align)))
  const tag = tagBytes(cases.length)
  return { offset: alignTo(tag, largest), align: Math.max(tag, largest) }
}

/** The core values that a value becomes when it is passed as parameters (CanonicalABI.md, "Flattening"). */
export const flatten = (type: WitType): readonly FlatType[] => codecOf(type).flat

/** What the payloads of all cases share: at each place the type that can hold each of theirs (CanonicalABI.md, `join`). */
export function flattenCases(cases: readonly (WitType | null)[]): FlatType[] {
  const joined: FlatType[] = []
  for (const item of cases) {
    if (item === null) continue
    for (const [index, flat] of flatten(item).entries()) {
      const other = joined[index]
      joined[index] = other === undefined ? flat : joinFlat(other, flat)
    }
  }
  return joined
}

function joinFlat(a: FlatType, b: FlatType): FlatType {
  if (a === b) return a
  return a !== 'i64' && a !== 'f64' && b !== 'i64' && b !== 'f64' ? 'i32' : 'i64'
}

/** How a function is called: whether its parameters and its result go through memory. */
export interface CallShape {
  readonly params: readonly FlatType[]
  readonly spilled: boolean
  /** The flat result; null where there is none or it goes through memory. */
  readonly result: FlatType | null
  /** The result goes through memory. */
  readonly indirect: boolean
}

export function callShape(params: readonly WitType[], result: WitType | null): CallShape {
  const flat = params.flatMap(flatten)
  const results = result === null ? [] : flatten(result)
  const spilled = flat.length > maxFlatParams
  return {
    params: spilled ? ['i32'] : flat,
    spilled,
    result: results.length === 1 ? results[0]! : null,
    indirect: results.length > maxFlatResults,
  }
}
