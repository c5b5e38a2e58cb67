import { HyphaError } from '@hypha/core/errors.ts'
import { expect, test } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { entries, gatewaySource, line, open, sampler, turn } from '../../support/journal-run.ts'
import { LossyFiles } from '../../support/lossy-files.ts'

const sample = (value: number) => ({ metric: 'm', value, atMs: 1_000 + value })
const text = (journal: Awaited<ReturnType<typeof open>>) => entries(journal).map(line)

test('on a full disk samples are dropped and counted, the rest is refused, and nothing is damaged', async () => {
  const files = new LossyFiles({ capacityBytes: 2_000 })
  const problems: string[] = []
  const onProblem = ({ code }: HyphaError) => problems.push(code)
  const journal = await open({ files, options: { segmentBytes: 100_000, onProblem } })
  for (let value = 0; value < 200; value++) journal.append(turn({ samples: [sample(value)] }))
  expect(problems).toContain('disk-full')
  const dropped = journal.stats().dropped
  expect(dropped).toBeGreaterThan(50)
  const kv = [{ key: 'a', value: new Uint8Array(500) }]
  expect(() => journal.append(turn({ kv }))).toThrow(expect.objectContaining({ code: 'disk-full' }))
  expect(journal.kv(sampler).size).toBe(0)
  journal.event({ instance: null, code: 'full', text: 'x'.repeat(1_000) })

  files.capacityBytes = Number.POSITIVE_INFINITY
  journal.append(turn({ kv, samples: [sample(1_000)] }))
  await journal.sync()
  const kept = 200 - dropped
  for (const reopen of [() => journal, () => open({ files: files.afterKill() })]) {
    const seen = await reopen()
    expect(text(seen).length).toBe(kept + 3)
    expect(text(seen).slice(0, kept)).toEqual(
      Array.from({ length: kept }, (_, value) => `${value + 1} m=${value}@${1_000 + value}`),
    )
    expect(
      text(seen)
        .slice(kept)
        .map((said) => said.replace(/^\d+ /, '')),
    ).toEqual(['event', 'gap', 'm=1000@2000'])
    expect(seen.kv(sampler).get('a')?.length).toBe(500)
  }
})

test('a turn that finds no room for its samples keeps what must be kept', async () => {
  const files = new LossyFiles({ capacityBytes: 1_000 })
  const journal = await open({ files })
  const samples = Array.from({ length: 100 }, (_, value) => sample(value))
  journal.append(
    turn({ samples, input: { source: gatewaySource, number: 4 }, kv: [{ key: 'a', value: Uint8Array.of(1) }] }),
  )
  expect(journal.handled(sampler, gatewaySource)).toBe(4)
  await journal.sync()
  expect(text(journal)).toEqual(['1 handled 4 ok'])
})

test('a journal is opened on a full disk, and recovers when there is room', async () => {
  const files = new LossyFiles()
  const first = await open({ files })
  first.append(turn({ kv: [{ key: 'a', value: Uint8Array.of(1) }], samples: [sample(1)] }))
  await first.sync()
  const full = files.afterKill({ capacityBytes: 0 })
  const journal = await open({ files: full })
  expect(journal.kv(sampler).size).toBe(1)
  expect(text(journal)).toEqual(['1 m=1@1001'])
  journal.append(turn({ samples: [sample(2)] }))
  full.capacityBytes = Number.POSITIVE_INFINITY
  journal.append(turn({ samples: [sample(3)] }))
  await journal.sync()
  expect(text(journal)).toEqual(['1 m=1@1001', '2 gap', '3 m=3@1003'])
})

