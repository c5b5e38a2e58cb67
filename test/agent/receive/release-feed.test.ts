import { expect, it } from 'vitest'
import { ReleaseFeed } from '../../../agent/receive/release-feed.ts'
import { nodeCrypto } from '../../../src/platform/crypto.ts'
import type { Content } from '../../../src/trust/directive.ts'
import { releaseMessage } from '../../../src/wire/messages/release.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const bytes = new Uint8Array([1, 2, 3])
const wanted = (via: 'release' | null = 'release'): Content => ({
  digest: nodeCrypto.sha256(bytes),
  size: bytes.length,
  transfer: { encoding: 'identity', base: null, digest: nodeCrypto.sha256(bytes), size: bytes.length, via },
})
const messageOf = (...attachments: Uint8Array[]) =>
  releaseMessage.encode({ app: 'house', release: new Uint8Array(32), attachments })

function started() {
  const clock = new FakeClock(0)
  const subscribed = new Map<string, (message: Uint8Array) => void>()
  const problems: string[] = []
  const feed = new ReleaseFeed({
    subscribe: (app, hear) => {
      subscribed.set(app, hear)
      return () => subscribed.delete(app)
    },
    crypto: nodeCrypto,
    clock,
    onProblem: ({ code }) => problems.push(code),
  })
  const take = (content = wanted(), signal = new AbortController().signal) => feed.take(content, 'house', signal)
  return { clock, subscribed, problems, feed, take }
}

it('What came before the directive is there at once', async () => {
  const { subscribed, feed, take } = started()
  feed.follow(['house'])
  subscribed.get('house')!(messageOf(new Uint8Array([9]), bytes))
  expect(await take()).toEqual(bytes)
})

it('What comes after it ends the waiting, whatever else came first', async () => {
  const { subscribed, problems, take } = started()
  const taken = take()
  subscribed.get('house')!(messageOf(new Uint8Array([3, 2, 1])))
  subscribed.get('house')!(new Uint8Array([0xff]))
  subscribed.get('house')!(new Uint8Array())
  subscribed.get('house')!(messageOf(bytes))
  expect(await taken).toEqual(bytes)
  expect(problems).toHaveLength(1)
})

it('After a silence of two seconds, or when it is wanted no more, there is nothing', async () => {
  const { clock, take } = started()
  const silent = take()
  clock.advance(2_000)
  expect(await silent).toBeNull()
  const ended = new AbortController()
  const given = take(wanted(), ended.signal)
  ended.abort()
  expect(await given).toBeNull()
})

it('What comes another way is not waited for, and is subscribed to by nobody', async () => {
  const { subscribed, take } = started()
  expect(await take(wanted(null))).toBeNull()
  expect([...subscribed.keys()]).toEqual([])
})

it('A node stays subscribed for the apps that it has, and for no others', () => {
  const { subscribed, feed } = started()
  feed.follow(['house', 'barn'])
  expect([...subscribed.keys()]).toEqual(['house', 'barn'])
  feed.follow(['barn'])
  expect([...subscribed.keys()]).toEqual(['barn'])
})
