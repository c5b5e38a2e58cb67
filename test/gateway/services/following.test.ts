import { beforeAll, expect, test } from 'vitest'
import { pushBody } from '../../../gateway/admin/api/push-body.ts'
import { linkCounts } from '../../../src/wire/messages/link-counts.ts'
import { componentOf, wat } from '../../support/wasm-guest.ts'
import { type AppModule, inventoryOf, pushOf, reports, startFleet, type TestGateway } from '../api/gateway.ts'

// sampler (sensor) → smooth → advisor (http): the device has room for its sampler alone, so that smooth is near it on the edge, or near the advisor in the cloud.

const packages = `
package hypha:host@0.1.0 {
  interface sensor { touch: func(n: u32); }
  interface kv { touch: func(n: u32); }
  interface http { touch: func(n: u32); }
}
package plants:app@0.1.0 {
  interface near { touch: func(n: u32); }
  interface far { touch: func(n: u32); }
}
`

async function moduleOf(imports: readonly string[], exported?: string): Promise<Uint8Array> {
  const full = (name: string) =>
    name === 'near' || name === 'far' ? `plants:app/${name}@0.1.0` : `hypha:host/${name}@0.1.0`
  const world = [...imports.map((name) => `import ${full(name)};`), ...(exported ? [`export ${full(exported)};`] : [])]
  const core = [
    ...imports.map((name) => `(import "${full(name)}" "touch" (func (param i32)))`),
    '(memory (export "memory") 1)',
    ...(exported ? [`(func (export "${full(exported)}#touch") (param i32))`] : []),
  ]
  return componentOf(
    await wat(`(module ${core.join(' ')})`),
    `package test:guest;\n${packages}\nworld w { ${world.join(' ')} }`,
  )
}

let modules: AppModule[]
beforeAll(async () => {
  modules = [
    { name: 'sampler', component: await moduleOf(['sensor', 'near']), spec: { timerMs: 1_000 } },
    { name: 'smooth', component: await moduleOf(['kv', 'far'], 'near') },
    { name: 'advisor', component: await moduleOf(['http'], 'far') },
  ]
})

async function startPlants(follow: 'measured' | null): Promise<TestGateway> {
  const gateway = await startFleet()
  for (const device of ['pi-7', 'pi-8']) {
    reports(gateway, device, 'device', { inventory: { ...inventoryOf('device'), memoryBytes: 65_536 } })
  }
  const { envelope, components } = pushBody.decode(pushOf(modules, { follow }))
  await gateway.pipeline.pushes.push(envelope, components)
  return gateway
}

const nodeOf = (gateway: TestGateway) =>
  gateway.pipeline.planner.plans.get('greenhouse')!.instances.find(({ module }) => module === 'smooth')!.node

/** What smooth's node has counted in the last second. */
function counts(gateway: TestGateway, calls: number): void {
  const end = { module: 'smooth', home: 'pi-7' }
  const link = { app: 'greenhouse', caller: end, interface: 'plants:app/far@0.1.0', node: 'cloud-1' }
  const rest = {
    callee: { module: 'advisor', home: null },
    failures: [],
    bytesOut: calls,
    bytesIn: 0,
    latency: [calls],
  }
  const sinceMs = gateway.clock.now() - 1_000
  gateway.reports.links.take('gw-edge', linkCounts.encode({ sinceMs, links: [{ ...link, calls, ...rest }] }))
}

test('An app that allows it is placed by what its links carry, and stays there when nobody counts them any more', async () => {
  const gateway = await startPlants('measured')
  expect(nodeOf(gateway)).toBe('gw-edge')
  counts(gateway, 500)
  gateway.reports.following.look()
  expect(nodeOf(gateway)).toBe('cloud-1')
  expect(
    gateway.store.events
      .list()
      .filter(({ code }) => code === 'measured')
      .map(({ text }) => text),
  ).toEqual([
    expect.stringMatching(
      /^greenhouse is placed by what its links were counted to carry: they would have cost .* now$/,
    ),
  ])
  gateway.reports.links.forget('gw-edge')
  for (let count = 0; count < 20; count++) {
    gateway.clock.advance(10 * 60_000)
    gateway.reports.following.look()
    gateway.pipeline.planner.replan()
  }
  expect(nodeOf(gateway)).toBe('cloud-1')
})

test('An app that says nothing of it, or whose links carry little, stays where it is', async () => {
  const silent = await startPlants(null)
  counts(silent, 500)
  silent.reports.following.look()
  expect(nodeOf(silent)).toBe('gw-edge')
  const quiet = await startPlants('measured')
  counts(quiet, 1)
  quiet.reports.following.look()
  expect(nodeOf(quiet)).toBe('gw-edge')
})
