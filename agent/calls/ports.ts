import type { DeviceInstances, ServedLink } from '@hypha/core/trust/directive.ts'
import type { CallOutcome, End, LinkedCall } from '../linked-calls.ts'
import type { PendingCall } from '../pending-call.ts'
import type { InstanceKey } from '../turns.ts'

/** An app on this node, as calls see it. */
export interface LinkedApp {
  /** Of the release that runs. */
  readonly served: readonly ServedLink[]
  /** Of one that is to run in its place; null where none is. */
  readonly next: readonly ServedLink[] | null
  readonly devices: readonly DeviceInstances[]
  /** The node that a link of an instance leads to by the newest directive: its callee may have moved since the instance began. Null where that says nothing of it. */
  nodeOf?(caller: End, interfaceName: string): string | null
  /** Whether an instance is in none of what is to run here: then nobody is to wait for it at this node. */
  leaves?(instance: End): boolean
  /** What runs; null where nothing does. */
  readonly callees: Callees | null
}

/** The instances of an app that run. */
export interface Callees {
  call(instance: InstanceKey, pending: PendingCall): 'queued' | 'busy' | 'absent'
  refusal(instance: InstanceKey, call: LinkedCall): CallOutcome | null
  cellOf(instance: InstanceKey): string | null
}
