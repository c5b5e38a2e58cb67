import { HyphaError } from '@hypha/core/errors.ts'
import { TurnEffects } from '../../host/effects.ts'
import type { HostContext, HostRequest } from '../../host/host.ts'
import type { CellInstance, CellModule, InstanceEffects, LoadedInstance, Remembered, TurnCall } from '../protocol.ts'
import { type CompiledComponent, compileComponent, instantiateComponent } from './component.ts'
import { type Exports, type InstanceParts, instantiateCore } from './instance.ts'

/** Blocks until the agent's own thread has answered. */
export type AskAgent = (instance: number, request: HostRequest) => unknown

export interface TurnDone {
  readonly effects: readonly InstanceEffects[]
  /** Why `restore` refused the state; null in all other cases. */
  readonly refused: string | null
}

type Compiled = WebAssembly.Module | CompiledComponent

interface Member {
  readonly spec: CellInstance
  readonly module: Compiled
  readonly effects: TurnEffects
  exports: Exports | null
  /** With the bytes that it began with. */
  memory: { readonly now: WebAssembly.Memory; readonly initialBytes: number } | null
  /** It was called since its last `save`, so that its state may have changed. */
  dirty: boolean
}

/** The instances of one cell, and the turn that runs. What throws here is a trap: the whole cell is given up. */
export class WorkerCell {
  readonly #modules: readonly CellModule[]
  readonly #members: readonly Member[]
  readonly #askAgent: AskAgent
  readonly #compileMs: readonly number[]
  #turnKey = 'open'
  #asked = 0
  /** What a called instance threw: its caller must not be able to catch it. */
  #poison: { readonly error: unknown } | null = null

