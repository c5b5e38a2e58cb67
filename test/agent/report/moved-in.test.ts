import type { Journal } from '@hypha/agent/report/journal.ts'
import { kept } from '@hypha/core/wire/messages/checkpoint.ts'
import { expect, test } from 'vitest'
import { gatewaySource, open, sampler, turn } from '../../support/journal-run.ts'
import { LossyFiles } from '../../support/lossy-files.ts'

const options = { segmentBytes: 400, syncMs: 20 }
const count = (journal: Journal) => journal.kv(sampler).get('count')?.[0]

/** A node on which the sampler has handled inputs up to a number, and counted them. */
async function counted(upTo: number): Promise<Journal> {
  const journal = await open({ files: new LossyFiles(), options })
  for (let number = 1; number <= upTo; number++) {
    const kv = [{ key: 'count', value: Uint8Array.of(number) }]
    const state = number === 2 ? { release: 'ab', bytes: Uint8Array.of(number) } : null
    journal.append(turn({ input: { source: gatewaySource, number }, kv, state }))
  }
  return journal
}

test('What an instance keeps on one node it goes on from on another, with what it has handled; and its state lacks what came after its last save.', async () => {
  const { kept: from, turns } = (await counted(5)).kept(sampler)
  expect(turns).toBe(3)
  const journal = await open({ files: new LossyFiles(), options })
  journal.moveIn(sampler, { move: 7, turns, kept: kept.encode(from) })
  expect(count(journal)).toBe(5)
  expect(journal.state(sampler)).toEqual({ release: 'ab', bytes: Uint8Array.of(2) })
  expect(journal.handled(sampler, gatewaySource)).toBe(5)
  expect(journal.kept(sampler)).toMatchObject({ turns: 3, kept: from })
})

test('One move brings an instance once: neither the same word again nor a restart puts it over what came since.', async () => {
  const files = new LossyFiles()
  const from = kept.encode((await counted(5)).kept(sampler).kept)
  const before = await open({ files, options })
  before.moveIn(sampler, { move: 7, turns: 0, kept: from })
  before.append(turn({ kv: [{ key: 'count', value: Uint8Array.of(6) }] }))
  before.moveIn(sampler, { move: 7, turns: 0, kept: from })
  expect(count(before)).toBe(6)
  await before.close()
  const journal = await open({ files, options })
  journal.moveIn(sampler, { move: 7, turns: 0, kept: from })
  expect(count(journal)).toBe(6)
  journal.moveIn(sampler, { move: 8, turns: 0, kept: from })
  expect(count(journal)).toBe(5)
})

test('What was left here by an earlier stay gives way as a whole, and a state of another instance is refused.', async () => {
  const journal = await counted(9)
  const from = (await counted(5)).kept(sampler).kept
  journal.moveIn(sampler, { move: 1, turns: 0, kept: kept.encode(from) })
  expect(count(journal)).toBe(5)
  expect(journal.handled(sampler, gatewaySource)).toBe(5)
  const other = kept.encode({ ...from, module: 'other' })
  expect(() => journal.moveIn(sampler, { move: 2, turns: 0, kept: other })).toThrow('another instance')
})

test('Instances whose state or kv has changed are named once, and after a start all that keep something.', async () => {
  const files = new LossyFiles()
  const journal = await open({ files, options })
  journal.append(turn({ kv: [{ key: 'count', value: Uint8Array.of(1) }] }))
  expect(journal.takeChanged()).toEqual([sampler])
  journal.append(turn({ input: { source: gatewaySource, number: 1 } }))
  expect(journal.takeChanged()).toEqual([])
  await journal.close()
  expect((await open({ files, options })).takeChanged()).toEqual([sampler])
})
