import { writeTar } from '@hypha/core/bytes/tar.ts'
import { bytesEqual, toHex, toUtf8 } from '@hypha/core/bytes/text.ts'
import { describe, expect, it } from 'vitest'
import { judge } from '../../../agent/update/machine.ts'
import { Slots } from '../../../agent/update/slots.ts'
import { LossyFiles, PowerCut } from '../../support/lossy-files.ts'
import { crypto, expectCode } from '../../support/signed.ts'

const archiveOf = (version: string) =>
  writeTar([
    { name: 'main.js', bytes: toUtf8(`main ${version} `.repeat(200)) },
    { name: 'worker/main.js', bytes: toUtf8(`worker ${version} `.repeat(300)) },
  ])
const [one, two] = ['1', '2'].map((version) => {
  const archive = archiveOf(version)
  return { archive, slot: toHex(crypto.sha256(archive)) }
}) as [{ archive: Uint8Array; slot: string }, { archive: Uint8Array; slot: string }]
const why = { code: 'trial-offline', message: 'no\nway' }

/** A device as it was installed. */
async function installed(options = {}): Promise<LossyFiles> {
  const files = new LossyFiles()
  await new Slots(files, one.slot).install(one.slot, one.archive)
  await new Slots(files, one.slot).confirm()
  return files.afterKill(options)
}

const steps = {
  stage: async (files: LossyFiles) => {
    const slots = new Slots(files, one.slot)
    await slots.install(two.slot, two.archive)
    await slots.prepare(['greenhouse'])
    await slots.try(two.slot, 2)
  },
  confirm: async (files: LossyFiles) => {
    const slots = new Slots(files, two.slot)
    await slots.confirm()
    await slots.sweep()
  },
  giveUp: (files: LossyFiles) => new Slots(files, two.slot).giveUp(two.slot, why),
}

/** What the launcher does with a disk: the slot that it starts. */
function started(files: LossyFiles): string {
  const slots = new Slots(files, one.slot)
  const { trial, current } = slots.found(null)
  return trial ?? current ?? 'none'
}

const isWhole = (files: LossyFiles, slot: string): boolean => {
  const [name, version] = slot === one.slot ? [one.slot, '1'] : [two.slot, '2']
  const main = files.read(`slots/${name}/main.js`)
  const worker = files.read(`slots/${name}/worker/main.js`)
  return (
    main !== null &&
    worker !== null &&
    bytesEqual(main, toUtf8(`main ${version} `.repeat(200))) &&
    bytesEqual(worker, toUtf8(`worker ${version} `.repeat(300)))
  )
}

/** Runs steps with the power cut at each changing operation in turn, and looks at what every disk may hold then. */
async function cutEverywhere(
  before: readonly (keyof typeof steps)[],
  step: keyof typeof steps,
  check: (files: LossyFiles) => void,
): Promise<number> {
  for (let cutAt = 1; ; cutAt++) {
    const ready = await installed()
    for (const name of before) await steps[name](ready)
    const files = ready.afterKill({ cutAt })
    try {
      await steps[step](files)
      return cutAt
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error
    }
    for (let seed = 0; seed < 8; seed++) check(files.afterPowerCut(seed))
  }
}

describe('a power cut at any write', () => {
  it('while a release is unpacked leaves the old program to start, or the new one whole', async () => {
    const cuts = await cutEverywhere([], 'stage', (files) => {
      const slot = started(files)
      expect([one.slot, two.slot]).toContain(slot)
      expect(isWhole(files, slot)).toBe(true)
      expect(isWhole(files, one.slot)).toBe(true)
      if (slot === two.slot) expect(new Slots(files, one.slot).before()).toEqual(['greenhouse'])
    })
    expect(cuts).toBeGreaterThan(15)
  })

  it('while the new one is confirmed leaves it to start, as current or once more on trial', async () => {
    const cuts = await cutEverywhere(['stage'], 'confirm', (files) => {
      expect(started(files)).toBe(two.slot)
      expect(isWhole(files, two.slot) && isWhole(files, one.slot)).toBe(true)
      const verdict = judge(new Slots(files, two.slot).found(two.slot))
      expect(['watch', 'confirmed']).toContain(verdict.kind)
    })
    expect(cuts).toBeGreaterThan(8)
  })

  it('while the new one gives itself up leaves the old one to start, or the new one which gives itself up again', async () => {
    await cutEverywhere(['stage'], 'giveUp', (files) => {
      const slot = started(files)
      const verdict = judge(new Slots(files, slot).found(two.slot))
      // Where not even the reason reached the disk, its trial goes on.
      expect(slot === one.slot ? ['failed'] : ['give-up', 'watch']).toContain(verdict.kind)
    })
  })
})

describe('the slots', () => {
  it('keep the program before, and nothing else', async () => {
    const files = await installed()
    await steps.stage(files)
    await steps.confirm(files)
    const three = { archive: archiveOf('3'), slot: toHex(crypto.sha256(archiveOf('3'))) }
    await new Slots(files, two.slot).install(three.slot, three.archive)
    await new Slots(files, two.slot).try(three.slot, 2)
    files.ensureFolder('slots/half.new')
    await new Slots(files, three.slot).confirm()
    await new Slots(files, three.slot).sweep()
    expect(files.list('slots')).toEqual([two.slot, three.slot].sort())
    expect(files.list('')).toEqual(['current', 'previous', 'slots'])
  })

  it('tell why the last one was given up, in one line', async () => {
    const files = await installed()
    await steps.stage(files)
    await steps.giveUp(files)
    expect(new Slots(files, one.slot).found(null)).toMatchObject({
      trial: null,
      reverted: { slot: two.slot, code: 'trial-offline', message: 'no way' },
    })
  })

  it('unpack a program again that is there and damaged, and leave a whole one alone', async () => {
    const files = await installed()
    const slots = new Slots(files, one.slot)
    await slots.install(two.slot, two.archive)
    const untouched = files.operations
    await slots.install(two.slot, two.archive)
    expect(files.operations).toBe(untouched)
    const file = files.open(`slots/${two.slot}/main.js`)
    file.writeAt(0, Uint8Array.of(0))
    await slots.install(two.slot, two.archive)
    expect(isWhole(files, two.slot)).toBe(true)
  })

  it('take no archive without a program, and none that leads out of the slot', async () => {
    const slots = new Slots(await installed(), one.slot)
    const refused = async (archive: Uint8Array) =>
      slots.install('c'.repeat(64), archive).then(
        () => null,
        (error) => error.code,
      )
    expect(await refused(writeTar([{ name: 'other.js', bytes: toUtf8('x') }]))).toBe('metadata-invalid')
    expect(await refused(toUtf8('no archive at all'))).toBe('bytes-truncated')
    expectCode('bytes-malformed', () => writeTar([{ name: '../main.js', bytes: toUtf8('x') }]))
  })

  it('take damaged lines for none', async () => {
    const files = await installed()
    for (const name of ['current', 'trial', 'reverted']) files.open(name).writeAt(0, Uint8Array.of(0xff, 0xfe, 10))
    expect(new Slots(files, one.slot).found(null)).toEqual({
      running: one.slot,
      staged: null,
      current: null,
      trial: null,
      reverted: null,
    })
  })
})
