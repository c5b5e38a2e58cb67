import { HyphaError } from '@hypha/core/errors.ts'
import type { FuncType } from '@hypha/core/wasm/types.ts'
import { decodeResult, encodeArgs } from '@hypha/core/wasm/values.ts'
import type { TurnHome } from '../../host/turn-home.ts'
import { type CallOutcome, failed } from '../../linked-calls.ts'
import type { CellLink, LinkRequest } from '../protocol.ts'
import { emptyValue } from './empty-value.ts'
import type { LiftedFunction } from './lifted.ts'

type MessageLink = Extract<CellLink, { kind: 'message' }>
type Failure = Extract<CallOutcome, { kind: 'failed' }>

/** What a function that calls by message needs of its cell. */
export interface CallPorts {
  readonly turn: TurnHome
  /** A function of an instance of the same cell. */
  direct(instance: number, name: string, func: string): LiftedFunction
  /** Ends the turn, whatever the module does. */
  trap(error: HyphaError): never
  /** Blocks until the agent has the outcome. */
  call(request: Omit<LinkRequest, 'instance' | 'key'>): CallOutcome
}

/** A function that is imported over a link that leaves the cell. Throws what ends the turn: where neither the result nor the link's policy can say that it failed. [P 11.10] */
export function callingFunction(link: MessageLink, name: string, type: FuncType, ports: CallPorts): LiftedFunction {
  const direct = new Map<string, LiftedFunction>()
  let last: { readonly value: unknown } | null = null
  return (...args) => {
    const home = ports.turn.forCalls
    const here = home === null ? undefined : link.here.get(home)
    if (here !== undefined) {
      const run = direct.get(home!) ?? ports.direct(here, link.as, type.name)
      direct.set(home!, run)
      return run(...args)
    }
    const answer = callOver(name, type, args, ports)
    if (!('failure' in answer)) {
      if (link.policy === 'last-value') last = answer
      return answer.value
    }
    return failedValue(answer.failure, { link, name, type, last }, ports)
  }
}

function callOver(
  name: string,
  func: FuncType,
  args: readonly unknown[],
  { turn, call }: CallPorts,
): { readonly value: unknown } | { readonly failure: Failure } {
  try {
    const encoded = encodeArgs(func, args)
    const outcome = call({ interface: name, func: func.name, args: encoded, home: turn.forCalls })
    if (outcome.kind === 'failed') return { failure: outcome }
    return { value: decodeResult(func, outcome.result) }
  } catch (thrown) {
    if (!(thrown instanceof HyphaError)) throw thrown
    if (thrown.code === 'values-too-large') return { failure: failed(thrown.code, thrown.message) }
    if (thrown.code === 'values-malformed') return { failure: failed(thrown.code, thrown.message, 'yes') }
    throw thrown
  }
}

interface Around {
  readonly link: MessageLink
  readonly name: string
  readonly type: FuncType
  readonly last: { readonly value: unknown } | null
}

function failedValue({ code, message, ran }: Failure, { link, name, type, last }: Around, ports: CallPorts): unknown {
  const { result } = type
  const text = `${code}: ${message} (it ${ranWords[ran]})`
  if (typeof result === 'object' && result?.kind === 'result' && result.err === 'string') {
    return { tag: 'err', val: text }
  }
  if (link.policy === 'drop') return emptyValue(result)
  if (link.policy === 'last-value' && last !== null) return last.value
  return ports.trap(new HyphaError('link-failed', `${name}#${type.name} failed: ${text}`, { where: name }))
}

const ranWords = { no: 'did not run', yes: 'ran', unknown: 'may have run' } as const
