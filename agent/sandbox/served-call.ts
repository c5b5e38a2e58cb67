import { bytesEqual } from '@hypha/core/bytes/text.ts'
import type { World } from '@hypha/core/wasm/types.ts'
import { type CallOutcome, failed, type LinkedCall } from '../linked-calls.ts'
import { digestOf } from './digests.ts'
import { functionFor } from './served.ts'

/** Why a module with this world can't answer a call; null where it can. [P 11.8] */
export function refusalOf(
  { interface: name, func, digest }: Pick<LinkedCall, 'interface' | 'func' | 'digest'>,
  world: World,
): CallOutcome | null {
  const served = functionFor(world, name, func)
  if (served !== null && bytesEqual(digestOf(served.name, served.type), digest)) return null
  const what = served === null ? 'does not export it' : 'has it with another type'
  return failed('epoch-mismatch', `${name}#${func}: the release that the called module runs in ${what}`)
}
