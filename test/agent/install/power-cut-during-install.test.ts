import { describe, expect, it } from 'vitest'
import { Installs } from '../../../agent/install/installs.ts'
import {
  defaultTrialLimits,
  type InstallInput,
  type InstallState,
  next,
  notInstalled,
  toRun,
} from '../../../agent/install/machine.ts'
import { LossyFiles, PowerCut } from '../../support/lossy-files.ts'

const hex = (byte: string) => byte.repeat(32)
const one = { epoch: 1, release: hex('11'), record: new Uint8Array(2_000).fill(1) }
const two = { epoch: 2, release: hex('22'), record: new Uint8Array(3_000).fill(2) }
const steps: InstallInput[] = [
  { kind: 'stage', installed: one },
  { kind: 'start' },
  { kind: 'confirm' },
  { kind: 'stage', installed: two },
  { kind: 'start' },
  { kind: 'trap', message: 'unreachable' },
  { kind: 'confirm' },
  { kind: 'prepare', installed: one, wave: 0 },
  { kind: 'commit', epoch: 1, instantMs: 5_000 },
  { kind: 'not-flipped', epoch: 1, code: 'swap-over-budget', message: 'too slow' },
  { kind: 'abort' },
  { kind: 'prepare', installed: one, wave: 63 },
  { kind: 'commit', epoch: 1, instantMs: 5_000 },
  { kind: 'flip', epoch: 1 },
]
const open = (files: LossyFiles) =>
  new Installs(files, defaultTrialLimits, (app, error) => {
    throw new Error(`${app}: ${error.message}`)
  })

/** Takes the steps until the power goes; answers how many were taken for sure. */
async function install(files: LossyFiles): Promise<number> {
  let taken = 0
  try {
    const installs = open(files)
    for (const step of steps) {
      await installs.step('greenhouse', step)
      taken++
    }
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error
  }
  return taken
}

describe('a power cut while a release is being installed', () => {
  it('leaves the state before the step or the one after it, at whichever write it comes', async () => {
    const whole = new LossyFiles()
    await install(whole)
    expect(whole.operations).toBeGreaterThan(20)
    const states: InstallState[] = [notInstalled]
    for (const step of steps) states.push(next(states.at(-1)!, step))

    for (let cutAt = 1; cutAt <= whole.operations; cutAt++) {
      for (let seed = 0; seed < 8; seed++) {
        const files = new LossyFiles({ cutAt })
        const taken = await install(files)
        const found = open(files.afterPowerCut(seed)).state('greenhouse')
        expect([states[taken], states[taken + 1]]).toContainEqual(found)
        // From the first confirmed release on there is always one to run.
        if (taken >= 1) expect(toRun(found)).not.toBeNull()
      }
    }
  })

  it('does not keep a damaged file from the others', () => {
    const files = new LossyFiles()
    files.ensureFolder('installs')
    for (const [name, bytes] of [
      ['bad', Uint8Array.of(1, 2, 3)],
      ['leftover.new', new Uint8Array(9)],
    ] as const) {
      const file = files.open(`installs/${name}`)
      file.writeAt(0, bytes)
      file.close()
    }
    const damaged: string[] = []
    const installs = new Installs(files, defaultTrialLimits, (app) => damaged.push(app))
    expect(damaged).toEqual(['bad'])
    expect(installs.apps()).toEqual([])
  })

  it('forgets an app for good', async () => {
    const files = new LossyFiles()
    const installs = open(files)
    await installs.step('greenhouse', steps[0]!)
    await installs.remove('greenhouse')
    expect(open(files.afterPowerCut(1)).state('greenhouse')).toEqual(notInstalled)
  })
})
