import type { Journal } from '@hypha/agent/report/journal.ts'
import { decodeCbor } from '@hypha/core/bytes/cbor.ts'
import { expect, test } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { gatewaySource, ledger, open, sampler, settle, turn } from '../../support/journal-run.ts'
import { LossyFiles, PowerCut } from '../../support/lossy-files.ts'

const options = { segmentBytes: 400, syncMs: 20 }
const app = 'greenhouse'

const state = (release: string, value: number) => ({ release, bytes: Uint8Array.of(value) })
const kv = (key: string, value: number | null) => [{ key, value: value === null ? null : Uint8Array.of(value) }]
const content = (journal: Journal) => [...journal.kv(sampler)].map(([key, [value]]) => `${key} ${value}`)

/** A release that has counted to 3, and one that took over in epoch 2 and counted on to 5. */
async function flipped(files: LossyFiles): Promise<Journal> {
  const journal = await open({ files, options })
  for (const number of [1, 2, 3]) {
    const input = { source: gatewaySource, number }
    journal.append(turn({ input, kv: kv('count', number), state: state('old', number) }))
  }
  journal.markFlip(app, 2)
  for (const number of [4, 5]) {
    const input = { source: gatewaySource, number }
    journal.append(turn({ epoch: 2, input, kv: kv('count', number), state: state('new', number) }))
  }
  journal.append(turn({ epoch: 2, instance: ledger, kv: kv('new', 1) }))
  return journal
}

test('After a revert an app holds what it held at the flip, and what was handled since stays handled.', async () => {
  const journal = await flipped(new LossyFiles())
  journal.append(turn({ epoch: 2, kv: kv('count', null) }))
  expect(journal.flipOf(app)).toBe(2)
  expect(journal.revertFlip(app)).toBe(4)
  expect(content(journal)).toEqual(['count 3'])
  expect(journal.state(sampler)).toEqual(state('old', 3))
  expect([...journal.kv(ledger)]).toEqual([])
  expect(journal.handled(sampler, gatewaySource)).toBe(5)
  expect(journal.flipOf(app)).toBeNull()
  expect(journal.revertFlip(app)).toBe(0)
})

test('What the old release still leaves behind after the flip does not count as a turn that is lost.', async () => {
  const journal = await flipped(new LossyFiles())
  journal.append(turn({ epoch: 1, samples: [{ metric: 'stopped', value: 1, atMs: 1 }] }))
  expect(journal.revertFlip(app)).toBe(3)
})

test('After the flip is settled there is nothing to go back to.', async () => {
  const journal = await flipped(new LossyFiles())
  journal.settleFlip(app)
  expect(journal.flipOf(app)).toBeNull()
  expect(journal.revertFlip(app)).toBe(0)
  expect(content(journal)).toEqual(['count 5'])
})

test('A second flip before the first is settled goes back to what the first went from; after it is settled, to what the second went from.', async () => {
  const journal = await flipped(new LossyFiles())
  journal.markFlip(app, 3)
  expect(journal.flipOf(app)).toBe(2)
  journal.settleFlip(app)
  journal.markFlip(app, 3)
  journal.append(turn({ epoch: 3, kv: kv('count', 6) }))
  expect(journal.revertFlip(app)).toBe(1)
  expect(content(journal)).toEqual(['count 5'])
})

test('Another app goes on through a revert as if nothing were.', async () => {
  const journal = await flipped(new LossyFiles())
  const other = { app: 'other', module: 'm', home: null }
  journal.append(turn({ epoch: 2, instance: other, kv: kv('mine', 1) }))
  expect(journal.revertFlip(app)).toBe(3)
  expect(journal.kv(other).size).toBe(1)
})

