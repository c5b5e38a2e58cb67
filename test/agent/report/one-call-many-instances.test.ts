import { expect, test } from 'vitest'
import { entries, gatewaySource, ledger, line, open, sampler, turn } from '../../support/journal-run.ts'
import { LossyFiles } from '../../support/lossy-files.ts'

const parts = (round: number) => {
  const kv = [{ key: 'round', value: Uint8Array.of(round) }]
  const message = { topic: 't', payload: Uint8Array.of(round), atMs: 1 }
  const input = { source: gatewaySource, number: round }
  return [
    { record: turn({ instance: sampler, kv, input, samples: [{ metric: 'm', value: round, atMs: 1 }] }), targets: [] },
    { record: turn({ instance: ledger, kv, messages: [message, message] }), targets: [[], [sampler]] },
  ]
}

test('what one call left behind in several instances is numbered in the order of its parts', async () => {
  const files = new LossyFiles()
  const journal = await open({ files })
  expect(journal.appendAll([])).toEqual([])
  expect(journal.appendAll(parts(1))).toEqual([3, 3])
  await journal.sync()
  const again = await open({ files: files.afterKill() })
  expect(entries(again).map(line)).toEqual(['1 handled 1 ok', '2 m=1@1', '3 message t 1', '4 message t 1'])
  expect(again.pendingMessages().map(({ number, from }) => [number, from])).toEqual([[4, ledger]])
})

test('it is there as a whole or not at all, at whichever write the process is killed or the power cut', async () => {
  for (let cutAt = 1; ; cutAt++) {
    const files = new LossyFiles({ cutAt })
    const run = async () => {
      const journal = await open({ files, options: { segmentBytes: 300 } })
      for (let round = 1; round <= 12; round++) {
        journal.appendAll(parts(round))
        if (round % 3 === 0) await journal.sync()
      }
    }
    await run().catch(() => expect(files.cut).toBe(true))
    const whole = !files.cut
    for (const disk of [files.afterPowerCut(cutAt), files.afterPowerCut(cutAt + 99), files.afterKill()]) {
      const again = await open({ files: disk })
      const round = again.handled(sampler, gatewaySource)
      for (const instance of [sampler, ledger]) expect(again.kv(instance).get('round')?.[0] ?? 0).toBe(round)
      expect(entries(again).length).toBe(4 * round)
    }
    if (whole) break
  }
})
