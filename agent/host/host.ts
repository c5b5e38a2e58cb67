import type { Limits } from '@hypha/core/trust/release.ts'
import type { InstanceKey } from '../turns.ts'
import type { TurnEffects } from './effects.ts'
import type { TurnHome } from './turn-home.ts'

/** A request that the worker can't answer by itself: the module waits, blocked, until the agent's own thread has answered. */
export interface HostRequest {
  readonly interface: AskedInterface | 'links'
  readonly func: string
  /** Lifted values, as `src/wasm/abi.ts` has them. */
  readonly args: readonly unknown[]
  /** The turn and the number of the request within it: for whoever must not act twice. */
  readonly key: string
}

/** A module's request as it reaches the agent's own thread. The answer is a lifted value, at once or later. */
export interface HostCall extends HostRequest {
  readonly interface: AskedInterface
  readonly instance: InstanceKey
  /** So long until the turn's deadline. */
  readonly leftMs: number
  /** Hosts that the release grants to the module, as `host:port`. */
  readonly httpHosts: readonly string[]
}

/** Host interfaces that are served on the agent's own thread. */
export type AskedInterface = 'sensor' | 'actuator' | 'http' | 'sql'

/** Functions of one interface by their WIT names; parameters and results are lifted values. */
export type HostFunctions = Readonly<Record<string, (...args: never[]) => unknown>>

/** What the functions of one instance's imports work on. Lives in the worker. */
export interface HostContext {
  readonly key: InstanceKey
  readonly config: ReadonlyMap<string, string>
  readonly limits: Limits
  readonly publish: readonly string[]
  readonly effects: TurnEffects
  readonly turn: TurnHome
  /** Milliseconds since 1970 UTC. */
  now(): number
  /** Milliseconds of a clock that never jumps. */
  monotonic(): number
  /** Blocks until the agent has answered. */
  ask(request: Omit<HostRequest, 'key'>): unknown
}

/** Results of WIT, as the binder takes them. */
export const ok = (val?: unknown): { tag: 'ok'; val: unknown } => ({ tag: 'ok', val })
export const err = (val?: unknown): { tag: 'err'; val: unknown } => ({ tag: 'err', val })
