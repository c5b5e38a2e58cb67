import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Compressor } from '@hypha/core/ports/compressor.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import type { Files } from '@hypha/core/ports/files.ts'
import type { Content } from '@hypha/core/trust/directive.ts'
import { type ChunkSource, type CollectHooks, type CollectTiming, collect } from './collect.ts'
import { type Contents, openContents } from './contents.ts'
import { PartialTransfer, partialFolder } from './partial.ts'

export interface ReceiveOptions extends CollectTiming {
  /** No content and no transfer is larger. */
  readonly maxBytes: number
  /** So many chunks are asked for at a time. */
  readonly windowChunks: number
  /** When none has come for so long they are asked for again; twice as long each time, up to `maxRetryMs`. */
  readonly retryMs: number
  readonly maxRetryMs: number
  /** A transfer whose digest is wrong is fetched anew, so many times in all. */
  readonly attempts: number
}

const defaults: ReceiveOptions = {
  maxBytes: 64 * 1024 * 1024,
  windowChunks: 64,
  retryMs: 2_000,
  maxRetryMs: 60_000,
  attempts: 3,
}

export interface ReceivePorts {
  readonly files: Files
  readonly crypto: Pick<Crypto, 'sha256'>
  readonly brotli: Pick<Compressor, 'decompress'>
  readonly clock: Clock
  readonly source: ChunkSource
  /** Makes a content of no more than `maxBytes` of another, by a patch as `src/delta` makes it; throws what is wrong with it. */
  readonly applyPatch: (base: Uint8Array, patch: Uint8Array, maxBytes: number) => Promise<Uint8Array<ArrayBuffer>>
  readonly options?: Partial<ReceiveOptions>
}

export interface FetchOptions extends CollectHooks {
  /** Transfer bytes that came with the directive. */
  readonly attachments?: readonly Uint8Array[]
}

export interface Receiver {
  readonly contents: Contents
  /**
   * The content's bytes: from the disk, from an attachment, or chunk by chunk, going on where an earlier run was cut off. Verified and durable when it
   * resolves. Waits as long as the gateway is out of reach. Throws `content-mismatch` or `bytes-too-long` for what isn't as the directive says,
   * `patch-base-missing`, `delta-malformed` or `patch-not-applied` for a patch that comes to nothing, `disk-full` or `file-failed`, `receive-ended`.
   */
  fetch(content: Content, options?: FetchOptions): Promise<Uint8Array<ArrayBuffer>>
  /** The link is back: asks for what is missing now. */
  retry(): void
  /** Removes contents that are not listed, and transfers that were begun and are neither listed (by the transfer's digest) nor under way. */
  retain(contents: Iterable<Uint8Array>, transfers: Iterable<Uint8Array>): Promise<void>
}

interface UnderWay {
  readonly digest: Uint8Array
  readonly promise: Promise<Uint8Array<ArrayBuffer>>
  readonly retry: () => void
}

