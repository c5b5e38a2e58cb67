import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { FilterTree, TopicTree } from '../../../gateway/broker/topic-tree.ts'
import { topicMatches } from '../../../src/wire/topics.ts'

const level = fc.constantFrom('a', 'b', '', '$s')
const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'))
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 0, maxLength: 4 }), fc.boolean())
  .map(([levels, all]) => [...levels, ...(all || levels.length === 0 ? ['#'] : [])].join('/'))

/** Also by MQTT 3.1.1, 4.7.2: a wildcard at the first level doesn't match a topic that begins with $. */
const matches = (by: string, at: string) => topicMatches(by, at) && !(at.startsWith('$') && /^[+#]/.test(by))

test('retained topics are found by filter as a search through all of them would', () => {
  fc.assert(
    fc.property(fc.array(topic), fc.array(topic), filter, (added, removed, by) => {
      const tree = new TopicTree<string>()
      for (const at of added) tree.set(at, at)
      for (const at of removed) tree.delete(at)
      const left = [...new Set(added)].filter((at) => !removed.includes(at))
      expect([...tree.match(by)].toSorted()).toEqual(left.filter((at) => matches(by, at)).toSorted())
      expect(tree.size).toBe(left.length)
    }),
  )
})

test('subscriptions are found by topic as a search through all of them would', () => {
  fc.assert(
    fc.property(fc.array(filter), fc.array(filter), topic, (added, removed, at) => {
      const tree = new FilterTree<string>()
      for (const by of added) tree.set(by, 'me', by)
      for (const by of removed) tree.delete(by, 'me')
      const left = [...new Set(added)].filter((by) => !removed.includes(by))
      expect(tree.match(at).toSorted()).toEqual(left.filter((by) => matches(by, at)).toSorted())
      expect(tree.size).toBe(left.length)
    }),
  )
})

test('a topic keeps only its last value', () => {
  const tree = new TopicTree<number>()
  tree.set('a/b', 1)
  tree.set('a/b', 2)
  expect([...tree.match('a/b')]).toEqual([2])
  expect([...tree.match('#')]).toEqual([2])
})
