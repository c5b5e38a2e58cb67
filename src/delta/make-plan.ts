import { toHex } from '../bytes/text.ts'
import { addressRuns, dataVotes, type Vote } from './address-runs.ts'
import { align } from './align.ts'
import { Action } from './body-actions.ts'
import { imageOf } from './data-section.ts'
import { addressRange, Maps, type Plan } from './maps.ts'
import { matchFunctions } from './match-functions.ts'
import type { Module, Span } from './module.ts'
import type { ModuleTarget } from './module-codec.ts'
import { Kind } from './opcodes.ts'
import { type Tokens, tokensOf } from './tokens.ts'

/** Numbers below aren't taken for addresses where maps are learnt. */
const leastAddress = 1024

/**
 * How a new module is best made of an old one: which function follows which, how indices and addresses move, and the edits of each body.
 *
 * @throws Unsupported where one of them has instructions that aren't known
 */
export function planModule(old: Module, now: Module): ModuleTarget {
  const was = tokensOf(old, { view: 'masked' })
  const is = tokensOf(now, { view: 'masked' })
  const functions = matchFunctions(old, now, was, is)
  const learnt = learn(old, now, functions, was, is)
  const types = matchTypes(old, now)
  const runs = addressRuns(learnt.votes)
  const draft: Plan = {
    types,
    functions,
    importedFunctions: now.importedFunctions.length,
    globals: learnt.globals,
    importedGlobals: now.importedGlobals,
    segments: new Int32Array(),
    runs,
  }
  const maps = new Maps(old, draft)
  const plan: Plan = { ...draft, segments: matchSegments(old, now, maps) }
  // Once more, with everything mapped.
  const mapped = tokensOf(old, { view: 'mapped', maps })
  const plain = tokensOf(now, { view: 'plain' })
  const scripts = plain.map((tokens, i) => {
    const reference = functions[now.importedFunctions.length + i]! - old.importedFunctions.length
    return reference < 0 ? null : align(mapped[reference]!, tokens)
  })
  return { module: now, plan, scripts }
}

function matchTypes(old: Module, now: Module): Int32Array {
  const key = (module: Module, { start, end }: Span) => toHex(module.bytes.subarray(start, end))
  const places = new Map<string, number>()
  for (const [i, type] of old.types.entries()) if (!places.has(key(old, type))) places.set(key(old, type), i)
  return Int32Array.from(now.types, (type) => places.get(key(now, type)) ?? -1)
}

/** What matched bodies, aligned, and the data say about globals and addresses. */
function learn(
  old: Module,
  now: Module,
  functions: Int32Array,
  was: readonly Tokens[],
  is: readonly Tokens[],
): { globals: Int32Array; votes: Vote[] } {
  const votes: Vote[] = []
  const globalVotes = new Map<number, Map<number, number>>()
  for (const [i, tokens] of is.entries()) {
    const reference = functions[now.importedFunctions.length + i]! - old.importedFunctions.length
    const before = was[reference]
    if (before === undefined) continue
    let a = 0
    let b = 0
    for (const action of align(before, tokens)) {
      if (action <= Action.field && before.kind[a] === tokens.kind[b]) {
        const kind = tokens.kind[b]!
        const [from, to] = [before.value[a]!, tokens.value[b]!]
        if (kind === Kind.global) {
          const each = globalVotes.get(to) ?? new Map<number, number>()
          globalVotes.set(to, each.set(from, (each.get(from) ?? 0) + 1))
        } else if ((kind === Kind.i32 || kind === Kind.offset) && from >= leastAddress && to >= leastAddress)
          votes.push({ from, to, weight: 1 })
      }
      if (action !== Action.insert) a++
      if (action !== Action.delete) b++
    }
  }
  const images = [imageOf(old), imageOf(now)]
  if (images[0] != null && images[1] != null) votes.push(...dataVotes(images[0], images[1]))
  const { lowest, highest } = addressRange(old)
  const globals = matchGlobals(old, now, globalVotes)
  return { globals, votes: votes.filter(({ from }) => from >= lowest && from < highest) }
}

function matchGlobals(old: Module, now: Module, votes: ReadonlyMap<number, ReadonlyMap<number, number>>): Int32Array {
  const oldCount = old.importedGlobals + old.globals
  return Int32Array.from({ length: now.importedGlobals + now.globals }, (_, index) => {
    const [best] = [...(votes.get(index) ?? [])].sort((a, b) => b[1] - a[1] || a[0] - b[0])
    if (best !== undefined && best[0] < oldCount) return best[0]
    const imported = index < now.importedGlobals
    return index < oldCount && index < old.importedGlobals === imported ? index : -1
  })
}

/** Segments by their mapped addresses; where there are as many as before, in order. */
function matchSegments(old: Module, now: Module, maps: Maps): Int32Array {
  const places = new Map<number, number>()
  for (const [i, { address }] of old.segments.entries()) if (address !== null) places.set(maps.address(address), i)
  return Int32Array.from(now.segments, ({ address }, i) => {
    const place = address === null ? undefined : places.get(address)
    if (place !== undefined) return place
    return now.segments.length === old.segments.length ? i : -1
  })
}
