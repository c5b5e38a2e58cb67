import { expect, it } from 'vitest'
import { beginJournalAnew } from '../../../agent/report/anew.ts'
import { openJournal } from '../../../agent/report/journal.ts'
import { bytesEqual } from '../../../src/bytes/text.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { LossyFiles } from '../../support/lossy-files.ts'
import { crypto } from '../../support/signed.ts'

// A journal that was set back, or of which another machine may have a copy, begins anew: with what its instances go on from, and none of the numbers that it gave.

const instance = { app: 'greenhouse', module: 'sampler', home: null }
const other = { ...instance, module: 'listener' }
const key = new Uint8Array([1, 2, 3])

const open = (files: LossyFiles) =>
  openJournal({ files, clock: new FakeClock(), random: crypto.random, bootId: 'boot 1', options: { syncMs: 0 } })

async function written(): Promise<LossyFiles> {
  const files = new LossyFiles()
  const journal = await open(files)
  for (let turn = 1; turn <= 3; turn++) {
    journal.append(
      {
        instance,
        epoch: 1,
        input: { source: new Uint8Array(8).fill(4), number: turn },
        samples: [{ metric: 'ticks', value: turn, atMs: 1 }],
        logs: [],
        messages: [{ topic: 'out', payload: key, atMs: 1 }],
        kv: [{ key: 'ticks', value: Uint8Array.of(turn) }],
        state: { release: 'r1', bytes: Uint8Array.of(turn) },
      } as never,
      [[other]],
    )
  }
  await journal.close()
  return files
}

const whatCounts = (journal: Awaited<ReturnType<typeof openJournal>>) => ({
  kv: [...journal.kv(instance)],
  state: journal.state(instance),
  handled: journal.handled(instance, new Uint8Array(8).fill(4)),
  pending: journal.pendingMessages().map(({ number: _, ...message }) => message),
})

it('It keeps kv, state, what was handled and what waits, gives other numbers, says what is missing, and begins anew only once', async () => {
  const files = await written()
  const before = await open(files.afterPowerCut(0))
  const again = files.afterPowerCut(0)
  await beginJournalAnew(again)
  const journal = await open(again)
  expect(bytesEqual(journal.incarnation, before.incarnation)).toBe(false)
  expect(whatCounts(journal)).toEqual(whatCounts(before))
  expect(journal.acknowledged).toBe(0)
  expect(journal.pendingMessages().map(({ number }) => number)).toEqual([1, 2, 3])
  const cursor = journal.read(1)
  const entries = []
  for (let entry = cursor.peek(); entry; entry = cursor.peek()) {
    entries.push(entry)
    cursor.take()
  }
  cursor.close()
  expect(JSON.stringify(entries)).toContain('begins anew')
  expect(JSON.stringify(entries)).not.toContain('"ticks"')
  await journal.close()
  const later = await open(again)
  expect(bytesEqual(later.incarnation, journal.incarnation)).toBe(true)
  expect(whatCounts(later)).toEqual(whatCounts(before))
})

it('Wherever the power goes, it is the old journal that still is to begin anew, or a new one with all that counts', async () => {
  const files = await written()
  const old = await open(files.afterPowerCut(0))
  const whole = files.afterPowerCut(0)
  await beginJournalAnew(whole)
  await open(whole)
  for (let cutAt = 1; cutAt <= whole.operations; cutAt++) {
    for (let seed = 0; seed < 3; seed++) {
      const cut = files.afterPowerCut(0, { cutAt })
      let ordered = false
      try {
        await beginJournalAnew(cut)
        ordered = true
        await open(cut)
      } catch (error) {
        if (!cut.cut) throw error
      }
      const survived = await open(cut.afterPowerCut(seed))
      expect(whatCounts(survived), `write ${cutAt}`).toEqual(whatCounts(old))
      if (ordered) expect(bytesEqual(survived.incarnation, old.incarnation), `write ${cutAt}`).toBe(false)
    }
  }
})
