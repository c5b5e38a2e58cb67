import { fromUtf8, toUtf8 } from '@hypha/core/bytes/text.ts'
import { formatJoinUrl, parseJoinUrl } from '@hypha/core/wire/join-url.ts'
import { checkFilter, checkTopic, filtersMeet, fleetTopics, topicMatches } from '@hypha/core/wire/topics.ts'
import { filterCovers } from '../../../gateway/broker/access.ts'
import { insist, outcome, reads, type Target } from '../target.ts'

const topics = fleetTopics('garden')
const digest = 'ab'.repeat(32)

const some = [
  topics.presence('pi-7'),
  topics.state('pi-7'),
  topics.up('pi-7', 'report'),
  topics.down('pi-7', 'directive'),
  topics.chunk(digest, 3),
  topics.link('edge', 'pi-7'),
  topics.message('greenhouse', 'a/b'),
  topics.value(null, 'greenhouse', 'sampler', 'temperature'),
  topics.valuesOf('greenhouse'),
  topics.chunks(digest),
  topics.rootMetadata,
]

const isFilter = (text: string) => 'value' in reads(() => checkFilter(text))
const isTopic = (text: string) => 'value' in reads(() => checkTopic(text))

/** Three lines: two filters and a topic. */
function agree(grant: string, filter: string, topic: string): string {
  const parsed = topics.parse(topic)
  if (topics.mayPublish('pi-7', topic)) {
    insist(parsed !== null, 'a node may publish to what is no topic of the fleet')
    insist(!topics.mayPublish('pi-8', topic) || parsed?.kind === 'link', 'two nodes may publish to one topic')
  }
  if (!isFilter(grant) || !isFilter(filter) || !isTopic(topic)) return `no filters and topic; parsed: ${parsed?.kind}`
  const matches = topicMatches(filter, topic)
  if (matches) insist(filtersMeet(filter, topic), 'a filter matches a topic that it does not meet')
  if (matches && topicMatches(grant, topic))
    insist(filtersMeet(grant, filter), 'two filters with a common topic do not meet')
  insist(filtersMeet(grant, filter) === filtersMeet(filter, grant), 'filters meet in one direction only')
  const covers = filterCovers(grant, filter)
  if (covers && matches) insist(topicMatches(grant, topic), 'a grant covers a filter that matches more than it')
  insist(filterCovers(grant, topic) === topicMatches(grant, topic), 'a grant covers a topic that it does not match')
  return `${parsed?.kind} ${matches} ${covers}`
}

export const topicsTarget: Target = {
  name: 'topics',
  about: 'two filters and a topic: parsing, matching and covering agree',
  maxBytes: 800,
  short: 10_000,
  words: ['/', '+', '#', '/+/', '/#', 'hypha/garden/', 'n/pi-7/', 'a', '\n', '\0', 'b/', '//', 'm/greenhouse/'],
  prepare: () => ({
    seeds: [
      ...some.map((topic) => toUtf8(`${topic}\n${topic}\n${topic}`)),
      toUtf8('a/#\na/+/b\na/x/b'),
      toUtf8('+/+\n+/b\na/b'),
      toUtf8('#\na/#\na'),
    ],
    run(input) {
      const text = reads(() => fromUtf8(input))
      if ('refused' in text) return outcome(text)
      const [grant = '', filter = '', topic = ''] = text.value.split('\n')
      return agree(grant, filter, topic)
    },
  }),
}

export const joinUrlTarget: Target = {
  name: 'join-url',
  about: 'the URL of an invitation',
  maxBytes: 2_000,
  short: 5_000,
  words: ['token=', '&ca=', '&root=', '?', '://', '[::1]', '%41', '@', '#', '=', '&', '\0', '__proto__=', ':99999/'],
  prepare: () => ({
    seeds: ['gateway.local', '192.0.2.7', '::1'].map((host) =>
      toUtf8(
        formatJoinUrl({
          host,
          port: 8443,
          fleet: 'garden',
          node: 'pi-7',
          token: 'a'.repeat(43),
          ca: digest,
          root: digest,
        }),
      ),
    ),
    run(input) {
      const text = reads(() => fromUtf8(input))
      if ('refused' in text) return outcome(text)
      const result = reads(() => parseJoinUrl(text.value))
      if ('refused' in result) return outcome(result)
      const again = parseJoinUrl(formatJoinUrl(result.value))
      insist(JSON.stringify(again) === JSON.stringify(result.value), 'the URL of what was read says something else')
      return 'read'
    },
  }),
}
