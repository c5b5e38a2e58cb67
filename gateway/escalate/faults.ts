import { shortageIn } from '@hypha/core/wire/shortage.ts'
import type { FaultCause, Instance } from './bar.ts'

/** Something that went wrong in an instance and might not on a stronger node. */
export interface Fault extends Instance {
  readonly node: string
  readonly cause: FaultCause
  readonly at: number
  /** Of the memory that it has taken, in bytes; null where it isn't known. */
  readonly limitBytes: number | null
}

/** What a node tells of an instance. */
interface Told {
  readonly at: number
  readonly node: string | null
  readonly app: string | null
  readonly module: string | null
  readonly home: string | null
  readonly code: string
  readonly text: string
}

/**
 * The fault that an event tells of; null where a stronger node would not help. A trap counts where the sandbox found that a module of the cell has no memory left: that module is to blame, whoever's
 * turn it was, as is the one that a turn hung in. A bug that traps for another reason would trap anywhere.
 */
export function faultOf({ at, node, app, module, home, code, text }: Told): Fault | null {
  if (node === null || app === null || module === null) return null
  const fault = { node, app, module, home, at, limitBytes: null }
  if (code === 'deadline')
    return { ...fault, module: /, in module "([a-z0-9-]{1,40})"/.exec(text)?.[1] ?? module, cause: 'deadline' }
  if (code === 'throttled') return { ...fault, cause: 'quota' }
  if (code !== 'trapped') return null
  const shortage = shortageIn(text)
  return shortage && { ...fault, ...shortage, cause: 'memory' }
}