export async function openReceiver(ports: ReceivePorts): Promise<Receiver> {
  const { files, crypto, brotli } = ports
  const options = { ...defaults, ...ports.options }
  const contents = await openContents(files, crypto)
  files.ensureFolder(partialFolder)
  await files.syncFolder('')
  /** By transfer, in hex. */
  const underWay = new Map<string, UnderWay>()

  /** What a patch applies to; null where the transfer stands alone. [P 7.6, P 7.7] */
  function baseOf({ digest, transfer }: Content): Uint8Array | null {
    if (transfer.base === null) return null
    const base = contents.read(transfer.base)
    if (base !== null) return base
    const text = `the content ${toHex(digest)} is to come as a patch of ${toHex(transfer.base)}, which isn't here`
    throw new HyphaError('patch-base-missing', text, { where: toHex(transfer.digest) })
  }

  async function decoded({ size, transfer }: Content, bytes: Uint8Array, base: Uint8Array | null): Promise<Uint8Array> {
    if (base !== null) return await ports.applyPatch(base, bytes, size)
    return transfer.encoding === 'brotli' ? brotli.decompress(bytes, size) : bytes
  }

  /** The content that transfer bytes hold. */
  async function decode(content: Content, bytes: Uint8Array): Promise<Uint8Array> {
    const { transfer } = content
    const wrong = (what: string) =>
      new HyphaError('content-mismatch', `the content ${toHex(content.digest)} ${what}`, {
        where: toHex(transfer.digest),
      })
    if (bytes.length !== transfer.size || !bytesEqual(crypto.sha256(bytes), transfer.digest)) {
      throw wrong('came with another digest than its transfer has')
    }
    // Read anew: it may have been damaged since the chunks began to come, which is days for a node out of reach.
    const whole = await decoded(content, bytes, baseOf(content))
    if (whole.length !== content.size) throw wrong(`has ${whole.length} bytes, not ${content.size}`)
    if (!bytesEqual(crypto.sha256(whole), content.digest)) throw wrong('decodes to another digest')
    return whole
  }

  async function fetchChunks(
    content: Content,
    name: string,
    fetchOptions: FetchOptions,
    setRetry: (retry: () => void) => void,
  ) {
    const { source, end } = held(ports.source, name)
    try {
      for (let attempt = 1; ; attempt++) {
        const partial = new PartialTransfer(files, name, content.transfer.size)
        try {
          await collect(partial, content.transfer.digest, { ...ports, source }, options, fetchOptions, setRetry)
        } catch (thrown) {
          partial.close()
          throw thrown
        }
        const bytes = partial.read()
        if (bytesEqual(crypto.sha256(bytes), content.transfer.digest) || attempt >= options.attempts)
          return { partial, bytes }
        // Some chunk was wrong, and none can tell which.
        partial.remove()
      }
    } finally {
      end()
    }
  }

  async function fetchNew(content: Content, fetchOptions: FetchOptions, setRetry: (retry: () => void) => void) {
    const { transfer } = content
    // Nothing is asked for that would come to nothing.
    baseOf(content)
    const attached = fetchOptions.attachments?.find(
      (bytes) => bytes.length === transfer.size && bytesEqual(crypto.sha256(bytes), transfer.digest),
    )
    const name = toHex(transfer.digest)
    const { partial, bytes } = attached
      ? { partial: null, bytes: attached }
      : await fetchChunks(content, name, fetchOptions, setRetry)
    try {
      const whole = Uint8Array.from(await decode(content, bytes))
      await contents.put(content.digest, whole)
      partial?.remove()
      fetchOptions.onProgress?.(transfer.size, transfer.size)
      return whole
    } catch (thrown) {
      // A full disk passes: the chunks are kept. What was wrong is fetched anew.
      if (asHyphaError(thrown).act === 'peer') partial?.remove()
      else partial?.close()
      throw thrown
    }
  }

  function check(content: Content): void {
    const { transfer, size, digest } = content
    if (Math.max(size, transfer.size) > options.maxBytes) {
      throw new HyphaError(
        'bytes-too-long',
        `a content of ${Math.max(size, transfer.size)} bytes is over the cap of ${options.maxBytes}`,
      )
    }
    const wrong = (what: string) => new HyphaError('content-mismatch', `the content ${toHex(digest)} ${what}`)
    if ((transfer.encoding === 'patch') !== (transfer.base !== null)) {
      throw wrong(transfer.base === null ? 'is a patch of nothing' : 'has a base, and is no patch')
    }
    const differs = size !== transfer.size || !bytesEqual(digest, transfer.digest)
    if (transfer.encoding === 'identity' && differs) throw wrong('differs from its own transfer')
  }

  /** What another fetch of the same transfer brings; null where it was ended by who had begun it, and who joined it has to go on. */
  async function joined(other: UnderWay, { signal }: FetchOptions): Promise<Uint8Array<ArrayBuffer> | null> {
    try {
      return await other.promise
    } catch (thrown) {
      if (asHyphaError(thrown).code !== 'receive-ended' || signal?.aborted) throw thrown
      return null
    }
  }

  return {
    contents,
    async fetch(content, fetchOptions = {}) {
      check(content)
      const here = contents.read(content.digest)
      if (here) return here
      const name = toHex(content.transfer.digest)
      for (let other = underWay.get(name); other; other = underWay.get(name)) {
        if (!bytesEqual(other.digest, content.digest)) {
          if (content.transfer.encoding !== 'patch') {
            throw new HyphaError('content-mismatch', `two contents claim the transfer ${name}`)
          }
          // The same change of two contents is the same patch: one after the other.
          await other.promise.catch(() => undefined)
          continue
        }
        const bytes = await joined(other, fetchOptions)
        if (bytes) return bytes
      }
      let retry = (): void => undefined
      const promise = fetchNew(content, fetchOptions, (again) => {
        retry = again
      }).finally(() => underWay.delete(name))
      underWay.set(name, { digest: content.digest, promise, retry: () => retry() })
      return promise
    },
    retry() {
      for (const { retry } of underWay.values()) retry()
    },
    async retain(digests, transfers) {
      await contents.retain(digests)
      const wanted = new Set([...[...transfers].map(toHex), ...underWay.keys()])
      const gone = files.list(partialFolder).filter((name) => !wanted.has(name.replace(/\.map$/, '')))
      for (const name of gone) files.remove(`${partialFolder}/${name}`)
      if (gone.length > 0) await files.syncFolder(partialFolder)
    },
  }
}

/** One subscription for all attempts: the chunks that the second one asks for may come before a new subscription holds. */
function held(source: ChunkSource, digestHex: string): { readonly source: ChunkSource; readonly end: () => void } {
  let hear: Parameters<ChunkSource['subscribe']>[1] | null = null
  const end = source.subscribe(digestHex, (index, bytes) => hear?.(index, bytes))
  const subscribe: ChunkSource['subscribe'] = (_digestHex, onChunk) => {
    hear = onChunk
    return () => {
      hear = null
    }
  }
  return { source: { subscribe, request: (want) => source.request(want) }, end }
}
