import type { HyphaError } from '@hypha/core/errors.ts'
import { asHyphaError } from '@hypha/core/errors.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import type { Log } from '@hypha/core/platform/log.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Files } from '@hypha/core/ports/files.ts'
import type { Content } from '@hypha/core/trust/directive.ts'
import { want } from '@hypha/core/wire/messages/want.ts'
import type { FleetTopics } from '@hypha/core/wire/topics.ts'
import type { Link } from './link/link.ts'
import type { Contents } from './receive/contents.ts'
import { openReceiver } from './receive/receiver.ts'
import { ReleaseFeed } from './receive/release-feed.ts'
import { createPatchThread } from './sandbox/patch-thread.ts'

interface ContentsPorts {
  readonly node: string
  readonly topics: FleetTopics
  readonly files: Files
  readonly clock: Clock
  readonly link: Link
  readonly log: Log
  readonly onProblem: (error: HyphaError) => void
  /** So much of a content of an app is here. */
  onProgress(app: string, content: Content, bytes: number, ofBytes: number): void
}

/** The contents that lie on this node, and the ways on which others come: with a directive, in the message for all nodes, as chunks. Joins what receives to the link. */
export async function openContents(ports: ContentsPorts) {
  const { node, topics, files, clock, link, log, onProblem } = ports
  const patches = createPatchThread({ clock })
  const receiver = await openReceiver({
    files,
    crypto: nodeCrypto,
    brotli,
    clock,
    applyPatch: patches.apply,
    source: {
      subscribe: (digestHex, onChunk) =>
        link.subscribe(topics.chunks(digestHex), (topic, bytes) =>
          onChunk(Number(topic.slice(topic.lastIndexOf('/') + 1)), bytes),
        ),
      request: (wanted) => {
        link.publish(topics.up(node, 'want'), want.encode(wanted), { qos: 0 }).catch(() => {
          // Offline: the receiver asks again when the link is back.
        })
      },
    },
  })
  const { contents } = receiver
  const releases = new ReleaseFeed({
    subscribe: (app, hear) => link.subscribe(topics.release(app), (_topic, message) => hear(message)),
    crypto: nodeCrypto,
    clock,
    onProblem,
  })
  let attachments: readonly Uint8Array[] = []
  return {
    contents,
    /** The message for all nodes of each of these apps is heard from now on. */
    follow: (apps: readonly string[]) => releases.follow(apps),
    /** What came with a directive. */
    offer(given: readonly Uint8Array[]): void {
      attachments = given
    },
    async receive(content: Content, app: string, signal: AbortSignal): Promise<void> {
      const onProgress = (bytes: number, ofBytes: number) => ports.onProgress(app, content, bytes, ofBytes)
      const shared = contents.has(content.digest) ? null : await releases.take(content, app, signal)
      if (shared) log.info(`${app} takes ${shared.length} bytes from the message for all nodes`)
      await receiver.fetch(content, {
        attachments: shared ? [...attachments, shared] : attachments,
        onProgress,
        signal,
      })
    },
    /** Asks again for what is missing. */
    retry: () => receiver.retry(),
    /** Removes what is neither one of these nor what patches to them apply to. */
    retain(needed: readonly Content[]): void {
      receiver
        .retain([...digests(needed), ...basesOf(needed, contents)], digests(needed.map(({ transfer }) => transfer)))
        .catch((thrown) => onProblem(asHyphaError(thrown)))
    },
    close: () => patches.close(),
  }
}

const digests = (items: readonly { readonly digest: Uint8Array }[]) => items.map(({ digest }) => digest)

/** What patches apply to whose contents are still to come. */
const basesOf = (needed: readonly Content[], contents: Pick<Contents, 'has'>) =>
  needed.flatMap(({ digest, transfer: { base } }) => (base === null || contents.has(digest) ? [] : [base]))
