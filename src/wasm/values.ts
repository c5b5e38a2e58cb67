import { maxValuesBytes } from './caps.ts'
import type { FuncType } from './types.ts'
import type { ValueCodec } from './values/codec.ts'
import { tupleCodec, valueCodecOf } from './values/codecs.ts'
import { ValueReader, ValueWriter } from './values/cursor.ts'

interface Plan {
  readonly args: ValueCodec
  /** Null where the function has none. */
  readonly result: ValueCodec | null
}

const plans = new WeakMap<FuncType, Plan>()

function planOf(func: FuncType): Plan {
  let plan = plans.get(func)
  if (plan === undefined) {
    plan = {
      args: tupleCodec(func.params.map(({ type }) => valueCodecOf(type))),
      result: func.result === null ? null : valueCodecOf(func.result),
    }
    plans.set(func, plan)
  }
  return plan
}

/**
 * The arguments of a call as they are sent: an array of CBOR, each by its WIT type. Values have the shapes of `abi.ts`. [P 11.9]
 *
 * @throws HyphaError `abi-value` for one that isn't of its type, `values-too-large`; both name the part.
 */
export function encodeArgs(func: FuncType, args: readonly unknown[]): Uint8Array<ArrayBuffer> {
  const out = new ValueWriter('args', maxValuesBytes)
  planOf(func).args.write(out, args)
  return out.finish()
}

/** Throws `values-malformed`, naming the part; never anything else, whatever the bytes are. */
export function decodeArgs(func: FuncType, bytes: Uint8Array): unknown[] {
  const from = new ValueReader('args', capped('args', bytes))
  const args = planOf(func).args.read(from) as unknown[]
  from.end()
  return args
}

/** The result of a call as it is sent; no bytes where the function has none. Throws as `encodeArgs` does. */
export function encodeResult(func: FuncType, result: unknown): Uint8Array<ArrayBuffer> {
  const out = new ValueWriter('result', maxValuesBytes)
  planOf(func).result?.write(out, result)
  return out.finish()
}

/** Throws as `decodeArgs` does. */
export function decodeResult(func: FuncType, bytes: Uint8Array): unknown {
  const from = new ValueReader('result', capped('result', bytes))
  const result = planOf(func).result?.read(from)
  from.end()
  return result
}

function capped(root: string, bytes: Uint8Array): Uint8Array {
  if (bytes.length <= maxValuesBytes) return bytes
  throw new ValueReader(root, bytes).wrong(`at most ${maxValuesBytes} bytes, and not ${bytes.length}`)
}
