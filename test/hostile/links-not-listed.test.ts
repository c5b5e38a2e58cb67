import { toHex } from '@hypha/core/bytes/text.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { functionDigest } from '@hypha/core/wasm/interface-digest.ts'
import { encodeArgs } from '@hypha/core/wasm/values.ts'
import { type LinkCall, type LinkReply, linkMessage } from '@hypha/core/wire/messages/link.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keeper, plainStore, store } from '../agent/calls/guests.ts'
import { type LinkedNode, Network, sectionWith } from '../support/linked-nodes.ts'

// A node of the fleet, with a valid certificate and a module of the app, that calls what its directive doesn't say. The broker vouches for the sender's name; all else in a message is its own word.

const network = new Network()
let edge: LinkedNode
let number = 0

beforeAll(async () => {
  edge = network.node('edge')
  network.node('pi-7')
  await edge.run(
    sectionWith([
      { module: await keeper() },
      { module: await keeper('other') },
      { module: await keeper('irrigate'), home: 'pi-7' },
      { module: await keeper('irrigate'), home: 'pi-8' },
    ]),
  )
  edge.serve('keeper', store.name, [
    { node: 'pi-7', module: 'caller', home: 'pi-7' },
    { node: 'hub', module: 'shared' },
  ])
  edge.serve('irrigate', store.name, [{ node: 'pi-7', module: 'caller', home: 'pi-7' }], 'pi-7')
  edge.serve('irrigate', store.name, [{ node: 'hub', module: 'shared' }], 'pi-8')
})
afterAll(() => network.close())

const add = store.funcs[0]!
const listed = (): LinkCall => ({
  id: nodeCrypto.sha256(Uint8Array.of(++number, number >> 8)).slice(0, 16),
  app: 'app',
  interface: store.name,
  digest: functionDigest(store.name, add, nodeCrypto),
  func: 'add',
  caller: { module: 'caller', home: 'pi-7' },
  callee: { module: 'keeper', home: null },
  home: 'pi-7',
  budgetMs: 300,
  path: ['pi-7/app'],
  args: encodeArgs(add, ['hi']),
})

async function reply(call: LinkCall, from = 'pi-7'): Promise<LinkReply['outcome']> {
  edge.hear(from, linkMessage.encode({ kind: 'call', ...call }))
  const isReply = () =>
    network.sent.findLast(({ message }) => message.kind === 'reply' && toHex(message.id) === toHex(call.id))
  await expect.poll(isReply).toBeDefined()
  return (isReply()!.message as { kind: 'reply' } & LinkReply).outcome
}

const codeOf = async (call: LinkCall, from?: string): Promise<string> => {
  const outcome = await reply(call, from)
  return outcome.kind === 'ok' ? 'ok' : `${outcome.code}, ran: ${outcome.ran}`
}

test('What the directive lists is answered.', async () => {
  expect(await codeOf(listed())).toBe('ok')
  const shared = { caller: { module: 'shared', home: null }, path: ['hub/app'] }
  expect(await codeOf({ ...listed(), ...shared, home: null }, 'hub')).toBe('ok')
  expect(await codeOf({ ...listed(), ...shared, home: 'pi-9' }, 'hub')).toBe('ok')
  expect(
    await codeOf({ ...listed(), ...shared, callee: { module: 'irrigate', home: 'pi-8' }, home: 'pi-8' }, 'hub'),
  ).toBe('ok')
})

