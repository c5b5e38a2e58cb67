import { expect, test } from 'vitest'
import { worthFollowing } from '../../../gateway/place/measured.ts'
import { place } from '../../../gateway/place/place.ts'
import type { MeasuredTraffic, PlaceInput } from '../../../gateway/plan.ts'
import { irrigation, node, where } from './fleets.ts'

const both = ['log', 'clock', 'config', 'telemetry', 'kv', 'messages', 'links', 'sql', 'http']
const interfaces = both.map((name) => `hypha:host/${name}@0.1.0`)

/** The device has room for what is bound to it alone; smooth is on the edge, near it, and talks to advisor in the cloud. */
const input = (traffic?: readonly MeasuredTraffic[]): PlaceInput => ({
  release: irrigation(),
  digest: 'ab'.repeat(32),
  fleet: [
    node('pi-7', { memoryBytes: 128 * 1024 }),
    node('gw-edge', { tier: 'edge' }),
    node('cloud-1', { tier: 'cloud', interfaces }),
  ],
  ...(traffic ? { traffic } : {}),
})

const toAdvisor = (callsPerS: number): MeasuredTraffic => ({
  caller: 'smooth',
  callee: 'advisor',
  interface: 'plants:app/advice@0.1.0',
  callsPerS,
  bytesPerS: 10,
})
const toSmooth = (callsPerS: number): MeasuredTraffic => ({
  caller: 'sampler',
  callee: 'smooth',
  interface: 'plants:app/smooth@0.1.0',
  callsPerS,
  bytesPerS: 10,
})

test('Traffic that makes a placement cheaper by a fifth is followed', () => {
  expect(where(place(input()))).toContain('smooth@pi-7 → gw-edge')
  const change = worthFollowing(input(), [toAdvisor(20), toSmooth(0.1)])!
  expect(change.costAfter).toBeLessThanOrEqual(0.8 * change.costBefore)
  expect(where(place(input(change.traffic)))).toContain('smooth@pi-7 → cloud-1')
})

test('Nothing is followed that was not counted, changes nothing, or saves less', () => {
  expect(worthFollowing(input(), [])).toBeNull()
  expect(worthFollowing(input(), [toAdvisor(1), toSmooth(1)])).toBeNull()
})

test('A link that is within a cell by now, where nobody counts it, still carries what it did', () => {
  const change = worthFollowing(input(), [toAdvisor(20), toSmooth(0.1)])!
  expect(worthFollowing(input(change.traffic), [toSmooth(0.1)])).toBeNull()
  expect(worthFollowing(input(change.traffic), [toSmooth(2)])).toBeNull()
  expect(worthFollowing(input(change.traffic), [toSmooth(60)])?.traffic).toContainEqual(toAdvisor(20))
})
