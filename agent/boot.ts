import { asHyphaError } from '@hypha/core/errors.ts'
import type { AppPorts } from './app-ports.ts'
import type { AppStatus } from './app-status.ts'
import { clearStaleMark, describeFlipBefore } from './flip.ts'
import { type Installed, type InstallState, type Prepared, toRun } from './install/machine.ts'

/** What an app is to run after a start of the agent, whatever ended the one before. */
export interface BootPlan {
  readonly installed: Installed
  readonly state: InstallState
  /** The agent before had flipped to it, by the journal's mark, and may not have said so. */
  readonly flipped: boolean
  /** It is to flip to it now: the instant has passed meanwhile. */
  readonly flips: boolean
  /** Tells of the flip, as far as anything is known of it. */
  tellFlip(): void
}

/**
 * Reads what was written down, and counts this start. `due`: what was prepared, and is to run since an instant that has passed: it takes over on trial, from what the one before has left in the
 * journal. Null where nothing is to run.
 */
export async function planBoot(
  app: string,
  due: Prepared | null,
  ports: AppPorts,
  status: AppStatus,
): Promise<BootPlan | null> {
  const before = ports.installs.state(app)
  const mark = ports.journal.flipOf(app)
  const state = await countStart(app, due, ports, status)
  if (state.trial === null) clearStaleMark(app, state, ports, status)
  const installed = toRun(state)
  if (installed === null) return null
  const since = ports.clock.monotonic()
  const marked = mark === installed.epoch && state.trial?.flip === true
  return {
    installed,
    state,
    flipped: marked,
    flips: !marked && due !== null && state.trial?.installed.epoch === due.installed.epoch,
    tellFlip() {
      const from = (due && before.trial?.installed) ?? before.confirmed
      const order = { wave: due?.wave ?? 0, instantMs: due?.commit?.instantMs ?? null, late: true }
      void ports.flipped(describeFlipBefore(ports, { app, from, to: installed, order, since, marked }))
    },
  }
}

/** A trial may be started so many times. Where the count can't be written down, what is confirmed runs. */
async function countStart(
  app: string,
  due: Prepared | null,
  { installs, journal }: AppPorts,
  status: AppStatus,
): Promise<InstallState> {
  const state = installs.state(app)
  const flipped = due?.installed ?? (state.trial?.flip ? state.trial.installed : null)
  try {
    // Before anything of it is journaled; where the mark stands already, it stays as it is.
    if (flipped !== null) journal.markFlip(app, flipped.epoch)
    if (due !== null) return await installs.step(app, { kind: 'flip', epoch: due.installed.epoch })
    return state.trial === null ? state : await installs.step(app, { kind: 'start' })
  } catch (thrown) {
    status.tell('boot-failed', asHyphaError(thrown))
    return state.confirmed === null ? state : { ...state, trial: null }
  }
}