const refused: readonly [string, Partial<LinkCall>, string?][] = [
  ['another node with the same words', {}, 'pi-8'],
  ['another module as the caller', { caller: { module: 'sampler', home: 'pi-7' } }],
  ['the same module of another device as the caller', { caller: { module: 'caller', home: 'pi-8' }, home: 'pi-8' }],
  ['the shared caller of another node', { caller: { module: 'shared', home: null }, home: null }],
  ['another callee', { callee: { module: 'other', home: null } }],
  ['a callee of a device in place of the shared one', { callee: { module: 'keeper', home: 'pi-7' } }],
  ['the actuator of another device', { callee: { module: 'irrigate', home: 'pi-8' } }],
  ['the actuator of another device, in its name', { callee: { module: 'irrigate', home: 'pi-8' }, home: 'pi-8' }],
  ['a turn of another device', { home: 'pi-8' }],
  ['a turn of no device', { home: null }],
  [
    'the caller of another device, and the actuator of its own',
    { callee: { module: 'irrigate', home: 'pi-7' }, home: 'pi-8' },
  ],
  ['another interface of the callee', { interface: plainStore.name, func: 'size' }],
  ['another version of the interface', { interface: 'test:app/store@2.0.0' }],
  ['what drives the module', { interface: 'hypha:module/lifecycle@0.1.0', func: 'stop' }],
  ['another app', { app: 'other-app', callee: { module: 'nobody', home: null } }],
]

for (const [what, changes, from] of refused) {
  test(`Not listed, and refused: ${what}.`, async () => {
    const before = edge.journal.turns.length
    expect(await codeOf({ ...listed(), ...changes }, from)).toBe('link-not-listed, ran: no')
    expect(edge.journal.turns.length).toBe(before)
  })
}

test('Listed, but no call of the interface: refused before the module sees anything of it.', async () => {
  const before = edge.journal.turns.length
  expect(await codeOf({ ...listed(), func: 'remove' })).toBe('epoch-mismatch, ran: no')
  expect(await codeOf({ ...listed(), digest: new Uint8Array(32) })).toBe('epoch-mismatch, ran: no')
  for (const args of ['', '80', '8101', '8162', '61ff', '817bffffffffffffffff', '82626869f6', '8161ff']) {
    expect(await codeOf({ ...listed(), args: Buffer.from(args, 'hex') })).toBe('values-malformed, ran: no')
  }
  expect(edge.journal.turns.length).toBe(before)
})

test('Garbage, and answers that nobody asked for, are nothing.', async () => {
  for (const bytes of [new Uint8Array(), Uint8Array.of(0xff), new Uint8Array(70_000), Buffer.from('820081', 'hex')]) {
    edge.hear('pi-7', bytes)
  }
  edge.hear(
    'pi-7',
    linkMessage.encode({
      kind: 'reply',
      id: new Uint8Array(16),
      outcome: { kind: 'ok', result: new Uint8Array() },
      again: false,
    }),
  )
  edge.hear('pi-7', linkMessage.encode({ kind: 'cancel', id: new Uint8Array(16) }))
  expect(await codeOf(listed())).toBe('ok')
})

test('A call that is the same but for its arguments is another one, and not answered with the first one’s answer.', async () => {
  const call = listed()
  expect(await codeOf(call)).toBe('ok')
  network.sent.length = 0
  expect(await codeOf({ ...call, args: encodeArgs(add, ['ho']) })).toBe('call-differs, ran: unknown')
})

test('A node that calls without end fills its share of the queue and no more: others still get in.', async () => {
  const parked = { callee: { module: 'gone', home: null }, budgetMs: 600 }
  edge.serve('gone', store.name, [{ node: 'pi-7', module: 'caller', home: 'pi-7' }])
  network.sent.length = 0
  const calls = Array.from({ length: 400 }, () => ({ ...listed(), ...parked }))
  for (const call of calls) edge.hear('pi-7', linkMessage.encode({ kind: 'call', ...call }))
  const busy = () =>
    network.sent.filter(
      ({ message }) =>
        message.kind === 'reply' && message.outcome.kind === 'failed' && message.outcome.code === 'link-busy',
    )
  await expect.poll(() => busy().length).toBe(400 - 128)
  expect(await codeOf(listed(), 'pi-7')).toBe('link-busy, ran: no')
  const shared = { caller: { module: 'shared', home: null }, path: ['hub/app'], home: null }
  expect(await codeOf({ ...listed(), ...shared }, 'hub')).toBe('ok')
})
