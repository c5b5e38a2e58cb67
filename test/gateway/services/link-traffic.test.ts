import { linkCounts } from '@hypha/core/wire/messages/link-counts.ts'
import { expect, test } from 'vitest'
import { LinkStats } from '../../../agent/calls/stats.ts'
import { type CallOutcome, failed, type OutgoingCall } from '../../../agent/linked-calls.ts'
import { LinkTraffic } from '../../../gateway/services/link-traffic.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const callee = { node: 'edge', end: { module: 'advisor', home: null } }
const call: OutgoingCall = {
  id: new Uint8Array(16),
  app: 'greens',
  interface: 'greens:plants/advice@1.0.0',
  digest: new Uint8Array(32),
  func: 'advise',
  args: new Uint8Array(10),
  home: 'pi-7',
  path: ['pi-7/greens'],
  caller: { module: 'smooth', home: 'pi-7' },
  callee,
  isolated: new Set(),
  retry: false,
  tryMs: 5_000,
  leftMs: 5_000,
}
const ok: CallOutcome = { kind: 'ok', result: new Uint8Array(4) }

test('A node tells what its calls add up to, and the gateway shows them with their rate and times.', () => {
  const clock = new FakeClock()
  const stats = new LinkStats(clock)
  const traffic = new LinkTraffic(clock)
  for (let count = 0; count < 98; count++) stats.note(call, callee, ok, 1.2)
  stats.note(call, callee, failed('link-busy', 'x'), 0)
  stats.note(call, callee, ok, 90)
  clock.advance(10_000)
  traffic.take('pi-7', linkCounts.encode(stats.counts()))
  const [first] = traffic.list()
  expect(first).toMatchObject({
    app: 'greens',
    module: 'smooth',
    home: 'pi-7',
    node: 'pi-7',
    callee: 'advisor',
    calleeNode: 'edge',
    calls: 100,
    callsPerS: 10,
    bytesOut: 1_000,
    bytesIn: 396,
    failures: { 'link-busy': 1 },
  })
  expect(first!.p50Ms).toBeGreaterThan(1)
  expect(first!.p50Ms).toBeLessThan(1.6)
  // Times and rates are of what was called since it was told last.
  for (let count = 0; count < 8; count++) stats.note(call, callee, ok, 200)
  clock.advance(2_000)
  traffic.take('pi-7', linkCounts.encode(stats.counts()))
  expect(traffic.list('greens')[0]).toMatchObject({ calls: 108, callsPerS: 4 })
  expect(traffic.list()[0]!.p50Ms).toBeGreaterThan(150)
  expect(traffic.list('another')).toEqual([])
  clock.advance(61_000)
  expect(traffic.list()).toEqual([])
})

test('However many links and codes a node uses, what it tells fits one message.', () => {
  const clock = new FakeClock()
  const stats = new LinkStats(clock)
  for (let link = 0; link < 1_000; link++) {
    const to = { node: `n${'x'.repeat(30)}`, end: { module: `m${link}-${'y'.repeat(30)}`, home: `h${'z'.repeat(30)}` } }
    for (let code = 0; code < 20; code++)
      stats.note(call, to, failed(`code-${code}-${'w'.repeat(60)}`, 'x'), 10 ** (code / 2))
  }
  const bytes = linkCounts.encode(stats.counts())
  expect(bytes.length).toBeLessThan(65_536)
  expect(linkCounts.decode(bytes).links.length).toBeGreaterThan(10)
})
