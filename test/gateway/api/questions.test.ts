import { beforeAll, expect, test } from 'vitest'
import { call } from './calls.ts'
import { type AppModule, componentImporting, onSocket, pushOf, startFleet } from './gateway.ts'

let app: AppModule[]

beforeAll(async () => {
  app = [
    { name: 'sampler', component: await componentImporting('sensor', 'telemetry'), spec: { timerMs: 1_000 } },
    { name: 'ledger', component: await componentImporting('sql'), spec: { timerMs: 1_000 } },
  ]
})

async function questions() {
  const socket = await onSocket(await startFleet())
  const { status } = await call(socket, 'POST', '/v1/push', pushOf(app))
  expect(status).toBe(200)
  return {
    whyNot: async (module: string, node: string) =>
      (await call(socket, 'GET', `/v1/apps/greenhouse/why/${module}/not/${node}`)).json,
    whatIf: (change: object) => call(socket, 'POST', '/v1/apps/greenhouse/what-if', change),
    plan: async () => (await call(socket, 'GET', '/v1/apps/greenhouse/plan')).json,
  }
}

test('Why a module is not on a node is said with what keeps it from there', async () => {
  const { whyNot } = await questions()
  const { sentences } = await whyNot('ledger', 'pi-7')
  expect(sentences).toEqual([
    'ledger is on gw-edge, where its links cost 0: gw-edge is the only node that can hold it.',
    "pi-7 can't hold it: imports hypha:host/sql@0.1.0, which pi-7 does not provide.",
  ])
  expect((await whyNot('sampler', 'gw-edge')).sentences.at(-1)).toBe('It is bound to pi-7, and runs only on pi-7.')
  expect((await whyNot('ledger', 'nowhere')).code).toBe('not-found')
  expect((await whyNot('nothing', 'pi-7')).message).toBe('There is no module nothing in greenhouse')
})

test('What if a node were away is answered with what would move, and nothing is changed', async () => {
  const { whatIf, plan } = await questions()
  const { json } = await whatIf({ without: ['gw-edge'] })
  expect(json.changes).toEqual([
    {
      module: 'ledger',
      home: null,
      from: ['gw-edge'],
      to: [],
      why: [expect.stringMatching(/^imports hypha:host\/sql@0\.1\.0, which /)],
    },
  ])
  expect(json.plan.complete).toBe(false)
  expect((await plan()).complete).toBe(true)
})

test('What if a node had an interface or less memory is answered by the same solver', async () => {
  const { whatIf } = await questions()
  const { json: more } = await whatIf({ without: ['gw-edge'], interfaces: [{ node: 'cloud-1', interface: 'sql' }] })
  expect(more.changes.map(({ to }: { to: string[] }) => to)).toEqual([['cloud-1']])
  const { json: less } = await whatIf({ memory: [{ node: 'pi-7', bytes: 1_024 }] })
  expect(less.changes).toEqual([
    {
      module: 'sampler',
      home: 'pi-7',
      from: ['pi-7'],
      to: [],
      why: [expect.stringMatching(/^needs .* of memory, pi-7 has 1 KiB left$/)],
    },
  ])
})

test('A question about a node that is not there, or with a word too many, is refused', async () => {
  const { whatIf } = await questions()
  expect((await whatIf({ without: ['nowhere'] })).json.code).toBe('not-found')
  expect((await whatIf({ wihtout: ['gw-edge'] })).status).toBe(400)
})
