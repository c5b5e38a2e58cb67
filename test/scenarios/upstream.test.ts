import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CutProxy } from '../support/cut-proxy.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { ask, lastValue, type ValueLine, writeApp } from './support.ts'
import { cloudIsOnline, type SiteLine, throughProxy, uplinkOf } from './upstream-support.ts'

// A site with one device, whose app needs what only its upstream's machine has; the uplink is cut, and both sides are killed.

const wit = `package garden:plants@0.1.0;

interface advice {
  advise: func(reading: f64) -> result<f64, string>;
}
`

const sampler = `
import { read } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
import { write, Level } from "hypha/host/log";
import { advise } from "garden/plants/advice";
let count: u32 = 0;
export function tick(nowMs: u64): void {
  count++;
  emit("count", <f64>count);
  write(Level.Info, "tick " + count.toString());
  const reading = read("soil");
  if (!reading.isOk) return;
  const advice = advise(reading.value);
  if (advice.isOk) emit("advised", advice.value);
  else emit("failed", <f64>count);
}
`

const advisor = `
import { query } from "hypha/host/sql";
import { emit } from "hypha/host/telemetry";
import { ok, Result } from "hypha/types";
let asked: u32 = 0;
export function advice$advise(reading: f64): Result<f64, string> {
  asked++;
  query("SELECT 1", []);
  emit("asked", <f64>asked);
  return ok<f64, string>(reading * 2.0);
}
`

let upstream: Fleet
let site: Fleet
let proxy: CutProxy

const siteOf = () => ask<SiteLine>(upstream, '/v1/sites/north')
interface Point {
  at: number
  mean: number
}
const history = async (fleet: Fleet, metric: string, of: Record<string, string> = {}): Promise<Point[]> => {
  const query = { app: 'garden', module: 'sampler', home: 'pi-1', metric, limit: '100000', ...of }
  const { points } = await ask<{ points: Point[] }>(fleet, '/v1/values/history', query)
  return points.map(({ at, mean }) => ({ at, mean }))
}
const forwarded = (metric: string) => history(upstream, metric, { site: 'north' })
const lines = async (fleet: Fleet, of: Record<string, string> = {}) => {
  const found = await ask<{ at: number; text: string }[]>(fleet, '/v1/logs', { limit: '10000', ...of })
  return found.map(({ at, text }) => ({ at, text }))
}
const counted = (fleet: Fleet, beyond: number) =>
  lastValue(fleet, { app: 'garden', metric: 'count' }, ({ value }) => value > beyond)

beforeAll(async () => {
  upstream = await Fleet.start({ name: 'company' })
  site = await Fleet.start({ name: 'garden' })
})
afterAll(async () => {
  proxy?.close()
  await site.stop()
  await upstream.stop()
})

test('A gateway joins another, which runs a cloud node for it that is placed as any other', async () => {
  const { url } = await upstream.json<{ url: string }>(['site', 'invite', 'north', '--memory', '64MiB'])
  await site.hypha(['join-upstream', url])
  await cloudIsOnline(site, true)
  expect((await site.tryHypha(['join-upstream', url])).stderr).toMatch(/join-token-used/)
  const another = await upstream.json<{ url: string }>(['site', 'invite', 'south'])
  expect((await site.tryHypha(['join-upstream', another.url])).stderr).toMatch(/upstream-joined/)
  expect(await upstream.hypha(['sites'])).toMatch(/north +connected +runs +64 MiB/)
  expect(await site.hypha(['status'])).toMatch(/upstream +company at 127\.0\.0\.1/)

  // From here on through a line that can be cut.
  proxy = await throughProxy(site, upstream)
  await cloudIsOnline(site, true)
})

test('A module that needs what only the upstream’s machine has runs there, and is called as any other', async () => {
  const folder = join(site.folder, 'pi-1')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'soil'), '21\n')
  await site.addNode('pi-1', { nodeFile: `[sensor.soil]\ndriver = "sysfs"\npath = "${folder}/soil"\n` })
  const app = writeApp(
    site,
    'garden',
    '[module.sampler]\ntimer = "250ms"\nturn = "3s"\n\n[module.advisor]\nturn = "2s"\n',
    { sampler, advisor },
  )
  mkdirSync(join(app, 'wit'), { recursive: true })
  writeFileSync(join(app, 'wit/plants.wit'), wit)
  await site.hypha(['push', '--no-wait', app])
  expect(await lastValue(site, { app: 'garden', metric: 'advised' })).toMatchObject({ value: 42, node: 'pi-1' })
  expect(await lastValue(site, { app: 'garden', metric: 'asked' })).toMatchObject({ node: 'cloud' })
})

