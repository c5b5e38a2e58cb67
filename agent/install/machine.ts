// What a node knows of one app's releases, and how that changes. Pure: the caller writes each new state down before it acts on it.

/** A release on this node, by the record that `agent/verify` made of it; the contents lie apart, by digest. */
export interface Installed {
  readonly epoch: number
  /** SHA-256 of the release's payload, in hex. */
  readonly release: string
  readonly record: Uint8Array
}

export interface Failure {
  readonly epoch: number
  readonly release: string
  readonly code: string
  readonly message: string
}

export interface InstallState {
  /** What runs, or ran last, and proved itself. */
  readonly confirmed: Installed | null
  /** What is being tried in its place. */
  readonly trial: { readonly installed: Installed; readonly starts: number; readonly traps: number } | null
  /** The last release that was tried and given up: it isn't tried again in the same epoch. */
  readonly failed: Failure | null
}

export type InstallInput =
  /** A verified release whose contents are all here is to be run. */
  | { readonly kind: 'stage'; readonly installed: Installed }
  /** The trial is about to be started, for the first time or after the agent died. */
  | { readonly kind: 'start' }
  | { readonly kind: 'trap'; readonly message: string }
  /** It could not be started, or it was found wanting. */
  | { readonly kind: 'fail'; readonly code: string; readonly message: string }
  /** Its contents here are damaged, which is not its fault: it is received again. */
  | { readonly kind: 'drop' }
  | { readonly kind: 'confirm' }
  /** The same release in the same epoch, under an envelope with other signatures. */
  | { readonly kind: 'resign'; readonly installed: Installed }

export interface TrialLimits {
  /** Starts of one trial, those after a death of the agent included. */
  readonly starts: number
  readonly traps: number
}

export const defaultTrialLimits: TrialLimits = { starts: 3, traps: 3 }

export const notInstalled: InstallState = { confirmed: null, trial: null, failed: null }

/** The state after an input. An input that doesn't fit, such as the confirmation of what has been given up meanwhile, changes nothing. */
export function next(state: InstallState, input: InstallInput, limits: TrialLimits = defaultTrialLimits): InstallState {
  const { trial } = state
  if (input.kind === 'stage') return stage(state, input.installed)
  if (input.kind === 'resign') return resign(state, input.installed)
  if (trial === null) return state
  switch (input.kind) {
    case 'start':
      if (trial.starts >= limits.starts) {
        return giveUp(state, 'trial-died', `The agent ended ${trial.starts} times while it tried the release`)
      }
      return { ...state, trial: { ...trial, starts: trial.starts + 1 } }
    case 'trap':
      if (trial.traps + 1 >= limits.traps) {
        return giveUp(state, 'trial-trapped', `Trapped ${trial.traps + 1} times, the last time: ${input.message}`)
      }
      return { ...state, trial: { ...trial, traps: trial.traps + 1 } }
    case 'fail':
      return giveUp(state, input.code, input.message)
    case 'drop':
      return { ...state, trial: null }
    case 'confirm':
      return { confirmed: trial.installed, trial: null, failed: null }
  }
}

function stage(state: InstallState, installed: Installed): InstallState {
  // The same release in a new epoch, or with other links, has proven its code, but not that it works as it is now asked to.
  return { ...state, trial: { installed, starts: 0, traps: 0 }, failed: null }
}

/** The record of what is installed, exchanged where it lies: what runs, and how far its trial is, stays. */
function resign(state: InstallState, installed: Installed): InstallState {
  const same = (other: Installed) => other.epoch === installed.epoch && other.release === installed.release
  const { confirmed, trial } = state
  return {
    ...state,
    confirmed: confirmed !== null && same(confirmed) ? installed : confirmed,
    trial: trial !== null && same(trial.installed) ? { ...trial, installed } : trial,
  }
}

function giveUp(state: InstallState, code: string, message: string): InstallState {
  const { epoch, release } = state.trial!.installed
  return { confirmed: state.confirmed, trial: null, failed: { epoch, release, code, message } }
}

/** What is to run in a state: the trial, else what is confirmed. */
export const toRun = (state: InstallState): Installed | null => state.trial?.installed ?? state.confirmed
