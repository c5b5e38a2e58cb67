import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { directivePacket } from '../../../gateway/distribute/directive-packet.ts'
import { createReleaseMessages, markShared } from '../../../gateway/distribute/release-messages.ts'
import { createTransfers } from '../../../gateway/distribute/transfers.ts'
import { fromHex, toHex } from '../../../src/bytes/text.ts'
import type { Directive } from '../../../src/trust/directive.ts'
import { directiveMessage } from '../../../src/wire/messages/directive.ts'
import { releaseMessage } from '../../../src/wire/messages/release.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { t0, temporaryStore } from '../store/support.ts'
import { contentOf, digest, directiveOf, sectionOf, topics } from './support.ts'

const nobody = () => new Set<string>()
const nodes = ['pi-1', 'pi-2', 'pi-3', 'pi-4', 'pi-5', 'pi-6']

/** A store with contents of these sizes, and what directives say of them. */
function stored(...sizes: number[]) {
  const store = temporaryStore()
  const transfers = createTransfers(store.contents)
  const contents = sizes.map((size) => {
    const name = store.contents.put(new Uint8Array(randomBytes(size)))
    return contentOf(name, size, transfers.transferFor(name))
  })
  return { store, contents }
}

const marks = ({ sections }: Directive) => sections.map(({ contents }) => contents.map(({ transfer }) => transfer.via))

it('What five nodes need and lack goes into the release message, what four need travels as before', () => {
  const { contents } = stored(1_000, 2_000)
  const [common, rare] = contents
  const directives = nodes.map((node, index) =>
    directiveOf(node, [sectionOf({ contents: index < 4 ? [common!, rare!] : [common!] })]),
  )
  expect(markShared(directives, nobody).map(marks)).toEqual(
    nodes.map((_, index) => [index < 4 ? ['release', null] : ['release']]),
  )
  const twoHoldIt = (node: string) => (node < 'pi-3' ? new Set([toHex(common!.digest)]) : nobody())
  expect(
    markShared(directives, twoHoldIt)
      .flatMap(marks)
      .flat()
      .every((via) => via === null),
  ).toBe(true)
})

it('A message takes as many transfers as find room in 56,000 bytes', () => {
  const { contents } = stored(40_000, 30_000, 16_000)
  const directives = nodes.map((node) => directiveOf(node, [sectionOf({ contents })]))
  expect(marks(markShared(directives, nobody)[0]!)).toEqual([['release', null, 'release']])
})

it('A mark of before goes where few need it now', () => {
  const { contents } = stored(1_000)
  const [content] = contents
  const marked = { ...content!, transfer: { ...content!.transfer, via: 'release' as const } }
  expect(marks(markShared([directiveOf('pi-1', [sectionOf({ contents: [marked] })])], nobody)[0]!)).toEqual([[null]])
})

function started() {
  const clock = new FakeClock(t0)
  const { store, contents } = stored(3_000, 3_000)
  const published: { topic: string; bytes: Uint8Array }[] = []
  const kept = new Map<string, Uint8Array>()
  const messages = createReleaseMessages({
    contents: store.contents,
    topics,
    clock,
    publish: async (topic, bytes, options) => {
      expect(options).toEqual({ retain: true, qos: 1 })
      published.push({ topic, bytes })
      if (bytes.length === 0) kept.delete(topic)
      else kept.set(topic, bytes)
    },
    retained: (filter) =>
      [...kept].filter(([topic]) => topic === filter).map(([topic, payload]) => ({ topic, payload, qos: 1 as const })),
    onFailure: (error) => {
      throw error
    },
  })
  const made = markShared(
    nodes.map((node) => directiveOf(node, [sectionOf({ contents })])),
    nobody,
  )
  return { clock, store, contents, published, kept, messages, made }
}

it('It is published once, retained, with the bytes by which nodes take them, and left out of the directives', async () => {
  const { store, contents, published, messages, made } = started()
  await messages.before(made)
  await messages.before(made.slice(0, 1))
  expect(published.map(({ topic }) => topic)).toEqual(['hypha/greens/b/release/greenhouse'])
  const { app, release, attachments } = releaseMessage.decode(published[0]!.bytes)
  expect({ app, release }).toEqual({ app: 'greenhouse', release: digest(1) })
  expect(attachments.map((bytes) => toHex(bytes))).toEqual(
    contents.map(({ transfer }) => toHex(store.contents.transferBytes(toHex(transfer.digest))!)),
  )
  const packet = directivePacket(made[0]!, new Uint8Array(10), (name) => store.contents.transferBytes(name))
  expect(directiveMessage.decode(packet).attachments).toEqual([])
})

it('It is cleared when the app is removed, and after a while: who connects gets all that is retained', async () => {
  const { clock, kept, messages, made } = started()
  await messages.before(made)
  messages.forget('greenhouse')
  expect(kept.size).toBe(0)
  await messages.before(made)
  expect(kept.size).toBe(1)
  clock.advance(600_000)
  expect(kept.size).toBe(0)
  // Said again, as at a start.
  clock.advance(1)
  await messages.before(made)
  expect(kept.size).toBe(0)
})

it('Of two sections of an app the newer one counts', async () => {
  const { published, messages, contents } = started()
  const [first, second] = contents
  const directives = nodes.map((node) =>
    directiveOf(node, [
      sectionOf({ contents: [first!], epoch: 2, release: fromHex('01'.repeat(32)) }),
      sectionOf({ contents: [second!], epoch: 3, release: fromHex('02'.repeat(32)), phase: 'prepare' }),
    ]),
  )
  await messages.before(markShared(directives, nobody))
  const { release, attachments } = releaseMessage.decode(published[0]!.bytes)
  expect([release[0], attachments.length]).toEqual([2, 1])
})

it('When the gateway stops, what is retained stays and nothing waits to clear it', async () => {
  const { clock, kept, messages, made } = started()
  await messages.before(made)
  messages.close()
  clock.advance(600_000)
  expect(kept.size).toBe(1)
})
