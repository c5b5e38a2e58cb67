import type { Journal } from '@hypha/agent/report/journal.ts'
import { createShipper, type ReportLink, type ShipperOptions } from '@hypha/agent/report/shipper.ts'
import { toHex } from '@hypha/core/bytes/text.ts'
import { ack } from '@hypha/core/wire/messages/ack.ts'
import { report } from '@hypha/core/wire/messages/report.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { gatewaySource, open, settle, turn } from '../../support/journal-run.ts'
import { LossyFiles } from '../../support/lossy-files.ts'

/** What a gateway does with reports: stores those that follow on what it has, in one step with its mark, and answers with the mark. */
class FakeGateway {
  readonly stored = new Map<number, string>()
  mark = 0
  incarnation = ''
  /** Whether the next report, the next acknowledgement is lost. */
  losesReport = () => false
  losesAck = () => false
  readonly acks: Uint8Array[] = []
  reports = 0

  receive(bytes: Uint8Array): void {
    if (this.losesReport()) return
    this.reports++
    const { incarnation, first, count, baseMs, after, samples, series, entries } = report.decode(bytes)
    this.incarnation = toHex(incarnation)
    if ((after ?? first - 1) <= this.mark) {
      const store = (offset: number, text: string) => {
        if (first + offset <= this.mark) return
        expect(this.stored.has(first + offset)).toBe(false)
        this.stored.set(first + offset, text)
      }
      const n = samples.series.length / 2
      const view = (column: Uint8Array) => new DataView(column.buffer, column.byteOffset, column.byteLength)
      for (let index = 0; index < n; index++) {
        const { metric } = series[view(samples.series).getUint16(2 * index, true)]!
        const at = baseMs + view(samples.at).getUint32(4 * index, true)
        const offset = view(samples.offset).getUint16(2 * index, true)
        store(offset, `${metric}=${view(samples.value).getFloat64(8 * index, true)}@${at}`)
      }
      for (const { offset, entry } of entries) store(offset, entry.kind)
      this.mark = Math.max(this.mark, first + count - 1)
    }
    if (!this.losesAck()) this.acks.push(ack.encode({ incarnation, upTo: this.mark, anew: null }))
  }
}

class FakeLink implements ReportLink {
  state: 'online' | 'offline' = 'online'
  #listener: (state: 'online' | 'offline') => void = () => undefined
  readonly #gateway: FakeGateway

  constructor(gateway: FakeGateway) {
    this.#gateway = gateway
  }

  onState(listener: (state: 'online' | 'offline') => void): () => void {
    this.#listener = listener
    return () => undefined
  }

  async publish(_topic: string, payload: Uint8Array): Promise<void> {
    this.#gateway.receive(payload)
  }

  set(state: 'online' | 'offline'): void {
    this.state = state
    this.#listener(state)
  }
}

async function start(options: Partial<ShipperOptions> = {}, journal?: Journal, gateway = new FakeGateway()) {
  const clock = new FakeClock()
  const link = new FakeLink(gateway)
  journal ??= await open({ files: new LossyFiles(), clock, options: { segmentBytes: 2_000 } })
  const shipper = createShipper({ journal, link, topic: 'up/report', clock, options })
  const deliver = () => {
    for (const bytes of gateway.acks.splice(0)) shipper.onAck(bytes)
  }
  return { gateway, link, journal, shipper, clock, deliver }
}

const sample = (value: number, atMs = 1_000) => ({ metric: 'm', value, atMs })

test('what is appended arrives after the sync, and is acknowledged', async () => {
  const { gateway, journal, deliver, clock } = await start()
  journal.append(turn({ samples: [sample(1), sample(2, 900)], logs: [{ level: 'info', text: 'x', atMs: 5 }] }))
  expect(gateway.stored.size).toBe(0)
  await journal.sync()
  expect([...gateway.stored]).toEqual([
    [1, 'm=1@1000'],
    [2, 'm=2@900'],
    [3, 'log'],
  ])
  deliver()
  expect(journal.acknowledged).toBe(3)
  await journal.sync()
  expect(clock.waiting).toBe(0)
})

test('batches stay below the cap of a message, whatever is in them', async () => {
  const { gateway, journal, deliver } = await start()
  const payload = new Uint8Array(32_768)
  journal.append(turn({ messages: Array.from({ length: 5 }, () => ({ topic: 't', payload, atMs: 1 })) }))
  journal.append(
    turn({ logs: Array.from({ length: 30 }, () => ({ level: 'info', text: '€'.repeat(4_096), atMs: 1 })) }),
  )
  journal.append(turn({ samples: Array.from({ length: 20_000 }, (_, index) => sample(index)) }))
  // Months apart: times of one report are 32 bits.
  journal.append(turn({ samples: [sample(1, 1), sample(2, 1.7e12)] }))
  for (let round = 0; round < 30; round++) {
    await journal.sync()
    deliver()
  }
  expect(gateway.mark).toBe(20_037)
  expect(gateway.stored.size).toBe(20_037)
})

