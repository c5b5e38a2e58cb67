import { HyphaError } from '@hypha/core/errors.ts'
import { TurnEffects } from '../../host/effects.ts'
import type { CellInstance, CellModule, InstanceEffects } from '../protocol.ts'
import { type CompiledComponent, compileComponent } from './component.ts'
import type { Exports } from './lifted.ts'
import { type InstanceMemory, shortage } from './room.ts'

type Compiled = WebAssembly.Module | CompiledComponent

/** An instance of a cell, from before it is made until its cell is dropped. */
export interface Member {
  readonly spec: CellInstance
  readonly module: Compiled
  readonly effects: TurnEffects
  exports: Exports | null
  /** With the bytes that it began with. */
  memory: InstanceMemory | null
  /** It was called since its last `save`, so that its state may have changed. */
  dirty: boolean
  /** Its own code asked the host for something while it was made: what it knows is of then. */
  asked: boolean
  /** What its functions for kv work on. */
  readonly kv: Map<string, Uint8Array>
}

/** One that isn't made yet. */
export const memberOf = (spec: CellInstance, module: Compiled): Member => ({
  spec,
  module,
  effects: new TurnEffects(),
  exports: null,
  memory: null,
  dirty: false,
  asked: false,
  kv: new Map(),
})

/** It isn't made any more, and nothing is left of what it did. */
export function dropMember(member: Member): void {
  member.effects.clear()
  member.exports = null
  member.memory = null
  member.dirty = false
  member.asked = false
  member.kv.clear()
}

/** What those that were called since their last `save` save now, by instance. */
export function saveDirty(members: readonly Member[]): Map<number, Uint8Array> {
  const saved = new Map<number, Uint8Array>()
  for (const [index, member] of members.entries()) {
    const save = member.exports === null ? undefined : exportOf(member.exports, 'state', 'save')
    if (!member.dirty || save === undefined) continue
    saved.set(index, save() as Uint8Array)
    member.dirty = false
  }
  return saved
}

/** What the turn leaves behind, and what was saved of it; the next turn begins with nothing. */
export function collectEffects(
  members: readonly Member[],
  saved: ReadonlyMap<number, Uint8Array> = new Map(),
): InstanceEffects[] {
  const collected: InstanceEffects[] = []
  for (const [instance, { effects }] of members.entries()) {
    const state = saved.get(instance) ?? null
    if (!effects.empty || state !== null) {
      const { samples, logs, messages, throttled } = effects
      const kv = [...effects.kv].map(([key, value]) => ({ key, value }))
      collected.push({ instance, samples, logs, messages, kv, state, throttled })
    }
    effects.clear()
  }
  return collected
}

/** The lines that were logged, and nothing else. */
export function logsOf(members: readonly Member[]): InstanceEffects[] {
  const taken: InstanceEffects[] = []
  for (const [instance, { effects }] of members.entries()) {
    if (effects.logs.length === 0) continue
    const throttled = { samples: 0, messages: 0, logs: effects.throttled.logs }
    taken.push({ instance, samples: [], logs: effects.logs, messages: [], kv: [], state: null, throttled })
  }
  return taken
}

/** A clause for each that has no memory left; `mayAsk`: its allocator may be asked. */
export const shortageNote = (members: readonly Member[], modules: readonly CellModule[], mayAsk: boolean): string =>
  members
    .map(({ spec, memory }) => {
      const note = memory === null ? null : shortage(memory, modules[spec.module]!.limits.memoryBytes, mayAsk)
      return note === null ? '' : `; module "${spec.key.module}" ${note}`
    })
    .join('')

/** Throws `module-unloadable`. */
export function compile({ name, bytes, transpiled }: CellModule): { module: Compiled; ms: number } {
  const started = performance.now()
  try {
    const module = transpiled === undefined ? new WebAssembly.Module(bytes) : compileComponent(transpiled)
    return { module, ms: performance.now() - started }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new HyphaError('module-unloadable', `module "${name}" can't be compiled: ${why}`, { cause })
  }
}

export type ModuleInterface = 'timer' | 'inbox' | 'lifecycle' | 'state'

function exportOf(exports: Exports, name: ModuleInterface, func: string) {
  return exports.get(`hypha:module/${name}@0.1.0`)?.get(func)
}

/** A function that an instance must export; throws `abi-trap` where it doesn't. */
export function findExport(spec: CellInstance, exports: Exports, name: ModuleInterface, func: string) {
  const found = exportOf(exports, name, func)
  if (found !== undefined) return found
  throw new HyphaError('abi-trap', `module "${spec.key.module}" exports no hypha:module/${name}@0.1.0#${func}`)
}
