import { HyphaError } from '@hypha/core/errors.ts'
import type { World } from '@hypha/core/wasm/types.ts'
import { decodeArgs, encodeResult } from '@hypha/core/wasm/values.ts'
import { type CallOutcome, failed } from '../../linked-calls.ts'
import type { TurnCall } from '../protocol.ts'
import { functionFor } from '../served.ts'
import type { Exports } from './lifted.ts'

/** Runs the function that a call names. The arguments are a stranger's bytes: what is wrong with them is the outcome. Throws what the module throws. */
export function answerCall(
  { interface: name, func, args: bytes }: Extract<TurnCall, { kind: 'call' }>,
  world: World,
  exports: Exports,
): CallOutcome {
  const served = functionFor(world, name, func)
  const run = served === null ? undefined : exports.get(served.name)?.get(func)
  if (served === null || run === undefined) {
    return failed('link-not-listed', `the called module exports no ${name}#${func}`)
  }
  let args: unknown[]
  try {
    args = decodeArgs(served.type, bytes)
  } catch (thrown) {
    return failedWith(thrown, 'no')
  }
  const result = run(...args)
  try {
    return { kind: 'ok', result: encodeResult(served.type, result) }
  } catch (thrown) {
    return failedWith(thrown, 'yes')
  }
}

function failedWith(thrown: unknown, ran: 'no' | 'yes'): CallOutcome {
  if (!(thrown instanceof HyphaError)) throw thrown
  return failed(thrown.code, thrown.message, ran)
}