  /** Compiles. Throws `module-unloadable`. */
  constructor(modules: readonly CellModule[], instances: readonly CellInstance[], askAgent: AskAgent) {
    this.#modules = modules
    this.#askAgent = askAgent
    const compiled = modules.map(compile)
    this.#compileMs = compiled.map(({ ms }) => ms)
    this.#members = instances.map((spec) => ({
      spec,
      module: compiled[spec.module]!.module,
      effects: new TurnEffects(),
      exports: null,
      memory: null,
      dirty: false,
    }))
  }

  /** Makes each instance once and throws it away, to see that it can be made. What its start asks of the host ends the trial, as no answer is due yet. */
  rehearse(): LoadedInstance[] {
    const loaded = this.#members.map((member, index) => {
      const started = performance.now()
      this.#make(index, new Map(), () => {
        throw new TrialEnded()
      })
      return {
        compileMs: this.#compileMs[member.spec.module]!,
        instantiateMs: performance.now() - started,
        exports: this.#modules[member.spec.module]!.world.exports.map(({ name }) => name),
      }
    })
    this.#dropAll()
    return loaded
  }

  /** Makes the instances that run, with what they remember. */
  open(remembered: readonly Remembered[]): TurnDone {
    for (const index of this.#members.keys()) {
      const ask: AskAgent = (instance, request) => this.#ask(instance, request)
      this.#make(index, new Map(remembered[index]!.kv), ask)
    }
    return { effects: this.#collect(), refused: null }
  }

  runTurn(index: number, call: TurnCall, key: string, checkpoint: boolean): TurnDone {
    this.#turnKey = key
    this.#asked = 0
    const member = this.#members[index]!
    const exports = this.#enter(index)
    const functionOf = (name: ModuleInterface, func: string) => findExport(member.spec, exports, name, func)
    let state: Uint8Array | null = null
    let refused: string | null = null
    switch (call.kind) {
      case 'tick':
        functionOf('timer', 'tick')(BigInt(Math.trunc(call.nowMs)))
        break
      case 'deliver':
        functionOf('inbox', 'deliver')(call.topic, call.payload)
        break
      case 'start':
      case 'stop':
        functionOf('lifecycle', call.kind)()
        break
      case 'save':
        state = functionOf('state', 'save')() as Uint8Array
        break
      case 'restore': {
        const result = functionOf('state', 'restore')(call.release, call.state) as { tag: string; val: unknown }
        if (result.tag === 'err') refused = String(result.val)
      }
    }
    this.#throwPoison()
    const saved = checkpoint ? this.#saveDirty() : new Map<number, Uint8Array>()
    if (state !== null) saved.set(index, state)
    this.#throwPoison()
    return { effects: this.#collect(saved), refused }
  }

  /** Which instances have grown to all the memory that they are given: who allocates without end traps for that, and what it throws doesn't say so. */
  get memoryNote(): string {
    const limitOf = (spec: CellInstance) => this.#modules[spec.module]!.limits.memoryBytes
    const full = this.#members.filter(({ spec, memory }) => {
      const bytes = memory?.now.buffer.byteLength ?? 0
      return memory !== null && bytes > memory.initialBytes && bytes + pageBytes > limitOf(spec)
    })
    return full
      .map(({ spec }) => `; module "${spec.key.module}" has taken all its memory of ${limitOf(spec)} bytes`)
      .join('')
  }

  /** The lines that were logged before a trap; all else of the turn is dropped. */
  takeLogs(): InstanceEffects[] {
    const taken: InstanceEffects[] = []
    for (const [instance, { effects }] of this.#members.entries()) {
      if (effects.logs.length === 0) continue
      const throttled = { samples: 0, messages: 0, logs: effects.throttled.logs }
      taken.push({ instance, samples: [], logs: effects.logs, messages: [], kv: [], state: null, throttled })
    }
    this.#dropAll()
    return taken
  }

  #make(index: number, kv: Map<string, Uint8Array>, ask: AskAgent): void {
    const member = this.#members[index]!
    const { key, config, links } = member.spec
    const { world, limits, publish } = this.#modules[member.spec.module]!
    const context: HostContext = {
      key,
      config,
      limits,
      publish,
      effects: member.effects,
      now: () => Date.now(),
      monotonic: () => performance.now(),
      ask: (request) => ask(index, { ...request, key: `${this.#turnKey}/${this.#asked++}` }),
    }
    try {
      const onMemory = (now: WebAssembly.Memory) => {
        member.memory = { now, initialBytes: now.buffer.byteLength }
      }
      const parts: InstanceParts = { world, links, context, kv, onMemory, callee: (i) => this.#calleeOf(i) }
      const { module } = member
      member.exports =
        module instanceof WebAssembly.Module ? instantiateCore(module, parts) : instantiateComponent(module, parts)
    } catch (thrown) {
      if (thrown instanceof TrialEnded) return
      if (thrown instanceof WebAssembly.LinkError) {
        throw new HyphaError('module-unloadable', `module "${key.module}": ${thrown.message}`, { cause: thrown })
      }
      throw thrown
    }
  }

  #enter(index: number): Exports {
    const member = this.#members[index]!
    member.dirty = true
    if (member.exports === null)
      throw new HyphaError('abi-trap', `"${member.spec.key.module}" was called before it was made`)
    return member.exports
  }

  /** The exports of an instance for its callers: what it throws ends the turn, whatever they do with it. */
  #calleeOf(index: number): Exports {
    const exports = this.#enter(index)
    return new Map(
      [...exports].map(([name, funcs]) => [
        name,
        new Map([...funcs].map(([func, run]) => [func, this.#poisoning(run)])),
      ]),
    )
  }

  #poisoning(run: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown {
    return (...args) => {
      try {
        return run(...args)
      } catch (error) {
        this.#poison ??= { error }
        throw error
      }
    }
  }

  #ask(instance: number, request: HostRequest): unknown {
    try {
      return this.#askAgent(instance, request)
    } catch (error) {
      this.#poison ??= { error }
      throw error
    }
  }

  #throwPoison(): void {
    if (this.#poison !== null) throw this.#poison.error
  }

  #saveDirty(): Map<number, Uint8Array> {
    const saved = new Map<number, Uint8Array>()
    for (const [index, member] of this.#members.entries()) {
      const save = member.exports === null ? undefined : exportOf(member.exports, 'state', 'save')
      if (!member.dirty || save === undefined) continue
      saved.set(index, save() as Uint8Array)
      member.dirty = false
    }
    return saved
  }

  #collect(saved: ReadonlyMap<number, Uint8Array> = new Map()): InstanceEffects[] {
    const collected: InstanceEffects[] = []
    for (const [instance, { effects }] of this.#members.entries()) {
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

  #dropAll(): void {
    for (const member of this.#members) {
      member.effects.clear()
      member.exports = null
      member.memory = null
    }
  }
}

const pageBytes = 65_536

class TrialEnded extends Error {}

function compile({ name, bytes, transpiled }: CellModule): { module: Compiled; ms: number } {
  const started = performance.now()
  try {
    const module = transpiled === undefined ? new WebAssembly.Module(bytes) : compileComponent(transpiled)
    return { module, ms: performance.now() - started }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new HyphaError('module-unloadable', `module "${name}" can't be compiled: ${why}`, { cause })
  }
}

type ModuleInterface = 'timer' | 'inbox' | 'lifecycle' | 'state'

function exportOf(exports: Exports, name: ModuleInterface, func: string) {
  return exports.get(`hypha:module/${name}@0.1.0`)?.get(func)
}

function findExport(spec: CellInstance, exports: Exports, name: ModuleInterface, func: string) {
  const found = exportOf(exports, name, func)
  if (found !== undefined) return found
  throw new HyphaError('abi-trap', `module "${spec.key.module}" exports no hypha:module/${name}@0.1.0#${func}`)
}
