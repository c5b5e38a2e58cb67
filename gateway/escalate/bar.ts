// The words of escalation. All times are ms since 1970 by the gateway's clock.

/** Why an instance can't go on where it is: what it does itself, and what its node runs short of. */
export type FaultCause = 'memory' | 'deadline' | 'quota'
export type VitalCause = 'battery' | 'free-memory' | 'cpu'
export type Cause = FaultCause | VitalCause

export interface Instance {
  readonly app: string
  readonly module: string
  /** The device that it belongs to; null for a shared one. */
  readonly home: string | null
}

export const isFault = (cause: Cause): cause is FaultCause =>
  cause === 'memory' || cause === 'deadline' || cause === 'quota'

/** That an instance may not be on a node, or might not until lately. */
export interface Bar extends Instance {
  readonly node: string
  readonly cause: Cause
  /** A sentence with numbers, without its full stop. */
  readonly text: string
  /** Digest of the release that failed, in hex: another one is tried at home. Null where the node was to blame. */
  readonly release: string | null
  readonly since: number
  /** It isn't lifted before. */
  readonly until: number
  /** How often it was set in a row; 0 where an operator has lifted it. */
  readonly times: number
  /** Null while it holds. */
  readonly liftedAt: number | null
}

export type Action =
  | { readonly kind: 'bar'; readonly bar: Bar }
  /** `why` is a sentence without its full stop. */
  | { readonly kind: 'lift'; readonly bar: Bar; readonly why: string }

/** Equal for the same instance on the same node. */
export const barKey = ({ app, module, home, node }: Instance & { readonly node: string }): string =>
  `${app}/${module}@${home ?? ''} ${node}`
