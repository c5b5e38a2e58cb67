import { expect, test } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { entries, gatewaySource, ledger, line, open, sampler, settle, turn } from '../../support/journal-run.ts'
import { LossyFiles } from '../../support/lossy-files.ts'

const sample = (value: number, atMs = 1_000) => ({ metric: 'temperature', value, atMs })

test('entries are numbered from 1 in the order of the turn, and may be sent after a sync', async () => {
  const journal = await open({ files: new LossyFiles() })
  const firstMessage = journal.append(
    turn({
      input: { source: gatewaySource, number: 5 },
      samples: [sample(21.5), sample(22, 1_001)],
      logs: [{ level: 'warn', text: 'hot', atMs: 1_002 }],
      messages: [{ topic: 'alarm', payload: Uint8Array.of(1), atMs: 1_003 }],
    }),
  )
  expect(firstMessage).toBe(5)
  expect(entries(journal)).toEqual([])
  expect(journal.sendable).toBe(0)
  await journal.sync()
  expect(entries(journal).map(line)).toEqual([
    '1 handled 5 ok',
    '2 temperature=21.5@1000',
    '3 temperature=22@1001',
    '4 log hot',
    '5 message alarm 1',
  ])
  expect(journal.sendable).toBe(5)
})

test('a sync begins at once after a pause, and otherwise syncMs after the one before', async () => {
  const clock = new FakeClock()
  const journal = await open({ files: new LossyFiles(), clock, options: { syncMs: 50 } })
  clock.advance(1_000)
  journal.append(turn({ samples: [sample(1)] }))
  clock.advance(0)
  await settle()
  expect(journal.sendable).toBe(1)
  journal.append(turn({ samples: [sample(2)] }))
  clock.advance(49)
  await settle()
  expect(journal.sendable).toBe(1)
  clock.advance(1)
  await settle()
  expect(journal.sendable).toBe(2)
  expect(clock.waiting).toBe(0)
})

test('kv, state and handled inputs are there after the process was killed', async () => {
  const files = new LossyFiles()
  const journal = await open({ files })
  const input = { source: gatewaySource, number: 7 }
  journal.append(
    turn({
      kv: [
        { key: 'a', value: Uint8Array.of(1) },
        { key: 'b', value: Uint8Array.of(2) },
      ],
    }),
  )
  journal.append(turn({ input, kv: [{ key: 'a', value: null }], state: { release: 'ab', bytes: Uint8Array.of(3) } }))
  const again = await open({ files: files.afterKill() })
  expect([...again.kv(sampler)]).toEqual([['b', Uint8Array.of(2)]])
  expect(again.state(sampler)).toEqual({ release: 'ab', bytes: Uint8Array.of(3) })
  expect(again.handled(sampler, gatewaySource)).toBe(7)
  expect(again.handled(ledger, gatewaySource)).toBe(0)
  expect(again.incarnation).toEqual(journal.incarnation)
  expect(entries(again).map(line)).toEqual(['1 handled 7 ok'])
})

test('what an app left behind is forgotten, and stays so', async () => {
  const files = new LossyFiles()
  const journal = await open({ files })
  journal.append(turn({ kv: [{ key: 'a', value: Uint8Array.of(1) }], input: { source: gatewaySource, number: 1 } }))
  journal.append(turn({ instance: { ...sampler, app: 'other' }, kv: [{ key: 'a', value: Uint8Array.of(1) }] }))
  journal.forget('greenhouse')
  for (const seen of [journal, await open({ files: files.afterKill() })]) {
    expect(seen.kv(sampler).size).toBe(0)
    expect(seen.handled(sampler, gatewaySource)).toBe(0)
    expect(seen.kv({ ...sampler, app: 'other' }).size).toBe(1)
  }
})

test("nothing of a forgotten app is left in the journal's files once the gateway has stored what it had reported", async () => {
  const files = new LossyFiles()
  const journal = await open({ files })
  journal.append(turn({ kv: [{ key: 'a', value: Uint8Array.of(1) }], samples: [sample(21.5)] }))
  journal.append(turn({ instance: { ...sampler, app: 'other' }, kv: [{ key: 'a', value: Uint8Array.of(1) }] }))
  journal.forget('greenhouse')
  await journal.sync()
  const holding = () =>
    files.list('journal').filter((name) => toText(files.read(`journal/${name}`)).includes('greenhouse'))
  expect(holding()).toHaveLength(1)
  expect(entries(journal).map(line)).toEqual(['1 temperature=21.5@1000'])
  expect(journal.acknowledge(1)).toBe(true)
  expect(holding()).toEqual([])
  expect((await open({ files: files.afterKill() })).kv({ ...sampler, app: 'other' }).size).toBe(1)
})

