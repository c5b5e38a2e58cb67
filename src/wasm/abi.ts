import { codecOf } from './abi/build.ts'
import type { Codec, Flat, FlatType } from './abi/codec.ts'
import { lowered, maxFlat } from './abi/codec.ts'
import { tupleCodec } from './abi/compound.ts'
import { type AbiContext, GuestMemory } from './abi/memory.ts'
import type { FuncType } from './types.ts'

export { type AbiContext, maxLiftedBytes } from './abi/memory.ts'

// Component model, Canonical ABI, "Flattening".
const maxFlatParams = maxFlat - 1
const maxFlatResults = 1

/** A function of a core module, or one to be imported by it. */
export type CoreFunction = (...flat: Flat[]) => Flat | undefined

interface FuncPlan {
  readonly params: readonly Codec[]
  /** All parameters as one tuple, where they have more core values than are passed as such. */
  readonly spilled: Codec | null
  readonly result: Codec | null
  /** Whether the result is passed through memory. */
  readonly viaMemory: boolean
  /** How many core values the parameters take. */
  readonly flatParams: readonly FlatType[]
}

const plans = new WeakMap<FuncType, FuncPlan>()

function planOf(func: FuncType): FuncPlan {
  let plan = plans.get(func)
  if (plan === undefined) {
    const params = func.params.map(({ type }) => codecOf(type))
    const result = func.result === null ? null : codecOf(func.result)
    const flat = params.flatMap((codec) => codec.flat)
    const spilled = flat.length > maxFlatParams ? tupleCodec(params) : null
    const viaMemory = result !== null && result.flat.length > maxFlatResults
    plan = { params, spilled, result, viaMemory, flatParams: spilled === null ? flat : ['i32'] }
    plans.set(func, plan)
  }
  return plan
}

/** The core signature of a function: as a core module imports it, or as it exports it (Canonical ABI, `flatten_functype`). */
export function coreSignature(func: FuncType, side: 'import' | 'export'): { params: FlatType[]; results: FlatType[] } {
  const { flatParams, result, viaMemory } = planOf(func)
  if (!viaMemory) return { params: [...flatParams], results: [...(result?.flat ?? [])] }
  return side === 'import'
    ? { params: [...flatParams, 'i32'], results: [] }
    : { params: [...flatParams], results: ['i32'] }
}

const memories = new WeakMap<AbiContext, GuestMemory>()

/** One per instance, so that its functions share the views on its memory. */
function memoryOf(context: AbiContext): GuestMemory {
  let memory = memories.get(context)
  if (memory === undefined) {
    memory = new GuestMemory(context)
    memories.set(context, memory)
  }
  return memory
}

/**
 * Makes a host function importable by a core module: lifts the arguments out of the guest's memory, calls, lowers the result.
 *
 * Values are JavaScript's as jco has them: numbers, bigints for 64 bits, strings, booleans; records and flags as objects with camelCase keys;
 * enums as strings, variants and **results as `{ tag, val }`** (results never throw), options as the value or undefined, options of options
 * as `{ tag, val }`; lists of numbers as typed arrays, other lists and tuples as arrays. What is lifted is a copy and belongs to the host.
 *
 * The function throws `abi-trap` for what the guest did wrong, `abi-value` for what the host returned wrong, and whatever the host throws.
 *
 * @param where names the function in errors: `hypha:host/log@0.1.0#write`.
 */
export function bindImport(
  func: FuncType,
  host: (...args: never[]) => unknown,
  context: AbiContext,
  where: string = func.name,
): CoreFunction {
  const { params, spilled } = planOf(func)
  const memory = memoryOf(context)
  const call = host as (...args: unknown[]) => unknown
  const finish = lowerResult(func, memory, where)
  const [first] = params
  if (first === undefined) return (pointer) => finish(call(), pointer)
  if (params.length === 1 && first.single !== null) {
    const { lift } = first.single
    return (flat, pointer) => {
      memory.enter(where)
      return finish(call(lift(memory, flat!)), pointer)
    }
  }
  if (params.length === 1 && first.span !== null) {
    const { lift } = first.span
    return (at, length, pointer) => {
      memory.enter(where)
      return finish(call(lift(memory, (at as number) >>> 0, (length as number) >>> 0)), pointer)
    }
  }
  if (spilled !== null) {
    return (at, pointer) => {
      memory.enter(where)
      const args = spilled.load(memory, memory.check(at as number, spilled.align, spilled.size)) as unknown[]
      return finish(call(...args), pointer)
    }
  }
  return generalImport(params, memory, where, call, finish)
}

