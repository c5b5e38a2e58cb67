import type { ServedLink } from '@hypha/core/trust/directive.ts'
import { versionTrack } from '@hypha/core/wasm/versions.ts'
import type { End } from '../linked-calls.ts'

export interface Asked {
  readonly interface: string
  readonly caller: End
  readonly callee: End
  /** The device that the caller's turn belongs to. */
  readonly home: string | null
}

/** Whether a node's directive has it answer a call that comes from another node. [P 11.1] */
export function isServed(served: readonly ServedLink[], node: string, asked: Asked): boolean {
  const { callee, caller } = asked
  // A device speaks for itself: only what is shared may choose whom a call is meant for.
  if (caller.home !== null && asked.home !== caller.home) return false
  if (callee.home !== null && asked.home !== callee.home) return false
  const track = versionTrack(asked.interface)
  return served.some(
    (link) =>
      link.module === callee.module &&
      link.home === callee.home &&
      versionTrack(link.interface) === track &&
      link.callers.some((each) => each.node === node && each.module === caller.module && each.home === caller.home),
  )
}
