import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { certificateFingerprint } from '../../gateway/enrol/ca.ts'
import { readUpstream } from '../../gateway/uplink/upstream-file.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { ask, steadySensor, type ValueLine, writeApp } from './support.ts'
import { cloudIsOnline, uplinkOf } from './upstream-support.ts'

// The upstream replaces its certificate authority: its sites follow by themselves, as its nodes do.

const counter = `
import { names } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
let ticks: u32 = 0;
export function tick(nowMs: u64): void {
  if (names().length > 0) emit("ticks", <f64>(++ticks));
}
`

let upstream: Fleet
let site: Fleet

const kept = () => readUpstream(join(site.folder, 'hypha/gateway/upstream'))!
const believed = () => certificateFingerprint(kept().ca)
const current = async () =>
  (await upstream.json<{ fingerprint: string; named: boolean }[]>(['ca'])).find(({ named }) => named)!.fingerprint

/** The site believes the upstream by the authority of today, and what its device emits arrives there. */
async function goesOn(): Promise<void> {
  const wanted = await current()
  await eventually('the site believes its upstream by the new authority', () => believed() === wanted || undefined)
  await eventually('the uplink is there', async () => (await uplinkOf(site))?.online || undefined)
  await cloudIsOnline(site, true)
  const since = Date.now()
  await eventually('values at the upstream', async () => {
    const values = await ask<ValueLine[]>(upstream, '/v1/values', { site: 'north', metric: 'ticks' })
    return values.find(({ at }) => at > since)
  })
}

beforeAll(async () => {
  upstream = await Fleet.start({ name: 'company' })
  site = await Fleet.start({ name: 'garden' })
  const { url } = await upstream.json<{ url: string }>(['site', 'invite', 'north', '--memory', '64MiB'])
  await site.hypha(['join-upstream', url])
  await site.addNode('pi-1', { nodeFile: steadySensor })
  await site.hypha([
    'push',
    '--no-wait',
    writeApp(site, 'counter', '[module.count]\ntimer = "200ms"\n', { count: counter }),
  ])
  await goesOn()
})
afterAll(async () => {
  await site?.stop()
  await upstream?.stop()
})

test('A site that is connected follows its upstream to a new authority, with a certificate by that one, and its streams go on.', async () => {
  const [before, { certificate }] = [believed(), kept()]
  await upstream.hypha(['ca', 'rotate'])
  await goesOn()
  expect(believed()).not.toBe(before)
  await eventually('a certificate by the new authority', () => kept().certificate !== certificate || undefined)
})

test('One that was away for several follows them all when it is back.', async () => {
  await site.gateway!.end()
  for (let times = 0; times < 2; times++) await upstream.hypha(['ca', 'rotate'])
  await site.startGateway()
  await goesOn()
})