test('over its budget the oldest samples go first, a gap says so, and everything else stays', async () => {
  const files = new LossyFiles()
  const clock = new FakeClock()
  const options = { segmentBytes: 1_000, maxBytes: 6_000 }
  const journal = await open({ files, clock, options })
  let handled = 0
  for (let round = 0; round < 100; round++) {
    const input = round % 10 === 0 ? { source: gatewaySource, number: ++handled } : null
    const kv = [{ key: `k${round % 5}`, value: Uint8Array.of(round) }]
    journal.append(turn({ samples: Array.from({ length: 10 }, (_, index) => sample(10 * round + index)), input, kv }))
    await journal.sync()
  }
  expect(journal.stats().sizeBytes).toBeLessThan(8_000)
  for (const reopen of [() => journal, () => open({ files: files.afterPowerCut(3), clock, options, bootId: 'two' })]) {
    const seen = await reopen()
    const found = entries(seen)
    const numbers = found.map(({ sequence }) => sequence)
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
    const samples = found.flatMap((entry) => (entry.kind === 'sample' ? [entry.value] : []))
    expect(samples.length).toBeGreaterThan(50)
    // The newest are there, without a hole.
    expect(samples).toEqual(Array.from({ length: samples.length }, (_, index) => 1_000 - samples.length + index))
    const others = found.flatMap((entry) => (entry.kind === 'entry' ? [entry.entry] : []))
    expect(others.filter(({ kind }) => kind === 'handled').length).toBe(10)
    const gaps = others.flatMap((entry) => (entry.kind === 'gap' ? [Number.parseInt(entry.reason, 10) || 0] : []))
    expect(gaps.reduce((sum, count) => sum + count, 0) + samples.length).toBe(1_000)
    expect(seen.kv(sampler).size).toBe(5)
    expect(seen.handled(sampler, gatewaySource)).toBe(10)
  }
})

test('what may not be dropped is refused at twice the budget', async () => {
  const journal = await open({ files: new LossyFiles(), options: { segmentBytes: 500, maxBytes: 2_000 } })
  const message = { topic: 't', payload: new Uint8Array(100), atMs: 1 }
  const fill = async () => {
    for (let round = 0; round < 100; round++) {
      journal.append(turn({ messages: [message], samples: [sample(round)] }))
      await journal.sync()
    }
  }
  await expect(fill()).rejects.toMatchObject({ code: 'journal-full' })
  expect(journal.stats().sizeBytes).toBeLessThan(5_500)
  journal.acknowledge(journal.sendable)
  await journal.sync()
  journal.append(turn({ messages: [message] }))
})

test('after a sync that failed, what it was to cover is written again', async () => {
  const clock = new FakeClock()
  const files = new LossyFiles()
  const open0 = files.open.bind(files)
  let fails = false
  files.open = (path) => {
    const file = open0(path)
    const sync = () => (fails ? Promise.reject(new HyphaError('file-failed', 'EIO')) : file.sync())
    return { ...file, sync }
  }
  const journal = await open({ files, clock })
  journal.append(turn({ samples: [sample(1)] }))
  fails = true
  await expect(journal.sync()).rejects.toMatchObject({ code: 'file-failed' })
  expect(journal.sendable).toBe(0)
  fails = false
  await journal.sync()
  expect(text(journal)).toEqual(['1 m=1@1001'])
})

test('a power cut at any write while samples are dropped costs nothing else, and the gaps never say too little', async () => {
  const options = { segmentBytes: 600, maxBytes: 2_000 }
  for (let cutAt = 1; ; cutAt++) {
    const files = new LossyFiles({ cutAt })
    let [durable, handled] = [0, 0]
    const run = async () => {
      const journal = await open({ files, options })
      for (let round = 0; round < 12; round++) {
        const input = { source: gatewaySource, number: round + 1 }
        journal.append(turn({ samples: Array.from({ length: 10 }, (_, index) => sample(10 * round + index)), input }))
        await journal.sync()
        durable = 10 * (round + 1)
        handled = round + 1
      }
    }
    await run().catch(() => expect(files.cut).toBe(true))
    const whole = !files.cut
    const again = await open({ files: files.afterPowerCut(cutAt), options: { ...options, maxBytes: 1e9 } })
    const found = entries(again)
    const numbers = found.map(({ sequence }) => sequence)
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
    const others = found.flatMap((entry) => (entry.kind === 'entry' ? [entry.entry] : []))
    expect(others.filter(({ kind }) => kind === 'handled').length).toBeGreaterThanOrEqual(handled)
    const gaps = others.flatMap((entry) => (entry.kind === 'gap' ? [Number.parseInt(entry.reason, 10) || 0] : []))
    const samples = found.filter(({ kind }) => kind === 'sample').length
    expect(samples + gaps.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(durable)
    if (whole) break
  }
})
