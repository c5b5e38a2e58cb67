/** Whether instances may run that run only under a lease. */
export interface LeaseGate {
  /** By the clocks of this moment: a turn must not begin, act or be journaled where it isn't. */
  readonly held: boolean
  /** Calls back when it may have changed; the result ends that. */
  onChange(run: () => void): () => void
  /** The instances run from now on; the result says, once, that they have stopped, and only then they are let go. */
  begin(): () => void
}
