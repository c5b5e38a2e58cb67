import { toHex } from '@hypha/core/bytes/text.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Content, Directive } from '@hypha/core/trust/directive.ts'
import { releaseMessage } from '@hypha/core/wire/messages/release.ts'
import type { FleetTopics } from '@hypha/core/wire/topics.ts'
import type { ContentStore } from '../store/contents.ts'
import type { StoredMessage } from '../store/ports/broker.ts'
import type { Publish } from './directive-packet.ts'

/** From so many nodes on that need a transfer it is published once for all. [P 7.8] */
const manyNodes = 5
/** Of all transfers of a message: with the few bytes around each it stays below a packet. */
const maxTogether = 56_000
const maxTransfers = 64
/** What nodes that were away for longer need they ask for: who connects gets all that is retained, needed or not. */
const keptMs = 600_000

/** Which transfers many nodes of these need, by app, as many as go into one message. */
function sharedBy(
  directives: readonly Directive[],
  held: (node: string) => ReadonlySet<string>,
): ReadonlyMap<string, ReadonlySet<string>> {
  const counted = new Map<string, Map<string, { size: number; nodes: number }>>()
  for (const { node, sections } of directives) {
    const holds = held(node)
    for (const { app, contents } of sections) {
      const needed = counted.get(app) ?? new Map<string, { size: number; nodes: number }>()
      counted.set(app, needed)
      for (const { digest, transfer } of contents) {
        if (holds.has(toHex(digest))) continue
        const name = toHex(transfer.digest)
        needed.set(name, { size: transfer.size, nodes: (needed.get(name)?.nodes ?? 0) + 1 })
      }
    }
  }
  return new Map([...counted].map(([app, needed]) => [app, fitting(needed)]))
}

function fitting(needed: ReadonlyMap<string, { readonly size: number; readonly nodes: number }>): ReadonlySet<string> {
  const chosen = new Set<string>()
  let left = maxTogether
  for (const [name, { size, nodes }] of needed) {
    if (nodes < manyNodes || size > left || chosen.size >= maxTransfers) continue
    chosen.add(name)
    left -= size
  }
  return chosen
}

/** The same directives, with `via` where a transfer goes into its app's release message. `held` says which contents (hex) a node holds. Pure. */
export function markShared(
  directives: readonly Directive[],
  held: (node: string) => ReadonlySet<string>,
): readonly Directive[] {
  const shared = sharedBy(directives, held)
  const marked = (app: string, content: Content): Content => {
    const via = shared.get(app)?.has(toHex(content.transfer.digest)) ? ('release' as const) : null
    return via === content.transfer.via ? content : { ...content, transfer: { ...content.transfer, via } }
  }
  return directives.map((directive) => ({
    ...directive,
    sections: directive.sections.map((section) => ({
      ...section,
      contents: section.contents.map((content) => marked(section.app, content)),
    })),
  }))
}

export interface ReleaseMessagesPorts {
  readonly contents: Pick<ContentStore, 'transferBytes'>
  readonly topics: FleetTopics
  readonly publish: Publish
  readonly retained: (filter: string) => Iterable<StoredMessage>
  readonly clock: Pick<Clock, 'now' | 'after'>
  readonly onFailure: (error: unknown) => void
}

/** Publishes the transfers that directives mark with `via`. */
export function createReleaseMessages({ contents, topics, publish, retained, clock, onFailure }: ReleaseMessagesPorts) {
  const expiries = new Map<string, () => void>()

  function expire(topic: string): void {
    expiries.get(topic)?.()
    const cancel = clock.after(keptMs, () => {
      expiries.delete(topic)
      clear(topic)
    })
    expiries.set(topic, cancel)
  }
  const clear = (topic: string) => void publish(topic, new Uint8Array(), { retain: true, qos: 1 }).catch(onFailure)

  async function publishFor(app: string, release: Uint8Array, names: ReadonlySet<string>): Promise<void> {
    const attachments = [...names].map((name) => contents.transferBytes(name)).filter((bytes) => bytes !== null)
    const message = releaseMessage.encode({ app, release, attachments })
    const topic = topics.release(app)
    const [now] = retained(topic)
    if (now && Buffer.compare(now.payload, message) === 0) return
    await publish(topic, message, { retain: true, qos: 1 })
    expire(topic)
  }

  // Of a former run.
  for (const { topic } of retained(topics.release('+'))) expire(topic)

  return {
    /** Resolves when nodes can have what these directives mark: they may be sent then. */
    async before(directives: readonly Directive[]): Promise<void> {
      const marked = new Map<string, { release: Uint8Array; epoch: number; names: Set<string> }>()
      for (const { sections, issuedMs } of directives) {
        // Said again, such as at a start: who still needs it asks for chunks.
        if (issuedMs < clock.now() - keptMs) continue
        for (const { app, release, epoch, contents: listed } of sections) {
          const names = listed
            .filter(({ transfer }) => transfer.via === 'release')
            .map((each) => toHex(each.transfer.digest))
          const known = marked.get(app)
          if (names.length === 0 || (known && known.epoch > epoch)) continue
          const of = known?.epoch === epoch ? known : { release, epoch, names: new Set<string>() }
          for (const name of names) of.names.add(name)
          marked.set(app, of)
        }
      }
      await Promise.all([...marked].map(([app, { release, names }]) => publishFor(app, release, names)))
    },
    /** The app is no more. */
    forget(app: string): void {
      const topic = topics.release(app)
      expiries.get(topic)?.()
      expiries.delete(topic)
      for (const _ of retained(topic)) clear(topic)
    },
    /** What is retained stays: the next run clears it when its time has come. */
    close(): void {
      for (const cancel of expiries.values()) cancel()
      expiries.clear()
    },
  }
}

export type ReleaseMessages = ReturnType<typeof createReleaseMessages>
