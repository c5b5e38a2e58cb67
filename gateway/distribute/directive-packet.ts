import { toHex } from '@hypha/core/bytes/text.ts'
import type { Directive } from '@hypha/core/trust/directive.ts'
import { directiveMessage } from '@hypha/core/wire/messages/directive.ts'
import type { FleetTopics } from '@hypha/core/wire/topics.ts'
import type { Store } from '../store/store.ts'

/** A content travels inside the directive's message if its transfer has at most this many bytes. [P 7.2] */
export const maxInlineBytes = 4_096
/** All of the message, with the few bytes around each part, stays below a packet. */
const maxPacketBytes = 60_000
const perPartBytes = 8
const maxAttachments = 64

/** A directive's message: its envelope, and as many small contents as find room, in the order in which the directive lists them. */
export function directivePacket(
  directive: Directive,
  envelope: Uint8Array,
  transferBytes: (digest: string) => Uint8Array | null,
): Uint8Array<ArrayBuffer> {
  const attachments = new Map<string, Uint8Array>()
  let left = maxPacketBytes - envelope.length
  for (const { transfer } of directive.sections.flatMap(({ contents }) => contents)) {
    const digest = toHex(transfer.digest)
    // It is published for all [P 7.8].
    if (transfer.via === 'release') continue
    const fits = transfer.size <= maxInlineBytes && transfer.size + perPartBytes <= left
    if (!fits || attachments.has(digest) || attachments.size >= maxAttachments) continue
    const bytes = transferBytes(digest)
    // Not here any more: the node asks for it, and is told then.
    if (!bytes) continue
    attachments.set(digest, bytes)
    left -= bytes.length + perPartBytes
  }
  return directiveMessage.encode({ envelope, attachments: [...attachments.values()] })
}

/** Hands bytes to the broker; resolves when they are durable (retained) or with all that are subscribed. */
export type Publish = (topic: string, bytes: Uint8Array, options?: { retain?: boolean; qos?: 0 | 1 }) => Promise<void>

export interface DirectivePorts {
  readonly store: Pick<Store, 'directives' | 'contents'>
  readonly topics: FleetTopics
  readonly publish: Publish
}

/** Sends a node the directive that the store has for it, retained: a node that is away finds it when it comes. False where there is none. */
export async function sendDirective(node: string, { store, topics, publish }: DirectivePorts): Promise<boolean> {
  const record = store.directives.get(node)
  if (!record) return false
  const packet = directivePacket(record.directive, record.envelope, (digest) => store.contents.transferBytes(digest))
  await publish(topics.down(node, 'directive'), packet, { retain: true, qos: 1 })
  return true
}
