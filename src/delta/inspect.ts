import { fromUtf8 } from '../bytes/text.ts'
import type { Compressor } from '../ports/compressor.ts'
import { PatchDecoder, type PatchHeader } from './decoder.ts'
import { isModule, type Module, readModule } from './module.ts'
import { bytesOf, readExports, readNames } from './section-tables.ts'

/** A function that a patch adds, edits or takes away; its index is that in the module that has it. */
export interface FunctionChange {
  readonly change: 'added' | 'edited' | 'removed'
  readonly index: number
  readonly name: string | null
  /** Bytes of the patch that it takes, with fractions. */
  readonly bytes: number
}

export interface PatchContent {
  readonly header: PatchHeader
  /** Sections of the new module, or of all core modules of a component, and the bytes of the patch that each takes. */
  readonly sections: readonly { readonly section: string; readonly bytes: number }[]
  readonly functions: readonly FunctionChange[]
  /** Functions that are as before, but for what they refer to. */
  readonly unchanged: number
}

const sectionNames = [
  'custom',
  'type',
  'import',
  'function',
  'table',
  'memory',
  'global',
  'export',
  'start',
  'element',
  'code',
  'data',
  'data count',
  'tag',
]

/**
 * What a patch changes, found by applying it.
 *
 * @throws HyphaError as applying it does
 */
export function inspectPatch(base: Uint8Array, patch: Uint8Array, compressor: Compressor): PatchContent {
  const sections: { section: string; bytes: number }[] = []
  const changes: { index: number; change: 'added' | 'edited'; bytes: number }[] = []
  const kept = new Set<number>()
  let unchanged = 0
  const decoder = new PatchDecoder(base, compressor, {
    section: (id, bits) => sections.push({ section: sectionNames[id] ?? `${id}`, bytes: bits / 8 }),
    body: ({ index, reference, change }, bits) => {
      if (change !== 'added') kept.add(reference)
      if (change === 'same') unchanged++
      else changes.push({ index, change, bytes: bits / 8 })
    },
  })
  const parts = [decoder.write(patch), decoder.end()]
  const content = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  content.set(parts[0]!)
  content.set(parts[1]!, parts[0]!.length)
  const header = decoder.header!
  // The functions of a component's modules have no names of their own here.
  if (header.kind !== 'module' || !isModule(base))
    return { header, sections, functions: changes.map((each) => ({ ...each, name: null })), unchanged }
  const old = readModule(base)
  const names = { old: functionNames(old), now: functionNames(readModule(content)) }
  const functions: FunctionChange[] = changes.map((each) => ({ ...each, name: names.now.get(each.index) ?? null }))
  for (let i = 0; i < old.bodies.length; i++) {
    const index = old.importedFunctions.length + i
    if (!kept.has(index)) functions.push({ change: 'removed', index, name: names.old.get(index) ?? null, bytes: 0 })
  }
  return { header, sections, functions, unchanged }
}

/** Names of functions: those of the name section, else of their exports. */
function functionNames(module: Module): Map<number, string> {
  const names = new Map<number, string>()
  for (const section of module.sections) {
    if (section.id === 7)
      for (const { name, kind, index } of readExports(module, section) ?? [])
        if (kind === 0) names.set(index, shown(name))
    if (section.id !== 0) continue
    const part = readNames(module, section)?.find(({ id }) => id === 1)
    for (const { index, name } of part?.names ?? []) names.set(index, shown(name))
  }
  return names
}

/** Names may be any bytes. */
function shown(name: string): string {
  try {
    return fromUtf8(bytesOf(name))
  } catch {
    return name
  }
}