test('The upstream shows the site’s values as the site does, and takes them for nobody else’s', async () => {
  const shown = await eventually('values of the site', async () => {
    const values = await ask<ValueLine[]>(upstream, '/v1/values', { site: 'north' })
    return ['count', 'advised', 'asked'].every((metric) => values.some((value) => value.metric === metric))
      ? values
      : undefined
  })
  expect(shown.find(({ metric }) => metric === 'advised')).toMatchObject({
    app: 'garden',
    home: 'pi-1',
    node: 'pi-1',
    value: 42,
  })
  expect(await ask<ValueLine[]>(upstream, '/v1/values')).toEqual([])
  expect(await upstream.hypha(['values', '--site', 'north', '--metric', 'advised'])).toMatch(
    /garden +sampler +pi-1 +advised +42/,
  )
})

test('While the uplink is cut the site goes on alone, and afterwards all of it is there once', async () => {
  const before = (await counted(site, 0)).value
  proxy.hold()
  proxy.cut()
  await cloudIsOnline(site, false)
  await eventually('the upstream knows', async () => ((await siteOf()).online ? undefined : true))
  await counted(site, before + 3)
  await lastValue(site, { app: 'garden', metric: 'failed' })
  expect((await uplinkOf(site))!.waiting).toBeGreaterThan(0)
  proxy.letGo()
  proxy.cut()
  await cloudIsOnline(site, true)
  const { at } = await lastValue(site, { app: 'garden', metric: 'failed' })
  await lastValue(site, { app: 'garden', metric: 'advised' }, (value) => value.at > at)
  await same(before + 3)
})

/** Waits until the upstream has as much as a count, and holds that part against what the site has. */
async function same(count: number): Promise<void> {
  const there = await eventually('the upstream has caught up', async () => {
    const points = await forwarded('count')
    return points.some(({ mean }) => mean >= count) ? points : undefined
  })
  const all = await history(site, 'count')
  expect(there).toEqual(all.slice(0, there.length))
  expect(all.map(({ mean }) => mean)).toEqual(all.map((_, index) => index + 1))
}

test('Either side may be killed: what the other has goes on, and nothing is lost or there twice', async () => {
  let { value } = await counted(site, 0)
  await site.gateway!.end('SIGKILL')
  await eventually('the upstream knows', async () => ((await siteOf()).online ? undefined : true))
  await site.startGateway()
  await cloudIsOnline(site, true)
  value = (await counted(site, value + 3)).value
  await upstream.gateway!.end('SIGKILL')
  await cloudIsOnline(site, false)
  await counted(site, value + 3)
  await upstream.startGateway()
  await cloudIsOnline(site, true)
  const { at } = await lastValue(site, { app: 'garden', metric: 'count' })
  await lastValue(site, { app: 'garden', metric: 'advised' }, (advised) => advised.at > at)
  await same(value + 3)

  // At rest, all of both sides is the same.
  await site.agents.get('pi-1')!.end()
  await eventually('all is forwarded', async () => ((await uplinkOf(site))!.waiting === 0 ? true : undefined))
  for (const metric of ['count', 'advised', 'failed'])
    expect(await forwarded(metric)).toEqual(await history(site, metric))
  expect(await lines(upstream, { site: 'north' })).toEqual(await lines(site))
})

test('A site that is revoked is cut off at once, with what runs for it, and what it has forwarded stays', async () => {
  const had = await forwarded('count')
  await upstream.hypha(['site', 'revoke', 'north'])
  expect(await siteOf()).toMatchObject({ online: false, agent: false, revokedAt: expect.any(Number) })
  await cloudIsOnline(site, false)
  await eventually('the site knows why', async () =>
    /revoked/.test((await uplinkOf(site))!.problem ?? '') ? true : undefined,
  )
  expect(await forwarded('count')).toEqual(had)
  // The upstream can't be told any more.
  expect(await site.json(['leave-upstream'])).toEqual({ told: false })
  expect(await uplinkOf(site)).toBeNull()
  const nodes = await ask<{ id: string }[]>(site, '/v1/nodes')
  expect(nodes.map(({ id }) => id)).not.toContain('cloud')
})

test('It comes back when it is invited again, and leaves by itself', async () => {
  const { url } = await upstream.json<{ url: string }>(['site', 'invite', 'north', '--replace'])
  await site.hypha(['join-upstream', url])
  await cloudIsOnline(site, true)
  // With new keys, in place of those that it has.
  const again = await upstream.json<{ url: string }>(['site', 'invite', 'north', '--replace'])
  await site.hypha(['join-upstream', again.url])
  await cloudIsOnline(site, true)
  await eventually('the uplink is back', async () => ((await uplinkOf(site))!.online ? true : undefined))
  expect(await site.json(['leave-upstream'])).toEqual({ told: true })
  await eventually('nothing runs for it', async () => ((await siteOf()).agent ? undefined : true))
  expect(await upstream.hypha(['sites'])).toMatch(/north +has left/)
})
