import { HyphaError } from '@hypha/core/errors.ts'
import type { HostContext, HostFunctions } from '../../host/host.ts'
import { hostFunctions } from '../../host/interfaces.ts'
import { TurnHome } from '../../host/turn-home.ts'
import type { CallOutcome } from '../../linked-calls.ts'
import type {
  CellInstance,
  CellModule,
  FromWorker,
  InstanceEffects,
  LinkRequest,
  LoadedInstance,
  SavedState,
  ToWorker,
} from '../protocol.ts'
import { answerCall } from './answer-call.ts'
import type { CallPorts } from './calls.ts'
import { instantiateComponent } from './component.ts'
import { type InstanceParts, instantiateCore } from './instance.ts'
import type { Exports, LiftedFunction } from './lifted.ts'
import {
  collectEffects,
  compile,
  dropMember,
  findExport,
  logsOf,
  type Member,
  type ModuleInterface,
  memberOf,
  saveDirty,
  shortageNote,
} from './members.ts'

export type AgentRequest = Extract<FromWorker, { kind: 'ask' | 'link' }>
/** Blocks until the agent's own thread has answered. */
type AskAgent = (request: AgentRequest) => unknown

export interface TurnDone {
  readonly effects: readonly InstanceEffects[]
  /** Of a call. */
  readonly outcome?: CallOutcome
}

export interface OpenDone {
  readonly effects: readonly InstanceEffects[]
  /** Why `restore` refused a state; null in all other cases. */
  readonly refused: string | null
}

export interface Rehearsed {
  /** Null where it isn't known. */
  readonly restoreMs: number | null
  readonly refused: string | null
}

/** The instances of one cell, and the turn that runs. What throws here is a trap: the whole cell is given up. */
export class WorkerCell {
  readonly #modules: readonly CellModule[]
  readonly #members: readonly Member[]
  readonly #askAgent: AskAgent
  readonly #compileMs: readonly number[]
  /** Told which instance's code runs from here on. */
  readonly #inside: (instance: number) => void
  readonly #turn = new TurnHome()
  #turnKey = 'open'
  /** The instance that the turn began at. */
  #root = 0
  #asked = 0
  /** What a called instance threw: its caller must not be able to catch it. */
  #poison: { readonly error: unknown } | null = null
  /** The instances were made ahead, and asked for nothing: they are as they would be if they were made now. */
  #standing = false
  /** What the host answers, and to whom. */
  #stage: 'trial' | 'running' | 'rehearsal' = 'trial'
  #unknown = false

  /** Compiles. Throws `module-unloadable`. */
  constructor(
    modules: readonly CellModule[],
    instances: readonly CellInstance[],
    askAgent: AskAgent,
    inside: (instance: number) => void,
  ) {
    this.#inside = inside
    this.#modules = modules
    this.#askAgent = askAgent
    const compiled = modules.map(compile)
    this.#compileMs = compiled.map(({ ms }) => ms)
    this.#members = instances.map((spec) => memberOf(spec, compiled[spec.module]!.module))
  }

