import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import type { Content } from '@hypha/core/trust/directive.ts'
import { releaseMessage } from '@hypha/core/wire/messages/release.ts'

export interface ReleaseFeedPorts {
  /** Subscribes to an app's release message, across reconnections; the result ends it. */
  readonly subscribe: (app: string, hear: (message: Uint8Array) => void) => () => void
  readonly crypto: Pick<Crypto, 'sha256'>
  readonly clock: Pick<Clock, 'after'>
  readonly onProblem: (error: HyphaError) => void
  /** After such a silence the chunks are asked for. */
  readonly silenceMs?: number
}

interface Followed {
  readonly end: () => void
  attachments: readonly Uint8Array[]
  readonly waiting: Set<() => void>
}

/** What is published once for all nodes that have an app [P 7.8]. Nothing here is trusted: a transfer is taken by the digest that the directive lists. */
export class ReleaseFeed {
  readonly #ports: ReleaseFeedPorts
  readonly #apps = new Map<string, Followed>()

  constructor(ports: ReleaseFeedPorts) {
    this.#ports = ports
  }

  /** The apps that the node has: it stays subscribed to theirs, so that the next release comes by itself. */
  follow(apps: Iterable<string>): void {
    const wanted = new Set(apps)
    for (const [app, { end, waiting }] of this.#apps) {
      if (wanted.has(app) || waiting.size > 0) continue
      end()
      this.#apps.delete(app)
    }
    for (const app of wanted) this.#of(app)
  }

  #of(app: string): Followed {
    const known = this.#apps.get(app)
    if (known) return known
    const followed: Followed = {
      end: this.#ports.subscribe(app, (message) => this.#hear(app, message)),
      attachments: [],
      waiting: new Set(),
    }
    this.#apps.set(app, followed)
    return followed
  }

  #hear(app: string, message: Uint8Array): void {
    const followed = this.#apps.get(app)
    if (!followed) return
    try {
      // Copied: they are slices of what the connection has read.
      const { attachments } = message.length === 0 ? { attachments: [] } : releaseMessage.decode(message)
      followed.attachments = attachments.map((bytes) => Uint8Array.from(bytes))
    } catch (thrown) {
      this.#ports.onProblem(asHyphaError(thrown))
      return
    }
    for (const look of [...followed.waiting]) look()
  }

  /** The transfer's bytes; null where the directive doesn't say that they come this way, and when they don't come. */
  async take({ transfer }: Content, app: string, signal: AbortSignal): Promise<Uint8Array | null> {
    if (transfer.via !== 'release') return null
    const followed = this.#of(app)
    const find = () =>
      followed.attachments.find(
        (bytes) => bytes.length === transfer.size && bytesEqual(this.#ports.crypto.sha256(bytes), transfer.digest),
      ) ?? null
    const here = find()
    if (here || signal.aborted) return here
    return await new Promise((resolve) => {
      const end = (found: Uint8Array | null) => {
        cancel()
        signal.removeEventListener('abort', stop)
        followed.waiting.delete(look)
        resolve(found)
      }
      const stop = () => end(null)
      const look = () => {
        const found = find()
        if (found) end(found)
      }
      const cancel = this.#ports.clock.after(this.#ports.silenceMs ?? 2_000, stop)
      signal.addEventListener('abort', stop)
      followed.waiting.add(look)
    })
  }
}