test('The mark outlives the segments that it was written in, and an agent that was killed.', async () => {
  const files = new LossyFiles()
  const clock = new FakeClock()
  const journal = await open({ files, clock, options })
  journal.append(turn({ kv: kv('count', 3), state: state('old', 3) }))
  journal.markFlip(app, 2)
  for (let round = 0; round < 60; round++) {
    journal.append(turn({ epoch: 2, samples: [{ metric: 'm', value: round, atMs: round }], kv: kv('count', 9) }))
    clock.advance(25)
    await settle()
    journal.acknowledge(journal.sendable)
  }
  // Those that the mark was in are gone: only the checkpoint has it.
  expect(files.list('journal')).not.toContain('1.log')
  const again = await open({ files, bootId: 'boot-1', options })
  expect(again.flipOf(app)).toBe(2)
  expect(again.revertFlip(app)).toBe(60)
  expect(content(again)).toEqual(['count 3'])
  expect(again.state(sampler)).toEqual(state('old', 3))
})

test('A checkpoint of a journal that knows of no flips is read as one without any, and is written the same.', async () => {
  const files = new LossyFiles()
  const journal = await open({ files, options })
  journal.append(turn({ kv: kv('count', 3) }))
  await journal.close()
  const again = await open({ files, options })
  await again.sync()
  await again.close()
  const written = decodeCbor(files.read('journal/checkpoint')!.subarray(4), 'checkpoint') as Map<number, unknown>
  // A reader that has never heard of flips finds nothing new.
  expect(written.has(8)).toBe(false)
})

test('A full disk takes no mark, and leaves everything as it was; a mark that is to be dropped waits for room.', async () => {
  const files = new LossyFiles()
  const journal = await flipped(files)
  await journal.sync()
  files.capacityBytes = 0
  journal.settleFlip(app)
  expect(() => journal.markFlip(app, 3)).toThrow(expect.objectContaining({ code: 'disk-full' }))
  files.capacityBytes = Number.POSITIVE_INFINITY
  journal.markFlip(app, 3)
  expect(journal.flipOf(app)).toBe(3)
})

test('A power cut at any write finds what was synced: the mark as it stood, and what would be gone back to.', async () => {
  const snapshot = (journal: Journal): string => {
    const now = [content(journal), journal.state(sampler)?.bytes[0] ?? null, journal.flipOf(app)]
    return JSON.stringify(now)
  }
  const step = (journal: Journal, round: number): void => {
    const at = round % 10
    if (at === 3) journal.markFlip(app, 2 + round)
    else if (at === 6 && round % 20 === 6) journal.revertFlip(app)
    else if (at === 6) journal.settleFlip(app)
    else journal.append(turn({ epoch: 2 + round, kv: kv('count', round), state: state('r', round) }))
  }
  /** The work, and what was there after each step; `synced`: so many steps were durable for sure. */
  const work = async (files: LossyFiles, known: string[]): Promise<{ synced: number }> => {
    const run = { synced: 0 }
    try {
      const journal = await open({ files, clock: new FakeClock(), options })
      known.push(snapshot(journal))
      for (let round = 0; round < 40; round++) {
        step(journal, round)
        known.push(snapshot(journal))
        if (round % 3 !== 0) continue
        await journal.sync()
        run.synced = round + 1
        journal.acknowledge(journal.sendable)
      }
    } catch (thrown) {
      if (!(thrown instanceof PowerCut) && !files.cut) throw thrown
    }
    return run
  }
  const all: string[] = []
  await work(new LossyFiles(), all)
  let cuts = 0
  for (let cutAt = 1; ; cutAt++) {
    const files = new LossyFiles({ cutAt })
    const known: string[] = []
    const { synced } = await work(files, known)
    const whole = !files.cut
    for (const seed of [cutAt, cutAt + 1_000]) {
      const again = await open({ files: files.afterPowerCut(seed), bootId: 'boot-2', options })
      // The step that the cut came in may have been written.
      expect(all.slice(synced, known.length + 1)).toContain(snapshot(again))
    }
    cuts++
    if (whole) break
  }
  expect(cuts).toBeGreaterThan(60)
})
