import { expect, test } from 'vitest'
import { pushBody } from '../../../gateway/admin/api/push-body.ts'
import { vitals } from '../../../src/wire/messages/vitals.ts'
import {
  type AppModule,
  componentImporting,
  joined,
  pushOf,
  reports,
  startFleet,
  type TestGateway,
} from '../api/gateway.ts'

// The gateway's services with nodes that tell what the test has them tell.

const seconds = 1_000
const minutes = 60_000

/** On each device a sampler, which is bound to it, and a watch that hears it and keeps something. */
const garden = async (): Promise<AppModule[]> => [
  { name: 'sampler', component: await componentImporting('sensor', 'messages'), spec: { publish: ['climate/#'] } },
  { name: 'watch', component: await componentImporting('kv'), spec: { subscribe: ['climate/#'] } },
]

async function startGarden(): Promise<TestGateway> {
  const gateway = await startFleet()
  const { envelope, components } = pushBody.decode(pushOf(await garden()))
  await gateway.pipeline.pushes.push(envelope, components)
  return gateway
}

const at = (gateway: TestGateway, module = 'watch', home = 'pi-7') =>
  gateway.pipeline.planner.plans
    .get('greenhouse')!
    .instances.find((each) => each.module === module && each.home === home)!

/** As ingest tells what it has stored. */
function tells(
  gateway: TestGateway,
  code: string,
  text: string,
  changes: { module?: string; node?: string } = {},
): void {
  const { module = 'watch', node = 'pi-7' } = changes
  const event = { at: gateway.clock.now(), node, app: 'greenhouse', module, home: 'pi-7', code, text }
  gateway.reports.escalation.hear([gateway.store.events.add(event)])
}

const outOfMemory = 'unreachable; module "watch" has taken all its memory of 65536 bytes'

function traps(gateway: TestGateway, times = 3, changes: { module?: string; node?: string } = {}): void {
  const text = outOfMemory.replace('watch', changes.module ?? 'watch')
  for (let count = 0; count < times; count++) {
    tells(gateway, 'trapped', text, changes)
    gateway.clock.advance(2 * seconds)
  }
}

const told = (gateway: TestGateway) =>
  gateway.store.events
    .list()
    .filter(({ code }) => ['escalated', 'come-home', 'moved'].includes(code))
    .map(({ code, text }) => `${code}: ${text}`)

test('A module that traps for want of memory climbs to the edge, comes home after a while, and every word of it is told', async () => {
  const gateway = await startGarden()
  expect(at(gateway).node).toBe('pi-7')
  traps(gateway, 2)
  expect(at(gateway).node).toBe('pi-7')
  traps(gateway, 1)
  expect(at(gateway).node).toBe('gw-edge')
  expect(at(gateway).why.join('; ')).toContain(
    'trapped 3 times in 4 s for want of memory on pi-7 (limit 64 KiB): placed on gw-edge, 2 steps from pi-7',
  )
  expect(at(gateway, 'sampler').node).toBe('pi-7')
  expect(at(gateway, 'watch', 'pi-8').node).toBe('pi-8')
  gateway.clock.advance(4 * minutes)
  expect(at(gateway).node).toBe('gw-edge')
  gateway.clock.advance(minutes)
  expect(at(gateway).node).toBe('pi-7')
  expect(told(gateway)).toEqual([
    'escalated: greenhouse/watch@pi-7 may not be on pi-7 for now: trapped 3 times in 4 s for want of memory on pi-7 (limit 64 KiB)',
    'moved: greenhouse/watch@pi-7 moves from pi-7 to gw-edge',
    'come-home: greenhouse/watch@pi-7 may be on pi-7 again: it is tried on pi-7 again',
    'moved: greenhouse/watch@pi-7 moves from gw-edge to pi-7',
  ])
})

test('The one that fails again stays away for twice as long', async () => {
  const gateway = await startGarden()
  traps(gateway)
  gateway.clock.advance(5 * minutes)
  traps(gateway)
  expect(at(gateway).node).toBe('gw-edge')
  gateway.clock.advance(9 * minutes)
  expect(at(gateway).node).toBe('gw-edge')
  gateway.clock.advance(minutes)
  expect(at(gateway).node).toBe('pi-7')
})

test('What fails on the edge as well goes on to the cloud; where the cloud is no help either it stays there', async () => {
  const gateway = await startGarden()
  reports(gateway, 'cloud-1', 'cloud')
  traps(gateway)
  traps(gateway, 3, { node: 'gw-edge' })
  expect(at(gateway).node).toBe('cloud-1')
  traps(gateway, 3, { node: 'cloud-1' })
  expect(at(gateway).node).toBe('cloud-1')
  expect(at(gateway).despite).toContain('nothing else can hold it: trapped 3 times')
})

