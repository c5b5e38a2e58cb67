import type { DeviceInstances, ServedLink } from '@hypha/core/trust/directive.ts'
import type { CallOutcome, LinkedCall } from '../linked-calls.ts'
import type { PendingCall } from '../pending-call.ts'
import type { InstanceKey } from '../turns.ts'

/** An app on this node, as calls see it. */
export interface LinkedApp {
  /** Of the release that runs. */
  readonly served: readonly ServedLink[]
  /** Of one that is to run in its place; null where none is. */
  readonly next: readonly ServedLink[] | null
  readonly devices: readonly DeviceInstances[]
  /** What runs; null where nothing does. */
  readonly callees: Callees | null
}

/** The instances of an app that run. */
export interface Callees {
  call(instance: InstanceKey, pending: PendingCall): 'queued' | 'busy' | 'absent'
  refusal(instance: InstanceKey, call: LinkedCall): CallOutcome | null
  cellOf(instance: InstanceKey): string | null
}
