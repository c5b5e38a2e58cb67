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

export interface Trial {
  readonly installed: Installed
  readonly starts: number
  readonly traps: number
  /** It took over in a flip: what was before is kept in the journal until it is confirmed. */
  readonly flip: boolean
}

export interface Prepared {
  readonly installed: Installed
  /** Of the rollout. */
  readonly wave: number
  /** When it is to be run, by the gateway's clock in ms since 1970: written down before that instant. Null until the gateway has said so. */
  readonly commit: { readonly instantMs: number } | null
  /** Why it didn't take over at the flip: it isn't tried again by that commit. */
  readonly notFlipped: { readonly code: string; readonly message: string } | null
}

export interface InstallState {
  /** What runs, or ran last, and proved itself. */
  readonly confirmed: Installed | null
  /** What is being tried in its place. */
  readonly trial: Trial | null
  /** What stands ready to take the place of what runs. [P 10.2] */
  readonly prepared: Prepared | null
  /** The last release that was tried and given up: it isn't tried again in the same epoch, unless it is the confirmed one with other instances. */
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
  /** A verified release stands ready beside what runs. */
  | { readonly kind: 'prepare'; readonly installed: Installed; readonly wave: number }
  /** What is prepared is to be run from an instant on. The first one that is written down counts. */
  | { readonly kind: 'commit'; readonly epoch: number; readonly instantMs: number }
  /** What is prepared has taken over, or is about to after a start of the agent: it is on trial. */
  | { readonly kind: 'flip'; readonly epoch: number }
  | { readonly kind: 'not-flipped'; readonly epoch: number; readonly code: string; readonly message: string }
  /** What is prepared isn't wanted any more. */
  | { readonly kind: 'abort' }
  /** The same release in the same epoch, under an envelope with other signatures. */
  | { readonly kind: 'resign'; readonly installed: Installed }

export interface TrialLimits {
  /** Starts of one trial, those after a death of the agent included. */
  readonly starts: number
  readonly traps: number
}

export const defaultTrialLimits: TrialLimits = { starts: 3, traps: 3 }

export const notInstalled: InstallState = { confirmed: null, trial: null, prepared: null, failed: null }

/** The state after an input. An input that doesn't fit, such as the confirmation of what has been given up meanwhile, changes nothing. */
export function next(state: InstallState, input: InstallInput, limits: TrialLimits = defaultTrialLimits): InstallState {
  const { trial } = state
  if (input.kind === 'stage') return stage(state, input.installed)
  if (input.kind === 'resign') return resign(state, input.installed)
  if (isAboutPrepared(input)) return nextPrepared(state, input)
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
      return { ...state, confirmed: trial.installed, trial: null, failed: null }
  }
}

type AboutPrepared = Extract<InstallInput, { kind: 'prepare' | 'commit' | 'flip' | 'not-flipped' | 'abort' }>

const isAboutPrepared = (input: InstallInput): input is AboutPrepared =>
  ['prepare', 'commit', 'flip', 'not-flipped', 'abort'].includes(input.kind)

/** What changes with a step of the two phases. */
function nextPrepared(state: InstallState, input: AboutPrepared): InstallState {
  const { prepared } = state
  if (input.kind === 'prepare') return { ...state, prepared: prepare(prepared, input) }
  if (prepared === null) return state
  if (input.kind === 'abort') return { ...state, prepared: null }
  if (input.epoch !== prepared.installed.epoch) return state
  switch (input.kind) {
    case 'commit':
      if (prepared.commit !== null || prepared.notFlipped !== null) return state
      return { ...state, prepared: { ...prepared, commit: { instantMs: input.instantMs } } }
    case 'flip':
      // Started already: each further start is counted as those of any trial.
      return {
        ...state,
        trial: { installed: prepared.installed, starts: 1, traps: 0, flip: true },
        prepared: null,
        failed: null,
      }
    case 'not-flipped':
      return { ...state, prepared: { ...prepared, notFlipped: { code: input.code, message: input.message } } }
  }
}

/** The same work once more, after a start of the agent or in another wave, keeps the commit that was written down for it. */
function prepare(
  before: Prepared | null,
  { installed, wave }: Omit<Extract<InstallInput, { kind: 'prepare' }>, 'kind'>,
) {
  const same = before !== null && isSame(before.installed, installed)
  return same ? { ...before, installed, wave } : { installed, wave, commit: null, notFlipped: null }
}

function stage(state: InstallState, installed: Installed): InstallState {
  // What is prepared of this epoch, or an earlier one, is not awaited any more.
  const prepared = state.prepared !== null && state.prepared.installed.epoch > installed.epoch ? state.prepared : null
  // What a flip left to go back to is still what the confirmed release goes back to.
  const flip = state.trial?.flip ?? false
  // The same release in a new epoch, or with other links, has proven its code, but not that it works as it is now asked to.
  return { ...state, trial: { installed, starts: 0, traps: 0, flip }, prepared, failed: null }
}

const isSame = (a: Installed, b: Installed): boolean => a.epoch === b.epoch && a.release === b.release

/** The record of what is installed, exchanged where it lies: what runs, and how far its trial is, stays. */
function resign(state: InstallState, installed: Installed): InstallState {
  const { confirmed, trial } = state
  return {
    ...state,
    confirmed: confirmed !== null && isSame(confirmed, installed) ? installed : confirmed,
    trial: trial !== null && isSame(trial.installed, installed) ? { ...trial, installed } : trial,
  }
}

function giveUp(state: InstallState, code: string, message: string): InstallState {
  const { epoch, release } = state.trial!.installed
  return { ...state, trial: null, failed: { epoch, release, code, message } }
}

/** What is to run in a state: the trial, else what is confirmed. */
export const toRun = (state: InstallState): Installed | null => state.trial?.installed ?? state.confirmed
