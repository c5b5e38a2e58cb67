import { toUtf8 } from '../bytes/text.ts'
import { HyphaError } from '../errors.ts'
import { idPattern } from './ids.ts'

// The only file that spells a topic. Ids in topics have been checked by `ids.ts`, so they hold neither "/" nor a wildcard.

/** What a node sends up, and the gateway down. */
export type UpKind =
  | 'report'
  | 'lease'
  | 'progress'
  | 'want'
  | 'ack'
  | 'proof'
  | 'time'
  | 'receipt'
  | 'links'
  | 'vitals'
  | 'child'
  | 'checkpoint'
export type DownKind =
  | 'directive'
  | 'lease'
  | 'ack'
  | 'input'
  | 'request'
  | 'time'
  | 'children'
  | 'child'
  | 'checkpoint'

/** All topics of one fleet. */
export function fleetTopics(fleet: string) {
  const root = `hypha/${fleet}`
  return {
    presence: (node: string) => `${root}/n/${node}/presence`,
    state: (node: string) => `${root}/n/${node}/state`,
    up: (node: string, kind: UpKind) => `${root}/n/${node}/up/${kind}`,
    down: (node: string, kind: DownKind) => `${root}/n/${node}/down/${kind}`,

    rootMetadata: `${root}/b/root`,
    beat: `${root}/b/beat`,
    release: (app: string) => `${root}/b/release/${app}`,
    commit: (app: string) => `${root}/b/commit/${app}`,
    chunk: (digestHex: string, index: number) => `${root}/b/c/${digestHex}/${index}`,
    chunks: (digestHex: string) => `${root}/b/c/${digestHex}/+`,

    /** `callee` and `caller` are nodes. */
    link: (callee: string, caller: string) => `${root}/l/${callee}/${caller}`,

    /** What modules of an app publish and subscribe to; `topic` is relative to the app. */
    message: (app: string, topic: string) => `${root}/m/${app}/${topic}`,
    /** The last value of a metric. `home` is null for instances that belong to no device. */
    value: (home: string | null, app: string, module: string, metric: string) =>
      `${root}/v/${home ?? 'site'}/${app}/${module}/${metric}`,

    /** All last values of an app: a filter. */
    valuesOf: (app: string) => `${root}/v/+/${app}/#`,

    /** All last values of a device, or of "site": a filter. */
    valuesOfDevice: (home: string) => `${root}/v/${home}/#`,

    /** What a node may publish to. */
    mayPublish: (node: string, topic: string) => {
      const parsed = parseTopic(root, topic)
      if (parsed?.kind === 'link') return parsed.caller === node && idPattern.test(parsed.callee)
      return parsed !== null && parsed.kind !== 'down' && 'node' in parsed && parsed.node === node
    },
    /** Of that, what the broker keeps for it. */
    mayRetain: (node: string, topic: string) =>
      topic === `${root}/n/${node}/presence` || topic === `${root}/n/${node}/state`,
    /** What a node may subscribe to: a filter that could match anything else is refused. */
    maySubscribe: (node: string, filter: string) => mayNodeSubscribe(root, node, filter),
    /** Whether every node may read it, or none. */
    isForAll: (filter: string) => filter.startsWith(`${root}/b/`),
    /** The transfer whose chunks a filter or topic asks for, in lower-case hex; null for any other. */
    transferOf: (filter: string) => (filter.startsWith(`${root}/b/c/`) ? filter.split('/')[4]! : null),
    /** The part of a topic that belongs to the world: clients that are no nodes reach only these, by grant. */
    isWorld: (topicOrFilter: string) =>
      topicOrFilter.startsWith(`${root}/m/`) || topicOrFilter.startsWith(`${root}/v/`),

    parse: (topic: string): ParsedTopic | null => parseTopic(root, topic),
  }
}

export type FleetTopics = ReturnType<typeof fleetTopics>

export type ParsedTopic =
  | { readonly kind: 'presence' | 'state'; readonly node: string }
  | { readonly kind: 'up'; readonly node: string; readonly what: UpKind }
  | { readonly kind: 'down'; readonly node: string; readonly what: DownKind }
  | { readonly kind: 'message'; readonly app: string; readonly topic: string }
  | { readonly kind: 'link'; readonly callee: string; readonly caller: string }

