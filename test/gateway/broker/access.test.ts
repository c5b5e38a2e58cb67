import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { accessRules, filterCovers, type Grants, mayLeaveWill } from '../../../gateway/broker/access.ts'
import { fleetTopics, topicMatches } from '../../../src/wire/topics.ts'

const topics = fleetTopics('greens')
const grants: Record<string, Grants> = {
  screen: { read: ['hypha/greens/v/#'], write: [] },
  feeder: { read: ['hypha/greens/m/house/+'], write: ['hypha/greens/m/house/in/#'] },
  greedy: { read: ['#'], write: ['#'] },
}
const rules = accessRules(topics, (client) => grants[client] ?? null)
const node = (id: string) => ({ kind: 'node', id }) as const
const client = (id: string) => ({ kind: 'client', id }) as const

test.each([
  'hypha/greens/n/pi-7/presence',
  'hypha/greens/n/pi-7/state',
  'hypha/greens/n/pi-7/up/report',
  'hypha/greens/l/pi-8/pi-7',
])('a node may publish to %s of its own', (topic) => expect(rules.mayPublish(node('pi-7'), topic)).toBe(true))

test.each([
  'hypha/greens/n/pi-8/state',
  'hypha/greens/n/pi-7/down/directive',
  'hypha/greens/n/pi-7/other',
  'hypha/greens/l/pi-7/pi-8',
  'hypha/greens/l/a/b/pi-7',
  'hypha/greens/b/root',
  'hypha/greens/v/pi-7/app/module/metric',
  'hypha/greens/m/app/x',
  'hypha/blues/n/pi-7/state',
  '$SYS/x',
])('a node may not publish to %s', (topic) => expect(rules.mayPublish(node('pi-7'), topic)).toBe(false))

test.each([
  'hypha/greens/n/pi-7/down/#',
  'hypha/greens/n/pi-7/down/+',
  'hypha/greens/b/root',
  'hypha/greens/b/commit/+',
  `hypha/greens/b/c/${'0'.repeat(64)}/+`,
  'hypha/greens/l/pi-7/+',
])('a node may subscribe to %s', (filter) => expect(rules.maySubscribe(node('pi-7'), filter)).toBe(true))

test.each([
  '#',
  '+/+/n/pi-7/down/directive',
  'hypha/greens/#',
  'hypha/greens/n/+/down/directive',
  'hypha/greens/n/pi-8/down/#',
  'hypha/greens/n/pi-7/up/#',
  'hypha/greens/l/+/pi-7',
  'hypha/greens/m/#',
  'hypha/blues/b/root',
  '$SYS/#',
])('a node may not subscribe to %s', (filter) => expect(rules.maySubscribe(node('pi-7'), filter)).toBe(false))

test('a client reads within its grants, narrower but never wider', () => {
  expect(rules.maySubscribe(client('screen'), 'hypha/greens/v/#')).toBe(true)
  expect(rules.maySubscribe(client('screen'), 'hypha/greens/v/pi-7/+/m/temperature')).toBe(true)
  expect(rules.maySubscribe(client('feeder'), 'hypha/greens/m/house/x')).toBe(true)
  expect(rules.maySubscribe(client('feeder'), 'hypha/greens/m/house/#')).toBe(false)
  expect(rules.maySubscribe(client('feeder'), 'hypha/greens/v/#')).toBe(false)
})

test('a client publishes messages within its grants, and values never', () => {
  expect(rules.mayPublish(client('feeder'), 'hypha/greens/m/house/in/a')).toBe(true)
  expect(rules.mayPublish(client('feeder'), 'hypha/greens/m/house/out')).toBe(false)
  expect(rules.mayPublish(client('greedy'), 'hypha/greens/v/pi-7/app/module/metric')).toBe(false)
})

test('the widest grant opens nothing outside the world, and no grant nothing at all', () => {
  for (const filter of [
    '#',
    'hypha/greens/#',
    'hypha/greens/+/house/x',
    'hypha/greens/n/pi-7/state',
    'hypha/greens/b/root',
  ]) {
    expect(rules.maySubscribe(client('greedy'), filter)).toBe(false)
  }
  expect(rules.mayPublish(client('greedy'), 'hypha/greens/n/pi-7/up/report')).toBe(false)
  expect(rules.maySubscribe(client('stranger'), 'hypha/greens/v/#')).toBe(false)
})

test("a client named like a node has none of the node's rights", () => {
  expect(rules.mayPublish(client('pi-7'), 'hypha/greens/n/pi-7/state')).toBe(false)
  expect(rules.maySubscribe(client('pi-7'), 'hypha/greens/n/pi-7/down/#')).toBe(false)
})

test("a will is left only on a node's own presence", () => {
  expect(mayLeaveWill(topics, node('pi-7'), 'hypha/greens/n/pi-7/presence')).toBe(true)
  expect(mayLeaveWill(topics, node('pi-7'), 'hypha/greens/n/pi-8/presence')).toBe(false)
  expect(mayLeaveWill(topics, node('pi-7'), 'hypha/greens/n/pi-7/state')).toBe(false)
  expect(mayLeaveWill(topics, client('pi-7'), 'hypha/greens/n/pi-7/presence')).toBe(false)
})

const level = fc.constantFrom('a', 'b', '')
const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'))
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, all]) => [...levels, ...(all ? ['#'] : [])].join('/'))

test('what a covered filter matches, the covering one matches', () => {
  fc.assert(
    fc.property(filter, filter, topic, (grant, asked, at) => {
      if (filterCovers(grant, asked) && topicMatches(asked, at)) expect(topicMatches(grant, at)).toBe(true)
    }),
    { numRuns: 2_000 },
  )
})

test('a topic is covered exactly by the filters that match it', () => {
  fc.assert(
    fc.property(filter, topic, (grant, at) => {
      expect(filterCovers(grant, at)).toBe(topicMatches(grant, at))
    }),
    { numRuns: 2_000 },
  )
})
