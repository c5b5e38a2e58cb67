import type { LinkMessage } from '@hypha/core/wire/messages/link.ts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type LinkedNode, Network, placedOn, sectionWith } from '../../support/linked-nodes.ts'
import { inputOf } from '../../support/sandbox.ts'
import { caller, keeper, store } from './guests.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const callerOnPi = { app: 'app', module: 'caller', home: 'pi-7' }
const hint = { interface: store.name, ratePerS: null, bytesPerCall: null }

let network: Network
let pi: LinkedNode
let edge: LinkedNode

beforeEach(() => {
  network = new Network()
  pi = network.node('pi-7')
  edge = network.node('edge')
  edge.serve('keeper', store.name, [{ node: 'pi-7', module: 'caller', home: 'pi-7' }])
})
afterEach(() => network.close())

async function start(links = {}): Promise<void> {
  const module = await caller('caller', { links: [{ ...hint, policy: null, deadlineMs: 900, ...links }] })
  await pi.run(sectionWith([{ module, home: 'pi-7', links: { [store.name]: placedOn('edge', 'keeper') } }]))
  await edge.run(sectionWith([{ module: await keeper() }]))
}

const give = (number: number, payload: string, topic = 'a') =>
  pi.app!.deliver(callerOnPi, inputOf(number, topic, text(payload)))
const handled = (number: number) => pi.journal.until((turns) => turns.some(({ input }) => input?.number === number))
const said = () => pi.journal.turns.flatMap(({ logs }) => logs.map((log) => log.text))
const counts = (kind: LinkMessage['kind']) => network.sent.filter(({ message }) => message.kind === kind).length

test('A call to another node is one message there and one back.', async () => {
  await start()
  give(1, 'grüße')
  give(2, 'ok')
  await handled(2)
  expect(pi.samplesOf(callerOnPi)).toEqual(['count=1', 'count=2'])
  expect(edge.samplesOf({ module: 'keeper' })).toEqual(['size=7', 'size=2'])
  expect([counts('call'), counts('reply'), counts('cancel')]).toEqual([2, 2, 0])
})

test('Lost calls and lost replies are made up for, and the callee runs each call once.', async () => {
  await start()
  const lost = { call: 1, reply: 1, cancel: 0, probe: 0 }
  network.loses = ({ kind }) => lost[kind]-- > 0
  give(1, 'once')
  await handled(1)
  expect(pi.samplesOf(callerOnPi)).toEqual(['count=1'])
  expect(edge.samplesOf({ module: 'keeper' })).toEqual(['size=4'])
  const replies = network.sent.flatMap(({ message }) => (message.kind === 'reply' ? [message.again] : []))
  expect(replies).toEqual([false, true])
})

test('A call to a device that is off fails when its time is over, and the caller is told that it did not run where it never left.', async () => {
  await start({ deadlineMs: 100 })
  pi.online = false
  give(1, 'x')
  await handled(1)
  expect(said()[0]).toMatch(/^callee-unreachable: there is no connection to edge.*\(it did not run\)/)
  pi.online = true
  edge.online = false
  give(2, 'x')
  await handled(2)
  expect(said()[1]).toMatch(/^callee-unreachable: edge did not answer within \d+ ms.*\(it may have run\)/)
  expect(counts('cancel')).toBe(1)
  expect(edge.samplesOf({ module: 'keeper' })).toEqual([])
})

test('A node that let a call run out gets less time for the next ones, until it is heard of again.', async () => {
  await start({ deadlineMs: 900 })
  edge.online = false
  give(1, 'x')
  give(2, 'x')
  await handled(2)
  expect(said()[0]).toContain('edge did not answer within 900 ms')
  expect(said()[1]).toContain('edge did not answer within 500 ms')
  edge.online = true
  give(3, 'x')
  await handled(3)
  edge.online = false
  give(4, 'x')
  await handled(4)
  expect(said()[2]).toContain('edge did not answer within 900 ms')
})

test('A callee that dies in mid-call leaves its caller with the truth: nobody can know; after its restart the same call is not begun again.', async () => {
  await start({ deadlineMs: 700 })
  // It has begun, and its answer is lost with the process: what it journaled last is that it began.
  network.loses = ({ kind }) => kind === 'reply'
  give(1, 'dying', 'trap')
  await edge.journal.until((turns) => turns.length > 0)
  const { begun, served } = edge
  await edge.stop()
  network.loses = () => false
  const again = network.node('edge')
  Object.assign(again, { begun, served })
  await again.run(sectionWith([{ module: await keeper() }]))
  await pi.event('input-failed')
  expect(again.samplesOf({ module: 'keeper' })).toEqual([])
  const outcomes = network.sent.flatMap(({ message }) =>
    message.kind === 'reply' && message.outcome.kind === 'failed' ? [message.outcome] : [],
  )
  expect(outcomes.at(-1)).toMatchObject({ code: 'already-handled', ran: 'unknown' })
})

test('A link with the policy "retry" bridges a callee that comes back while the turn lasts.', async () => {
  await start({ policy: 'retry', deadlineMs: 60 })
  edge.online = false
  give(1, 'patient')
  await new Promise<void>((resolve) => {
    network.loses = () => {
      if (counts('call') > 2) {
        edge.online = true
        resolve()
      }
      return false
    }
  })
  await handled(1)
  expect(pi.samplesOf(callerOnPi)).toEqual(['count=1'])
  expect(edge.samplesOf({ module: 'keeper' })).toEqual(['size=7'])
})

test('A call that waits for its callee while a new release takes over runs in the new one, once.', async () => {
  const { begun } = edge
  const module = await caller('caller', { links: [{ ...hint, policy: null, deadlineMs: null }] })
  await pi.run(sectionWith([{ module, home: 'pi-7', links: { [store.name]: placedOn('edge', 'keeper') } }]))
  const flip = await edge.prepare(sectionWith([{ module: await keeper() }]))
  // Nothing runs yet: the call waits for what is to run.
  give(1, 'early')
  await expect.poll(() => counts('call')).toBeGreaterThan(0)
  expect(begun.size).toBe(0)
  await flip()
  await handled(1)
  expect([...pi.samplesOf(callerOnPi), ...edge.samplesOf({ module: 'keeper' })]).toEqual(['count=1', 'size=5'])
})

test('A function with another type is refused where nothing is being prepared, and waits for the flip where something is.', async () => {
  await start()
  const other = await keeper()
  const changed = {
    ...store,
    funcs: [{ ...store.funcs[0]!, result: { kind: 'result', ok: 'u64', err: 'string' } as const }],
  }
  const exports = other.world.exports.map((each) => (each.name === store.name ? changed : each))
  const old = { ...other, world: { ...other.world, exports } }
  await edge.run(sectionWith([{ module: old }]))
  give(1, 'x')
  await handled(1)
  expect(said()[0]).toMatch(/^epoch-mismatch: .* has it with another type \(it did not run\)/)
  const flip = await edge.prepare(sectionWith([{ module: await keeper() }], { epoch: 2 }))
  edge.next = []
  give(2, 'later')
  await expect.poll(() => counts('call')).toBe(2)
  await flip()
  await handled(2)
  expect(edge.samplesOf({ module: 'keeper' })).toEqual(['size=5'])
})