/** One level that is an id or the wildcard for all. */
const oneOrAll = (level: string | undefined): boolean => level === '+' || (level !== undefined && idPattern.test(level))

/** Wildcards only in the last level: so no filter of a node meets many of its others, and none the chunks of every transfer. */
function mayNodeSubscribe(root: string, node: string, filter: string): boolean {
  if (!filter.startsWith(`${root}/`)) return false
  const [branch, first, second, third, ...rest] = filter.slice(root.length + 1).split('/')
  if (rest.length > 0) return false
  if (branch === 'n') return first === node && second === 'down' && (third === '#' || oneOrAll(third))
  if (branch === 'l') return first === node && third === undefined && oneOrAll(second)
  if (branch !== 'b') return false
  if (first === 'root' || first === 'beat') return second === undefined
  if (first === 'release' || first === 'commit') return third === undefined && oneOrAll(second)
  return first === 'c' && /^[0-9a-f]{1,64}$/.test(second ?? '') && /^(\+|\d{1,10})$/.test(third ?? '')
}

const upKinds: readonly string[] = [
  'report',
  'lease',
  'progress',
  'want',
  'ack',
  'proof',
  'time',
  'receipt',
  'links',
  'vitals',
  'child',
  'checkpoint',
] satisfies UpKind[]
const downKinds: readonly string[] = [
  'directive',
  'lease',
  'ack',
  'input',
  'request',
  'time',
  'children',
  'child',
  'checkpoint',
] satisfies DownKind[]

function parseTopic(root: string, topic: string): ParsedTopic | null {
  if (!topic.startsWith(`${root}/`)) return null
  const [branch, first, second, ...rest] = topic.slice(root.length + 1).split('/')
  if (first === undefined || second === undefined) return null
  if (branch === 'm') return { kind: 'message', app: first, topic: [second, ...rest].join('/') }
  if (branch === 'l' && rest.length === 0) return { kind: 'link', callee: first, caller: second }
  if (branch !== 'n') return null
  if (rest.length === 0 && (second === 'presence' || second === 'state')) return { kind: second, node: first }
  const [what] = rest
  if (rest.length !== 1 || what === undefined) return null
  if (second === 'up' && upKinds.includes(what)) return { kind: 'up', node: first, what: what as UpKind }
  if (second === 'down' && downKinds.includes(what)) return { kind: 'down', node: first, what: what as DownKind }
  return null
}

/** The most bytes that a topic or filter relative to an app may have. */
export const maxTopicBytes = 256

/** Throws `topic-invalid` unless `topic` can be published to (MQTT 3.1.1, 4.7). */
export function checkTopic(topic: string): void {
  if (topic === '' || toUtf8(topic).length > maxTopicBytes || /[+#\0]/.test(topic) || topic.startsWith('/')) {
    throw new HyphaError('topic-invalid', `"${topic.slice(0, 80)}" is not a topic`)
  }
}

/** Throws `topic-invalid` unless `filter` can be subscribed to (MQTT 3.1.1, 4.7.1). */
export function checkFilter(filter: string): void {
  const levels = filter.split('/')
  const wellFormed = levels.every((level, index) =>
    level === '#' ? index === levels.length - 1 : level === '+' || !/[+#\0]/.test(level),
  )
  if (filter === '' || toUtf8(filter).length > maxTopicBytes || !wellFormed || filter.startsWith('/')) {
    throw new HyphaError('topic-invalid', `"${filter.slice(0, 80)}" is not a topic filter`)
  }
}

/** Whether a topic matches a filter (MQTT 3.1.1, 4.7). */
export function topicMatches(filter: string, topic: string): boolean {
  const filterLevels = filter.split('/')
  const topicLevels = topic.split('/')
  for (const [index, level] of filterLevels.entries()) {
    if (level === '#') return true
    if (index >= topicLevels.length) return false
    if (level !== '+' && level !== topicLevels[index]) return false
  }
  return filterLevels.length === topicLevels.length
}

/** Whether some topic matches both filters: what one module publishes may be what another subscribes to. */
export function filtersMeet(a: string, b: string): boolean {
  const left = a.split('/')
  const right = b.split('/')
  for (let index = 0; ; index++) {
    const [l, r] = [left[index], right[index]]
    if (l === '#' || r === '#') return true
    if (l === undefined || r === undefined) return l === r
    if (l !== '+' && r !== '+' && l !== r) return false
  }
}
