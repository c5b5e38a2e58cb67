import type { Clock } from '@hypha/core/ports/clock.ts'
import { presence } from '@hypha/core/wire/messages/presence.ts'
import type { ClientEvent } from './broker/broker.ts'
import type { ClientIdentity } from './broker/identity.ts'

export interface FirstWordsPorts {
  readonly clock: Clock
  /**
   * A connection reads or says something for the first time. `will` is what it left with its CONNECT, by which it says of which run of the agent it is; answers whether that is another than
   * the last.
   */
  readonly begun: (node: string, will: Uint8Array | null) => boolean
  /** It said something else before its presence, or nothing of itself for too long: it is to be ended. */
  readonly unannounced: (node: string, how: Unannounced) => void
}

/** `silent` is what comes of a cut line, too; an agent of ours neither `spoke` so nor, but for a cut in its very first moment, `listened`. */
export type Unannounced = 'spoke' | 'listened' | 'silent'

interface Connection {
  readonly will: Uint8Array | null
  begun: boolean
  /** It is of another run than the last. */
  strange: boolean
  /** It has said its presence. */
  announced: boolean
  cancel: () => void
}

/** From the subscription to the presence it is a moment for an agent of ours, and as long as a slow line takes. */
const silentMs = 30_000

/**
 * Holds every connection of a node to what an agent says first: its presence, right after its subscriptions. Whoever has copied the keys and only wants to listen, or to speak for the node unseen,
 * would say none. [P 4.1, P 4.3]
 */
export function createFirstWords({ clock, begun, unannounced }: FirstWordsPorts) {
  /** By the object that the broker makes for each connection. */
  const connections = new WeakMap<ClientIdentity, Connection>()

  function begin(node: string, connection: Connection): void {
    if (connection.begun) return
    connection.begun = true
    connection.strange = begun(node, connection.will)
  }

  return {
    onClient({ kind, client, will }: ClientEvent): void {
      if (client.kind !== 'node') return
      if (kind === 'connected') {
        const connection: Connection = { will, begun: false, strange: false, announced: false, cancel: () => undefined }
        connection.cancel = clock.after(silentMs, () =>
          unannounced(client.id, connection.strange ? 'listened' : 'silent'),
        )
        connections.set(client, connection)
        return
      }
      const connection = connections.get(client)
      if (!connection) return
      if (kind === 'disconnected') connection.cancel()
      else begin(client.id, connection)
    },
    /** A presence on this connection, its will included. */
    onPresence(from: ClientIdentity, bytes: Uint8Array): void {
      const connection = connections.get(from)
      if (!connection || connection.announced || !isOnline(bytes)) return
      connection.cancel()
      connection.announced = true
    },
    /** Whether anything else that comes on this connection counts. */
    admits(from: ClientIdentity): boolean {
      const connection = connections.get(from)
      if (connection?.announced) return true
      if (connection) {
        begin(from.id, connection)
        unannounced(from.id, 'spoke')
      }
      return false
    },
  }
}

function isOnline(bytes: Uint8Array): boolean {
  try {
    return presence.decode(bytes).online
  } catch {
    // What can't be understood announces nothing; whoever takes it in tells of it.
    return false
  }
}