function generalImport(
  params: readonly Codec[],
  memory: GuestMemory,
  where: string,
  call: (...args: unknown[]) => unknown,
  finish: (value: unknown, pointer: Flat | undefined) => Flat | undefined,
): CoreFunction {
  const positions: number[] = []
  let count = 0
  for (const { flat } of params) {
    positions.push(count)
    count += flat.length
  }
  return (...flat) => {
    memory.enter(where)
    const args: unknown[] = []
    for (let index = 0; index < params.length; index++) {
      args.push(params[index]!.lift(memory, flat, positions[index]!))
    }
    return finish(call(...args), flat[count])
  }
}

/** What happens to the value that the host returned; `pointer` is where the guest wants it if it goes through memory. */
function lowerResult(
  func: FuncType,
  memory: GuestMemory,
  where: string,
): (value: unknown, pointer: Flat | undefined) => Flat | undefined {
  const { result, viaMemory } = planOf(func)
  if (result === null) return () => undefined
  if (!viaMemory) {
    const { lower } = result.single!
    return (value) => {
      memory.enter(where)
      return lower(memory, value)
    }
  }
  const { store, align, size } = result
  return (value, pointer) => {
    memory.enter(where)
    store(memory, memory.check(pointer as number, align, size), value)
    return undefined
  }
}

/**
 * Makes an exported core function callable: lowers the arguments, calls, lifts the result and then calls `post`, the guest's `cabi_post_…`
 * (undefined where it exports none). Values are as for `bindImport`.
 *
 * The function throws `abi-value` for wrong arguments, `abi-trap` for what the guest returned wrong, and whatever the guest's code throws.
 */
export function bindExport(
  func: FuncType,
  core: CoreFunction,
  post: CoreFunction | undefined,
  context: AbiContext,
  where: string = func.name,
): (...args: unknown[]) => unknown {
  const { params, spilled } = planOf(func)
  const memory = memoryOf(context)
  const finish = liftResult(func, memory, where, post)
  const [first] = params
  if (first === undefined) return () => finish(core())
  if (params.length === 1 && first.single !== null) {
    const { lower } = first.single
    return (value) => {
      memory.enter(where)
      return finish(core(lower(memory, value)))
    }
  }
  if (params.length === 1 && first.span !== null) {
    const { lower } = first.span
    return (value) => {
      memory.enter(where)
      const pointer = lower(memory, value)
      return finish(core(pointer, lowered.length))
    }
  }
  if (spilled !== null) {
    return (...args) => {
      memory.enter(where)
      const pointer = memory.allocate(spilled.align, spilled.size)
      spilled.store(memory, pointer, args)
      return finish(core(pointer))
    }
  }
  return (...args) => {
    memory.enter(where)
    const flat: Flat[] = []
    for (let index = 0; index < params.length; index++) params[index]!.lower(memory, args[index], flat)
    return finish(core(...flat))
  }
}

function liftResult(
  func: FuncType,
  memory: GuestMemory,
  where: string,
  post: CoreFunction | undefined,
): (flat: Flat | undefined) => unknown {
  const lift = liftCoreResult(func, memory, where)
  if (post === undefined) return lift
  const withResult = planOf(func).result !== null
  return (flat) => {
    const value = lift(flat)
    if (withResult) post(flat!)
    else post()
    return value
  }
}

function liftCoreResult(func: FuncType, memory: GuestMemory, where: string): (flat: Flat | undefined) => unknown {
  const { result, viaMemory } = planOf(func)
  if (result === null) return () => undefined
  if (!viaMemory) {
    const { lift } = result.single!
    return (flat) => {
      memory.enter(where)
      return lift(memory, flat!)
    }
  }
  const { load, align, size } = result
  return (pointer) => {
    memory.enter(where)
    return load(memory, memory.check(pointer as number, align, size))
  }
}
