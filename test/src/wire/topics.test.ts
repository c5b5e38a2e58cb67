import { checkFilter, checkTopic, filtersMeet, fleetTopics, topicMatches } from '@hypha/core/wire/topics.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const topics = fleetTopics('farm')

describe('the topics of a fleet', () => {
  it.each([
    [topics.presence('pi-7'), { kind: 'presence', node: 'pi-7' }],
    [topics.state('pi-7'), { kind: 'state', node: 'pi-7' }],
    [topics.up('pi-7', 'report'), { kind: 'up', node: 'pi-7', what: 'report' }],
    [topics.down('pi-7', 'directive'), { kind: 'down', node: 'pi-7', what: 'directive' }],
    [topics.message('greenhouse', 'climate/outdoor'), { kind: 'message', app: 'greenhouse', topic: 'climate/outdoor' }],
    [topics.link('edge', 'pi-7'), { kind: 'link', callee: 'edge', caller: 'pi-7' }],
  ])('%s is read as what it was written from', (topic, parsed) => {
    expect(topics.parse(topic)).toEqual(parsed)
  })

  it.each([
    '',
    'hypha',
    'hypha/farm',
    'hypha/farm/n/pi-7',
    'hypha/farm/n/pi-7/up',
    'hypha/farm/n/pi-7/up/other',
    'hypha/farm/n/pi-7/up/want/x',
    'hypha/other/n/pi-7/state',
    'hypha/farm/x/y/z',
  ])('"%s" is none of them', (topic) => expect(topics.parse(topic)).toBeNull())

  it.each([
    [topics.presence('pi-7'), true],
    [topics.up('pi-7', 'report'), true],
    [topics.link('edge', 'pi-7'), true],
    [topics.presence('pi-8'), false],
    [topics.down('pi-7', 'directive'), false],
    [topics.link('pi-7', 'edge'), false],
    [topics.rootMetadata, false],
    [topics.message('greenhouse', 'climate/outdoor'), false],
    [topics.value('pi-7', 'greenhouse', 'sampler', 'outdoor'), false],
  ])('pi-7 publishing to %s: %s', (topic, allowed) => {
    expect(topics.mayPublish('pi-7', topic)).toBe(allowed)
  })

  it.each([
    ['hypha/farm/n/pi-7/down/+', true],
    ['hypha/farm/l/pi-7/+', true],
    [topics.chunks('ab'), true],
    [topics.rootMetadata, true],
    ['hypha/farm/n/pi-8/down/+', false],
    ['hypha/farm/n/+/down/directive', false],
    ['hypha/farm/n/pi-7/up/#', false],
    ['hypha/farm/l/+/pi-7', false],
    ['#', false],
    ['hypha/+/n/pi-7/down/+', false],
    ['hypha/other/b/root', false],
  ])('pi-7 subscribing to %s: %s', (filter, allowed) => {
    expect(topics.maySubscribe('pi-7', filter)).toBe(allowed)
  })
})

describe('filters', () => {
  it.each([
    ['a/b', 'a/b', true],
    ['a/+', 'a/b', true],
    ['a/+', 'a/b/c', false],
    ['a/#', 'a', true],
    ['a/#', 'a/b/c', true],
    ['#', 'a/b', true],
    ['+/b', 'a/b', true],
    ['a', 'a/b', false],
    ['a/b', 'a', false],
    ['a/+', 'a', false],
  ])('%s and %s: %s', (filter, topic, matches) => {
    expect(topicMatches(filter, topic)).toBe(matches)
  })

  const level = fc.constantFrom('a', 'b', '+')
  const filter = fc
    .tuple(fc.array(level, { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([levels, open]) => [...levels, ...(open ? ['#'] : [])].join('/'))
  const topic = fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'))
  it('meet wherever one topic matches both', () => {
    fc.assert(
      fc.property(filter, filter, topic, (a, b, t) => {
        if (topicMatches(a, t) && topicMatches(b, t)) expect(filtersMeet(a, b)).toBe(true)
        expect(filtersMeet(a, b)).toBe(filtersMeet(b, a))
      }),
      { numRuns: 2_000 },
    )
  })
  it.each([
    ['a/+', '+/b', true],
    ['a/#', 'b/#', false],
    ['a', 'a/#', true],
    ['a/b', 'a', false],
    ['a/b', 'a/c', false],
  ])('%s meets %s: %s', (a, b, meet) => expect(filtersMeet(a, b)).toBe(meet))

  it.each(['', 'a/+', 'a/#', '/a', 'a\0', 'é'.repeat(129)])('"%s" is no topic', (topic) => {
    expect(() => checkTopic(topic)).toThrow(expect.objectContaining({ code: 'topic-invalid' }))
  })
  it.each(['', 'a/#/b', 'a+', 'a/b#', '/a'])('"%s" is no filter', (filter) => {
    expect(() => checkFilter(filter)).toThrow(expect.objectContaining({ code: 'topic-invalid' }))
  })
})