  /** Makes each instance, to see that it can be made. What its start asks of the host ends the trial, as no answer is due yet. */
  load(): LoadedInstance[] {
    this.#stage = 'trial'
    const loaded = this.#members.map((member, index) => {
      const started = performance.now()
      this.#make(index)
      return {
        compileMs: this.#compileMs[member.spec.module]!,
        instantiateMs: performance.now() - started,
        exports: this.#modules[member.spec.module]!.world.exports.map(({ name }) => name),
      }
    })
    const asTheyCame = ({ effects, exports, dirty, asked }: Member) => effects.empty && exports && !dirty && !asked
    this.#standing = this.#members.every(asTheyCame)
    if (!this.#standing) this.#dropAll()
    return loaded
  }

  /** Makes the instances that run, with what they remember, restores their state and starts them. Ends where a state is refused. */
  open({ remembered, states, starts, key }: Extract<ToWorker, { kind: 'open' }>): OpenDone {
    this.#begin(key, null)
    this.#stage = 'running'
    const standing = this.#standing
    this.#standing = false
    for (const [index, member] of this.#members.entries()) {
      for (const [name, value] of remembered[index]!.kv) member.kv.set(name, value)
      if (!standing) this.#make(index)
    }
    for (const { instance, release, state } of states) {
      const refused = this.#restore(instance, release, state)
      this.#throwPoison()
      if (refused !== null) return { effects: [], refused }
    }
    for (const index of starts) {
      this.#beginAt(index, this.#members[index]!.spec.key.home)
      findExport(this.#members[index]!.spec, this.#enter(index), 'lifecycle', 'start')()
      this.#throwPoison()
    }
    return { effects: collectEffects(this.#members), refused: null }
  }

  /**
   * Restores states in instances that are thrown away; fresh ones stand ready afterwards. What is traps or is refused is so for the instances that run later, too, except where one
   * asked for more than log, clock and config: then nothing is known.
   */
  rehearse(states: readonly SavedState[]): Rehearsed {
    const started: number[] = []
    let refused: string | null = null
    this.#dropAll()
    this.#stage = 'rehearsal'
    this.#unknown = false
    try {
      for (const index of this.#members.keys()) this.#make(index)
      started.push(performance.now())
      for (const { instance, release, state } of states) {
        refused ??= this.#restore(instance, release, state)
        this.#throwPoison()
      }
      started.push(performance.now())
    } catch (thrown) {
      if (!this.#unknown) throw thrown
    } finally {
      this.#poison = null
      this.#dropAll()
    }
    const restoreMs = this.#unknown ? null : started[1]! - started[0]!
    this.load()
    return { restoreMs, refused: restoreMs === null ? null : refused }
  }

  #restore(index: number, release: string, state: Uint8Array): string | null {
    const { spec } = this.#members[index]!
    const result = findExport(spec, this.#enter(index), 'state', 'restore')(release, state) as Result
    return result.tag === 'err' ? String(result.val) : null
  }

  #begin(key: string, root: number | null): void {
    this.#turnKey = key
    this.#asked = 0
    if (root === null) this.#beginAt(0, null)
    else this.#beginAt(root, this.#members[root]!.spec.key.home)
  }

  #beginAt(root: number, home: string | null): void {
    this.#root = root
    this.#inside(root)
    this.#turn.begin(home)
  }

  runTurn({ instance: index, call, key, home, checkpoint }: Extract<ToWorker, { kind: 'turn' }>): TurnDone {
    this.#turnKey = key
    this.#asked = 0
    this.#beginAt(index, home)
    const member = this.#members[index]!
    const exports = this.#enter(index)
    const functionOf = (name: ModuleInterface, func: string) => findExport(member.spec, exports, name, func)
    let state: Uint8Array | null = null
    let outcome: CallOutcome | undefined
    switch (call.kind) {
      case 'tick':
        functionOf('timer', 'tick')(BigInt(Math.trunc(call.nowMs)))
        break
      case 'deliver':
        functionOf('inbox', 'deliver')(call.topic, call.payload)
        break
      case 'stop':
        functionOf('lifecycle', 'stop')()
        break
      case 'save':
        state = functionOf('state', 'save')() as Uint8Array
        break
      case 'call':
        outcome = answerCall(call, this.#modules[member.spec.module]!.world, exports)
    }
    this.#throwPoison()
    const saved = checkpoint ? saveDirty(this.#members) : new Map<number, Uint8Array>()
    if (state !== null) saved.set(index, state)
    this.#throwPoison()
    return { effects: collectEffects(this.#members, saved), ...(outcome && { outcome }) }
  }

  /** Which instances have no memory left of what they are given: who allocates without end traps for that, and what it throws doesn't say so. */
  memoryNote(thrown: unknown): string {
    return shortageNote(this.#members, this.#modules, thrown instanceof WebAssembly.RuntimeError)
  }

  /** The lines that were logged before a trap; all else of the turn is dropped. */
  takeLogs(): InstanceEffects[] {
    const taken = logsOf(this.#members)
    this.#dropAll()
    return taken
  }

  #make(index: number): void {
    const member = this.#members[index]!
    const { key, config, links } = member.spec
    const { world, limits, publish } = this.#modules[member.spec.module]!
    const context: HostContext = {
      key,
      config,
      limits,
      publish,
      effects: member.effects,
      now: () => {
        member.asked = true
        return Date.now()
      },
      monotonic: () => {
        member.asked = true
        return performance.now()
      },
      turn: this.#turn,
      ask: (request) =>
        this.#ask(index, { kind: 'ask', instance: index, ...request, key: `${this.#turnKey}/${this.#asked++}` }),
    }
    try {
      const onMemory: InstanceParts['onMemory'] = (now, realloc) => {
        member.memory = { now, initialBytes: now.buffer.byteLength, realloc }
      }
      // Binding itself reads the clock.
      const onBound = () => {
        member.asked = false
      }
      const host = (name: string) => this.#hostFunctions(name, member, context)
      const calls: CallPorts = {
        turn: this.#turn,
        direct: (callee, name, func) => this.#direct(index, callee, name, func),
        call: (request) => this.#link(index, request),
        trap: (error) => {
          this.#poison ??= { error }
          throw error
        },
      }
      const parts: InstanceParts = { world, links, context, host, onBound, onMemory, calls }
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

  #hostFunctions(name: string, member: Member, context: HostContext): HostFunctions | null {
    const functions = hostFunctions(name, context, member.kv)
    if (functions === null || (this.#stage !== 'rehearsal' && name !== kvInterface)) return functions
    if (rehearsable.has(name)) return functions
    const noted = Object.entries(functions).map(([func, run]) => [func, this.#noting(member, run)])
    return Object.fromEntries(noted) as HostFunctions
  }

  /** What must not pass unseen while an instance is made, or at all in a rehearsal. */
  #noting(member: Member, run: (...args: never[]) => unknown): (...args: never[]) => unknown {
    return (...args) => {
      member.asked = true
      if (this.#stage !== 'rehearsal') return run(...args)
      this.#unknown = true
      throw new TrialEnded()
    }
  }

  #enter(index: number): Exports {
    const member = this.#members[index]!
    member.dirty = true
    if (member.exports === null)
      throw new HyphaError('abi-trap', `"${member.spec.key.module}" was called before it was made`)
    return member.exports
  }

  /** A function of an instance for its callers: what it throws ends the turn, whatever they do with it. The device that they have chosen is the callee's home. */
  #direct(caller: number, index: number, name: string, func: string): LiftedFunction {
    const turn = this.#turn
    const callee = this.#members[index]!
    const { home: ownHome } = callee.spec.key
    // Looked up at the first call: the callee may be made later than its caller, and is never made again without it.
    let run: LiftedFunction | undefined
    return (...args) => {
      run ??= this.#enter(index).get(name)?.get(func)
      if (run === undefined) {
        throw new HyphaError('abi-trap', `${name}#${func} is not exported by what it is linked to`)
      }
      callee.dirty = true
      this.#inside(index)
      const { home, target } = turn
      turn.begin(ownHome ?? target ?? home)
      try {
        return run(...args)
      } catch (error) {
        this.#poison ??= { error }
        throw error
      } finally {
        turn.home = home
        turn.target = target
        this.#inside(caller)
      }
    }
  }

  #link(instance: number, request: Omit<LinkRequest, 'instance' | 'key'>): CallOutcome {
    const { module, home } = this.#members[this.#root]!.spec.key
    const key = `${module}@${home ?? ''}/${this.#turnKey}/${this.#asked++}`
    return this.#ask(instance, { kind: 'link', instance, ...request, key }) as CallOutcome
  }

  #ask(instance: number, request: AgentRequest): unknown {
    if (this.#stage !== 'running') {
      if (request.kind === 'link') {
        this.#members[instance]!.asked = true
        this.#unknown = true
      }
      throw new TrialEnded()
    }
    try {
      return this.#askAgent(request)
    } catch (error) {
      this.#poison ??= { error }
      throw error
    }
  }

  #throwPoison(): void {
    if (this.#poison !== null) throw this.#poison.error
  }

  #dropAll(): void {
    this.#standing = false
    for (const member of this.#members) dropMember(member)
  }
}

const kvInterface = 'hypha:host/kv@0.1.0'
/** Host interfaces that answer in a rehearsal. */
const rehearsable = new Set(['log', 'clock', 'config'].map((name) => `hypha:host/${name}@0.1.0`))

type Result = { readonly tag: string; readonly val: unknown }

class TrialEnded extends Error {}
