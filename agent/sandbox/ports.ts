import type { Clock } from '@hypha/core/ports/clock.ts'
import type { HostCall } from '../host/host.ts'
import type { LeaseGate } from '../lease-gate.ts'
import type { CallOutcome, OutgoingCall } from '../linked-calls.ts'
import type { InstanceKey, NodeEvent, TurnRecord } from '../turns.ts'
import type { CellTransport } from './transport.ts'

export interface LinkPort {
  /** Never rejects. */
  make(call: OutgoingCall): Promise<CallOutcome>
  /** Ids of the devices that run an app, sorted. */
  devices(app: string): readonly string[]
}

/** What a sandbox needs of the agent. */
export interface SandboxPorts {
  /** This node's id. */
  readonly node: string
  readonly clock: Clock
  /**
   * Journals one turn: its own record, and one for each further instance that it called; all or none. Appended when this returns; the next turn of
   * the cell begins only then.
   */
  commit(turn: readonly TurnRecord[]): void
  event(event: NodeEvent): void
  /** Serves sensors, actuators, HTTP and SQL: a lifted value, at once or later. */
  call(call: HostCall): unknown
  /** Serves links to instances of other cells; a node without has none. */
  readonly calls?: LinkPort | null
  /** What lets instances run that run only under a lease; without it they run as all others. */
  readonly leases?: { gate(instances: readonly InstanceKey[]): LeaseGate } | null
  /** Starts a process for a cell whose modules have no core form; null where this node runs none. */
  readonly componentProcess?: (() => CellTransport) | null
}
