import { describe, expect, it } from 'vitest'
import { type InstallInput, type InstallState, next, notInstalled, toRun } from '../../../agent/install/machine.ts'

const one = { epoch: 1, release: 'aa', record: Uint8Array.of(1) }
const two = { epoch: 2, release: 'bb', record: Uint8Array.of(2) }
const limits = { starts: 3, traps: 3 }
const trial = (starts: number, traps: number, flip = false) => ({ installed: two, starts, traps, flip })
const three = { epoch: 3, release: 'cc', record: Uint8Array.of(3) }
const running: InstallState = { confirmed: one, trial: null, prepared: null, failed: null }
const trying: InstallState = { confirmed: one, trial: trial(1, 0), prepared: null, failed: null }
const ready = { installed: two, wave: 1, commit: null, notFlipped: null }
const prepared: InstallState = { ...running, prepared: ready }
const committed: InstallState = { ...running, prepared: { ...ready, commit: { instantMs: 500 } } }
const overBudget = { code: 'swap-over-budget', message: 'too slow' }
const notFlipped: InstallState = { ...running, prepared: { ...committed.prepared!, notFlipped: overBudget } }
const failed = (code: string, message: string): InstallState => ({
  confirmed: one,
  trial: null,
  prepared: null,
  failed: { epoch: 2, release: 'bb', code, message },
})

describe('the releases of an app on a node', () => {
  it.each<[string, InstallState, InstallInput, InstallState]>([
    [
      'the first release is tried',
      notInstalled,
      { kind: 'stage', installed: two },
      { confirmed: null, trial: trial(0, 0), prepared: null, failed: null },
    ],
    [
      'other signatures on what is confirmed, or on trial, change nothing of how it stands',
      trying,
      { kind: 'resign', installed: { ...two, record: Uint8Array.of(9) } },
      { ...trying, trial: { ...trial(1, 0), installed: { ...two, record: Uint8Array.of(9) } } },
    ],
    ['signatures on what is installed no more are passed over', running, { kind: 'resign', installed: two }, running],
    [
      'a newer release is tried beside the confirmed one',
      running,
      { kind: 'stage', installed: two },
      { ...trying, trial: trial(0, 0) },
    ],
    [
      'a newer release takes the place of one on trial',
      { ...trying, trial: { installed: one, starts: 2, traps: 2, flip: false } },
      { kind: 'stage', installed: two },
      { ...trying, trial: trial(0, 0) },
    ],
    ['each start is counted before it happens', trying, { kind: 'start' }, { ...trying, trial: trial(2, 0) }],
    [
      'an agent that dies with each start gives the release up',
      { ...trying, trial: trial(3, 0) },
      { kind: 'start' },
      failed('trial-died', 'The agent ended 3 times while it tried the release'),
    ],
    ['a trap is counted', trying, { kind: 'trap', message: 'unreachable' }, { ...trying, trial: trial(1, 1) }],
    [
      'the third trap gives the release up',
      { ...trying, trial: trial(1, 2) },
      { kind: 'trap', message: 'unreachable' },
      failed('trial-trapped', 'Trapped 3 times, the last time: unreachable'),
    ],
    [
      'a release that can not start is given up',
      trying,
      { kind: 'fail', code: 'module-unloadable', message: 'no memory' },
      failed('module-unloadable', 'no memory'),
    ],
    [
      'a trial that proves itself is confirmed',
      trying,
      { kind: 'confirm' },
      { confirmed: two, trial: null, prepared: null, failed: null },
    ],
    ['the confirmation of what was given up changes nothing', failed('x', 'y'), { kind: 'confirm' }, failed('x', 'y')],
    ['a trap of what is confirmed changes nothing', running, { kind: 'trap', message: 'unreachable' }, running],
    ['a release is prepared beside the one that runs', running, { kind: 'prepare', installed: two, wave: 1 }, prepared],
    [
      'what is prepared beside a release on trial leaves the trial as it is',
      trying,
      { kind: 'prepare', installed: three, wave: 0 },
      { ...trying, prepared: { installed: three, wave: 0, commit: null, notFlipped: null } },
    ],
    ['a commit is written down', prepared, { kind: 'commit', epoch: 2, instantMs: 500 }, committed],
    ['the same commit again changes nothing', committed, { kind: 'commit', epoch: 2, instantMs: 500 }, committed],
    [
      'the first instant that was written down counts',
      committed,
      { kind: 'commit', epoch: 2, instantMs: 900 },
      committed,
    ],
    ['a commit of another epoch changes nothing', prepared, { kind: 'commit', epoch: 3, instantMs: 500 }, prepared],
    ['a commit of what is not prepared changes nothing', running, { kind: 'commit', epoch: 2, instantMs: 5 }, running],
    [
      'the same release prepared again keeps its commit',
      committed,
      { kind: 'prepare', installed: two, wave: 0 },
      { ...committed, prepared: { ...committed.prepared!, wave: 0 } },
    ],
    [
      'another one prepared in its place forgets it',
      committed,
      { kind: 'prepare', installed: three, wave: 1 },
      { ...running, prepared: { ...ready, installed: three } },
    ],
    [
      'what has taken over is on trial, its first start counted',
      committed,
      { kind: 'flip', epoch: 2 },
      { ...running, trial: trial(1, 0, true) },
    ],
    ['a flip that was written down already changes nothing', trying, { kind: 'flip', epoch: 2 }, trying],
    ['a flip of another epoch changes nothing', committed, { kind: 'flip', epoch: 3 }, committed],
    [
      'what did not take over stays prepared, with the reason',
      committed,
      { kind: 'not-flipped', epoch: 2, ...overBudget },
      notFlipped,
    ],
    ['no commit makes it try again', notFlipped, { kind: 'commit', epoch: 2, instantMs: 900 }, notFlipped],
    ['an abort drops what is prepared', committed, { kind: 'abort' }, running],
    [
      'a release to be run drops what was prepared of its epoch or before',
      committed,
      { kind: 'stage', installed: two },
      { ...running, trial: trial(0, 0) },
    ],
    [
      'and leaves what is prepared of a later one',
      { ...committed, confirmed: null },
      { kind: 'stage', installed: one },
      { ...committed, confirmed: null, trial: { installed: one, starts: 0, traps: 0, flip: false } },
    ],
    [
      'what takes the place of a trial after a flip can go back as far',
      { ...running, trial: trial(1, 0, true) },
      { kind: 'stage', installed: three },
      { ...running, trial: { installed: three, starts: 0, traps: 0, flip: true } },
    ],
    [
      'the end of a trial leaves what is prepared',
      { ...committed, trial: { installed: one, starts: 1, traps: 0, flip: false }, confirmed: null },
      { kind: 'confirm' },
      committed,
    ],
  ])('%s', (_, start, input, target) => {
    expect(next(start, input, limits)).toEqual(target)
  })

  it('run the trial if there is one, else what is confirmed', () => {
    expect([toRun(notInstalled), toRun(running), toRun(trying), toRun(failed('x', 'y'))]).toEqual([null, one, two, one])
  })
})