test('no more reports than the window wait for their acknowledgement', async () => {
  const { gateway, journal, deliver } = await start({ window: 3 })
  journal.append(turn({ samples: Array.from({ length: 40_000 }, (_, index) => sample(index)) }))
  await journal.sync()
  expect(gateway.reports).toBe(3)
  gateway.acks.splice(1)
  deliver()
  expect(gateway.reports).toBe(4)
})

test('without an acknowledgement everything is sent again after a while, then more seldom', async () => {
  const { gateway, journal, deliver, clock } = await start({ ackTimeoutMs: 1_000 })
  gateway.losesAck = () => true
  journal.append(turn({ samples: [sample(1)] }))
  await journal.sync()
  clock.advance(999)
  expect(gateway.reports).toBe(1)
  clock.advance(1)
  expect(gateway.reports).toBe(2)
  clock.advance(1_999)
  expect(gateway.reports).toBe(2)
  gateway.losesAck = () => false
  clock.advance(1)
  deliver()
  expect(journal.acknowledged).toBe(1)
  expect(gateway.stored.size).toBe(1)
})

test('an agent that was restarted goes on where the gateway is', async () => {
  const files = new LossyFiles()
  const first = await start({}, await open({ files }))
  first.journal.append(turn({ samples: [sample(1), sample(2)] }))
  await first.journal.sync()
  const again = await open({ files: files.afterKill() })
  const gateway = new FakeGateway()
  gateway.mark = first.gateway.mark
  const second = await start({}, again, gateway)
  again.append(turn({ samples: [sample(3)] }))
  await again.sync()
  for (let round = 0; round < 3; round++) second.deliver()
  expect([...second.gateway.stored]).toEqual([[3, 'm=3@1000']])
  expect(again.acknowledged).toBe(3)
})

test('acknowledgements that are malformed, of another journal, or beyond what was sent change nothing', async () => {
  const problems: string[] = []
  const { journal, shipper } = await start({ onProblem: ({ code }) => problems.push(code) })
  journal.append(turn({ samples: [sample(1)] }))
  await journal.sync()
  shipper.onAck(Uint8Array.of(0xff))
  shipper.onAck(ack.encode({ incarnation: gatewaySource, upTo: 1, anew: null }))
  shipper.onAck(ack.encode({ incarnation: journal.incarnation, upTo: 2, anew: null }))
  expect(journal.acknowledged).toBe(0)
  expect(problems).toEqual(['bytes-malformed', 'ack-beyond-sent'])
})

test('over any link that loses, cuts and repeats, every entry is stored exactly once', async () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constant('append' as const), count: fc.integer({ min: 1, max: 400 }) }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('deliver' as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('repeat' as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('connect' as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
  )
  const losses = fc.infiniteStream(fc.integer({ min: 0, max: 3 }))
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), losses, async (steps, chance) => {
      const { gateway, link, journal, shipper, clock, deliver } = await start({ window: 3, maxBytes: 2_000 })
      const loses = () => chance.next().value === 0
      gateway.losesReport = loses
      gateway.losesAck = loses
      let appended = 0
      let lastAck: Uint8Array | undefined
      for (const what of steps) {
        if (what.do === 'append') {
          const samples = Array.from({ length: what.count }, (_, index) => sample(appended + index + 1))
          journal.append(turn({ samples }))
          appended += what.count
          await journal.sync()
        }
        lastAck = gateway.acks.at(-1) ?? lastAck
        if (what.do === 'deliver') deliver()
        if (what.do === 'repeat' && lastAck) shipper.onAck(lastAck)
        if (what.do === 'cut') {
          gateway.acks.splice(0)
          link.set('offline')
        }
        if (what.do === 'connect') link.set('online')
        if (what.do === 'wait') clock.advance(6_000)
        await settle()
      }
      gateway.losesReport = gateway.losesAck = () => false
      link.set('online')
      for (let round = 0; round < 10_000 && journal.acknowledged < appended; round++) {
        deliver()
        if (gateway.acks.length === 0) clock.advance(1_000)
      }
      expect(gateway.stored.size).toBe(appended)
      for (let number = 1; number <= appended; number++) expect(gateway.stored.get(number)).toBe(`m=${number}@1000`)
    }),
    { numRuns: 60 },
  )
})