const toText = (bytes: Uint8Array | null): string => Buffer.from(bytes ?? []).toString('latin1')

test('a message waits for each instance of the node that is to be given it, across a restart', async () => {
  const files = new LossyFiles()
  const journal = await open({ files })
  const message = { topic: 'alarm', payload: Uint8Array.of(1), atMs: 5 }
  const number = journal.append(turn({ messages: [message, message] }), [[sampler, ledger], []])
  const own = { source: journal.incarnation, number }
  journal.append(turn({ instance: ledger, input: own }))
  const again = await open({ files: files.afterKill() })
  expect(again.pendingMessages()).toEqual([{ number, from: sampler, ...message, targets: [sampler] }])
  again.append(turn({ instance: sampler, input: own }))
  expect(again.pendingMessages()).toEqual([])
  expect(entries(again).map(line)).toEqual(['1 message alarm 1', '2 message alarm 1'])
})

test('a power cut while the agent ran is reported as a gap, a clean shutdown and a mere restart are not', async () => {
  const gaps = (journal: Awaited<ReturnType<typeof open>>) =>
    entries(journal).flatMap((entry) =>
      entry.kind === 'entry' && entry.entry.kind === 'gap' ? [entry.entry.upToMs] : [],
    )
  const files = new LossyFiles()
  await open({ files, bootId: 'one' })
  const restarted = files.afterKill()
  expect(gaps(await open({ files: restarted, bootId: 'one' }))).toEqual([])
  const rebooted = restarted.afterPowerCut(1)
  const journal = await open({ files: rebooted, bootId: 'two', options: { syncMs: 80 } })
  expect(gaps(journal)).toEqual([80])
  await journal.close()
  expect(gaps(await open({ files: rebooted.afterPowerCut(2), bootId: 'three' }))).toEqual([80])
})

test('segments that are stored by the gateway and covered by the checkpoint are removed', async () => {
  const files = new LossyFiles()
  const journal = await open({ files, options: { segmentBytes: 500 } })
  for (let round = 0; round < 50; round++) {
    for (let value = 0; value < 20; value++) journal.append(turn({ samples: [sample(value)] }))
    await journal.sync()
    expect(journal.acknowledge(journal.sendable)).toBe(true)
  }
  expect(files.list('journal').filter((name) => name.endsWith('.log')).length).toBeLessThanOrEqual(2)
  expect(journal.acknowledge(journal.sendable + 1)).toBe(false)
  const again = await open({ files: files.afterKill() })
  again.append(turn({ samples: [sample(1)] }))
  await again.sync()
  expect(entries(again, 1_001).map(line)).toEqual(['1001 temperature=1@1000'])
})

test('a turn that no report can carry is refused, and nothing of it is kept', async () => {
  const journal = await open({ files: new LossyFiles() })
  const kv = [{ key: 'a', value: Uint8Array.of(1) }]
  const message = { topic: 'a', payload: new Uint8Array(40_000), atMs: 1 }
  for (const [bad, code] of [
    [{ samples: [{ metric: 'no such/name', value: 1, atMs: 1 }] }, 'message-malformed'],
    [{ messages: [message] }, 'bytes-too-long'],
    [{ messages: [{ ...message, topic: '#', payload: new Uint8Array(0) }] }, 'topic-invalid'],
    [{ instance: { ...sampler, home: 'UPPER' } }, 'id-invalid'],
  ] as const) {
    expect(() => journal.append(turn({ ...bad, kv }))).toThrow(expect.objectContaining({ name: 'HyphaError' }))
    expect(code).toBeTruthy()
  }
  journal.append(turn({ samples: [sample(1)] }))
  await journal.sync()
  expect(journal.kv(sampler).size).toBe(0)
  expect(entries(journal).map(line)).toEqual(['1 temperature=1@1000'])
})

test('a one-sample turn takes at most 30 bytes', async () => {
  const journal = await open({ files: new LossyFiles() })
  const before = journal.stats().bytesWritten
  for (let value = 0; value < 1_000; value++) journal.append(turn({ samples: [sample(value, 1.7e12 + value * 1_000)] }))
  expect((journal.stats().bytesWritten - before) / 1_000).toBeLessThan(30)
})

test('a damaged checkpoint makes a new incarnation and says so', async () => {
  const files = new LossyFiles()
  const journal = await open({ files })
  await journal.close()
  await (await open({ files })).close()
  const checkpoint = files.open('journal/checkpoint')
  checkpoint.writeAt(10, Uint8Array.of(0xff, 0xff))
  const again = await open({ files: files.afterKill() })
  expect(again.incarnation).not.toEqual(journal.incarnation)
  expect(entries(again).map(line)).toEqual(['1 gap'])
})
