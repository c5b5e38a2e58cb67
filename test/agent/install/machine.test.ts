import { describe, expect, it } from 'vitest'
import { type InstallInput, type InstallState, next, notInstalled, toRun } from '../../../agent/install/machine.ts'

const one = { epoch: 1, release: 'aa', record: Uint8Array.of(1) }
const two = { epoch: 2, release: 'bb', record: Uint8Array.of(2) }
const limits = { starts: 3, traps: 3 }
const trial = (starts: number, traps: number) => ({ installed: two, starts, traps })
const running: InstallState = { confirmed: one, trial: null, failed: null }
const trying: InstallState = { confirmed: one, trial: trial(1, 0), failed: null }
const failed = (code: string, message: string): InstallState => ({
  confirmed: one,
  trial: null,
  failed: { epoch: 2, release: 'bb', code, message },
})

describe('the releases of an app on a node', () => {
  it.each<[string, InstallState, InstallInput, InstallState]>([
    [
      'the first release is tried',
      notInstalled,
      { kind: 'stage', installed: two },
      { confirmed: null, trial: trial(0, 0), failed: null },
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
      { ...trying, trial: { installed: one, starts: 2, traps: 2 } },
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
      { confirmed: two, trial: null, failed: null },
    ],
    ['the confirmation of what was given up changes nothing', failed('x', 'y'), { kind: 'confirm' }, failed('x', 'y')],
    ['a trap of what is confirmed changes nothing', running, { kind: 'trap', message: 'unreachable' }, running],
  ])('%s', (_, start, input, target) => {
    expect(next(start, input, limits)).toEqual(target)
  })

  it('run the trial if there is one, else what is confirmed', () => {
    expect([toRun(notInstalled), toRun(running), toRun(trying), toRun(failed('x', 'y'))]).toEqual([null, one, two, one])
  })
})
