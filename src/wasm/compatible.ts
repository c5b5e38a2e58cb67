import { nearest } from '../nearest.ts'
import type { FuncType, InterfaceType, NamedType, VariantCase, WitType } from './types.ts'

/**
 * What keeps an exported interface from serving an imported one, in words without a full stop; null where nothing does. Each function that is imported must be exported with the same types; names of types and
 * parameters change nothing of what crosses, and functions that nobody imports don't either.
 */
export function whyIncompatible(imported: InterfaceType, exported: InterfaceType): string | null {
  for (const wanted of imported.funcs) {
    const found = exported.funcs.find(({ name }) => name === wanted.name)
    if (found === undefined) {
      const names = exported.funcs.map(({ name }) => name)
      const meant = nearest(wanted.name, names)
      const hint = meant === null ? `only ${names.join(', ') || 'nothing'}` : `the nearest is ${meant}`
      return `it has no function ${wanted.name} there, ${hint}`
    }
    const difference = differenceOf(wanted, found)
    if (difference !== null) return difference
  }
  return null
}

function differenceOf(wanted: FuncType, found: FuncType): string | null {
  const { name, params } = wanted
  if (params.length !== found.params.length)
    return `${name} is called with ${params.length} parameters, and has ${found.params.length}`
  for (const [index, param] of params.entries()) {
    const at = typesDiffer(param.type, found.params[index]!.type)
    if (at !== null) return `parameter ${param.name} of ${name}${at}`
  }
  const at = optionalDiffer(wanted.result, found.result)
  return at === null ? null : `the result of ${name}${at}`
}

/** Where two types first differ, as the end of a sentence; null where they are the same to what crosses. */
function typesDiffer(wanted: WitType, found: WitType): string | null {
  if (typeof wanted === 'string' || typeof found === 'string' || wanted.kind !== found.kind)
    return wanted === found ? null : ` is ${showType(wanted)} for the caller, and ${showType(found)} there`
  switch (wanted.kind) {
    case 'list':
    case 'option':
      return within(`of its ${wanted.kind}`, typesDiffer(wanted.of, (found as typeof wanted).of))
    case 'result': {
      const other = found as typeof wanted
      return (
        within('in ok', optionalDiffer(wanted.ok, other.ok)) ?? within('in err', optionalDiffer(wanted.err, other.err))
      )
    }
    case 'tuple':
      return membersDiffer(wanted.items.map(numbered), (found as typeof wanted).items.map(numbered), 'item')
    case 'record':
      return membersDiffer(wanted.fields, (found as typeof wanted).fields, 'field')
    case 'variant':
      return membersDiffer(wanted.cases, (found as typeof wanted).cases, 'case')
    case 'enum':
      return membersDiffer(wanted.cases.map(nameOnly), (found as typeof wanted).cases.map(nameOnly), 'case')
    case 'flags':
      return membersDiffer(wanted.flags.map(nameOnly), (found as typeof wanted).flags.map(nameOnly), 'flag')
  }
}

type Member = NamedType | VariantCase

const numbered = (type: WitType, index: number): Member => ({ name: `${index + 1}`, type })
const nameOnly = (name: string): Member => ({ name, type: null })

const within = (where: string, at: string | null): string | null => (at === null ? null : ` ${where}${at}`)

/** Members cross by their position, so their order counts. */
function membersDiffer(wanted: readonly Member[], found: readonly Member[], word: string): string | null {
  for (let index = 0; index < Math.max(wanted.length, found.length); index++) {
    const [mine, theirs] = [wanted[index], found[index]]
    if (mine?.name !== theirs?.name) {
      const shown = (member: Member | undefined) => (member === undefined ? 'none' : member.name)
      return ` has the ${word} ${shown(mine)} for the caller, and ${shown(theirs)} there`
    }
    const at = within(`in ${word} ${mine!.name}`, optionalDiffer(mine!.type, theirs!.type))
    if (at !== null) return at
  }
  return null
}

function optionalDiffer(wanted: WitType | null, found: WitType | null): string | null {
  if (wanted !== null && found !== null) return typesDiffer(wanted, found)
  if (wanted === found) return null
  const shown = (type: WitType | null) => (type === null ? 'nothing' : showType(type))
  return ` is ${shown(wanted)} for the caller, and ${shown(found)} there`
}

/** A type as WIT writes it; what has a name, by its name or its kind. */
function showType(type: WitType): string {
  if (typeof type === 'string') return type
  switch (type.kind) {
    case 'list':
    case 'option':
      return `${type.kind}<${showType(type.of)}>`
    case 'tuple':
      return `tuple<${type.items.map(showType).join(', ')}>`
    case 'result': {
      const ok = type.ok === null ? '_' : showType(type.ok)
      return type.err === null
        ? type.ok === null
          ? 'result'
          : `result<${ok}>`
        : `result<${ok}, ${showType(type.err)}>`
    }
    default:
      return type.name === undefined ? `a ${type.kind}` : `the ${type.kind} ${type.name}`
  }
}