test('A module that no other node can hold stays where it is, and the app says so', async () => {
  const gateway = await startGarden()
  traps(gateway, 3, { module: 'sampler' })
  expect(at(gateway, 'sampler').node).toBe('pi-7')
  const { escalations } = await gateway.services.apps.show('greenhouse')
  expect(escalations).toMatchObject([
    {
      module: 'sampler',
      home: 'pi-7',
      node: 'pi-7',
      now: 'pi-7',
      cause: 'memory',
      times: 1,
      despite: expect.stringContaining('nothing else can hold it: trapped 3 times in 4 s'),
    },
  ])
  expect((await gateway.services.status()).notices.join()).toContain(
    'sampler@pi-7 stays on pi-7: nothing else can hold it',
  )
})

const low = (value: number, bound = 1_000_000) =>
  vitals.encode({ battery: null, freeMemory: { value, bound, clear: 2 * bound, forMs: 10_000 }, cpu: null })

/** A node says it again and again while time passes. */
function passes(gateway: TestGateway, ms: number, value: number): void {
  for (let passed = 0; passed < ms; passed += 5 * seconds) {
    gateway.reports.escalation.takeVitals('pi-7', low(value))
    gateway.clock.advance(5 * seconds)
  }
}

test('A node that runs short of memory gives up what isn’t bound to it, and gets it back when it has enough', async () => {
  const gateway = await startGarden()
  passes(gateway, 60 * seconds, 900_000)
  expect(at(gateway).node).toBe('gw-edge')
  expect(at(gateway, 'sampler').node).toBe('pi-7')
  expect(at(gateway).why.join('; ')).toContain('pi-7 has 879 KiB of memory free, below 977 KiB: placed on gw-edge')
  passes(gateway, 10 * minutes, 1_500_000)
  expect(at(gateway).node).toBe('gw-edge')
  passes(gateway, 40 * seconds, 3_000_000)
  expect(at(gateway).node).toBe('pi-7')
})

test('A node whose memory goes up and down does not have its module go up and down with it', async () => {
  const gateway = await startGarden()
  for (let count = 0; count < 60; count++) {
    passes(gateway, 60 * seconds, 500_000)
    passes(gateway, 60 * seconds, 3_000_000)
  }
  const climbs = told(gateway).filter((text) => text.startsWith('escalated'))
  expect(climbs.length).toBeGreaterThan(2)
  expect(climbs.length).toBeLessThanOrEqual(7)
})

test('An operator has it come home at once, and it is known after a restart of the gateway until then', async () => {
  const gateway = await startGarden()
  traps(gateway)
  expect(gateway.store.escalations.inForce('greenhouse')).toHaveLength(1)
  const by = { name: 'local', role: 'admin' } as const
  const came = await gateway.services.apps.comeHome('greenhouse', { module: 'watch', home: 'pi-7' }, by)
  expect(came).toMatchObject([{ module: 'watch', home: 'pi-7', node: 'pi-7', now: 'pi-7' }])
  expect(at(gateway).node).toBe('pi-7')
  await expect(gateway.services.apps.comeHome('greenhouse', { module: 'watch' }, by)).rejects.toMatchObject({
    code: 'not-found',
  })
  gateway.clock.advance(seconds)
  traps(gateway)
  expect(gateway.store.escalations.inForce('greenhouse')[0]?.times).toBe(1)
})

test('Another release is tried at home, whatever the one before did there', async () => {
  const gateway = await startGarden()
  traps(gateway)
  const { envelope, components } = pushBody.decode(pushOf(await garden(), { number: 2 }))
  await gateway.pipeline.pushes.push(envelope, components)
  expect(at(gateway).node).toBe('pi-7')
  gateway.clock.advance(10 * seconds)
  expect(gateway.store.escalations.inForce('greenhouse')).toEqual([])
})

test('In the middle of a rollout it is the rollout’s gate that judges, and nothing climbs', async () => {
  const gateway = await startGarden()
  const { envelope, components } = pushBody.decode(pushOf(await garden(), { number: 2 }))
  await gateway.pipeline.pushes.push(envelope, components, { snap: true })
  traps(gateway)
  expect(at(gateway).node).toBe('pi-7')
  expect(gateway.store.escalations.list()).toEqual([])
})

test('Vitals that make no sense are refused, and change nothing', async () => {
  const gateway = await startGarden()
  expect(() => gateway.reports.escalation.takeVitals('pi-7', new Uint8Array([1, 2, 3]))).toThrow()
  gateway.reports.escalation.takeVitals('pi-7', low(Number.NaN))
  gateway.reports.escalation.takeVitals('pi-7', low(1, Number.POSITIVE_INFINITY))
  gateway.clock.advance(minutes)
  gateway.reports.escalation.forget('pi-7')
  joined(gateway, 'pi-7')
  expect(gateway.sent.failures).toEqual([])
})

test('Whoever follows the events hears of it, by rising numbers', async () => {
  const gateway = await startGarden()
  const heard: { id: number; code: string }[] = []
  const following = new AbortController()
  const done = (async () => {
    for await (const { id, code } of gateway.services.events.follow({}, following.signal)) {
      heard.push({ id, code })
      if (heard.length === 2) following.abort()
    }
  })()
  traps(gateway)
  await done
  expect(heard.map(({ code }) => code)).toEqual(['escalated', 'moved'])
  expect(heard[1]!.id).toBeGreaterThan(heard[0]!.id)
})
