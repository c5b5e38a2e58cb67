import { createHash } from 'node:crypto'
import type { ChunkSource } from '@hypha/agent/receive/collect.ts'
import { openReceiver, type ReceiveOptions, type ReceivePorts, type Receiver } from '@hypha/agent/receive/receiver.ts'
import { applyPatchWithin } from '@hypha/agent/sandbox/worker/apply-patch.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import type { Files } from '@hypha/core/ports/files.ts'
import type { Content } from '@hypha/core/trust/directive.ts'
import { chunkBytes, type Want } from '@hypha/core/wire/messages/want.ts'
import { FakeClock } from '../../support/fake-clock.ts'

export const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest())

/** Bytes that don't compress. */
export function noise(length: number): Uint8Array<ArrayBuffer> {
  let state = length + 1
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state >>> 24
  })
}

export function plain(bytes: Uint8Array): Content {
  const digest = sha256(bytes)
  return {
    digest,
    size: bytes.length,
    transfer: { encoding: 'identity', base: null, via: null, digest, size: bytes.length },
  }
}

export function packed(bytes: Uint8Array, sent = brotli.compress(bytes)): { content: Content; sent: Uint8Array } {
  const transfer = { encoding: 'brotli' as const, base: null, via: null, digest: sha256(sent), size: sent.length }
  return { content: { digest: sha256(bytes), size: bytes.length, transfer }, sent }
}

/** Serves the chunks that it is asked for, as `alter` has it. */
export class FakeGateway implements ChunkSource {
  readonly sent: Uint8Array
  readonly wants: Want[] = []
  served = 0
  subscribed = 0
  subscriptions = 0
  online = true
  alter: (index: number, chunk: Uint8Array) => readonly [number, Uint8Array] | null = (index, chunk) => [index, chunk]
  #onChunk: ((index: number, bytes: Uint8Array) => void) | null = null

  constructor(sent: Uint8Array) {
    this.sent = sent
  }

  subscribe(_digestHex: string, onChunk: (index: number, bytes: Uint8Array) => void): () => void {
    this.subscribed++
    this.subscriptions++
    this.#onChunk = onChunk
    return () => {
      this.subscribed--
      this.#onChunk = null
    }
  }

  request(want: Want): void {
    this.wants.push(want)
    if (this.online) queueMicrotask(() => this.serve(want))
  }

  serve(want: Want): void {
    for (const { first, count } of want.ranges) {
      for (let index = first; index < first + count; index++) {
        const chunk = this.sent.subarray(index * chunkBytes, (index + 1) * chunkBytes)
        const altered = this.alter(index, chunk)
        this.served++
        if (altered) this.#onChunk?.(altered[0], altered[1])
      }
    }
  }
}

const inThisThread: ReceivePorts['applyPatch'] = async (base, patch, most) => applyPatchWithin(base, patch, most)

interface Started {
  readonly receiver: Receiver
  readonly gateway: FakeGateway
  readonly clock: FakeClock
}

export async function start(
  sent: Uint8Array,
  files: Files,
  options: Partial<ReceiveOptions> = {},
  applyPatch = inThisThread,
): Promise<Started> {
  const gateway = new FakeGateway(sent)
  const clock = new FakeClock()
  const receiver = await openReceiver({
    files,
    crypto: { sha256 },
    brotli,
    clock,
    source: gateway,
    applyPatch,
    options,
  })
  return { receiver, gateway, clock }
}
