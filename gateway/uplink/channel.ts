import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import type { MessageCodec } from '@hypha/core/wire/codec.ts'
import { maxUplinkFrameBytes } from '@hypha/core/wire/messages/uplink.ts'

export interface ChannelEvents<In> {
  onWord(word: In): void
  /** Once; null where the other side closed, or `end` was called without an error. */
  onEnd(error: HyphaError | null): void
}

const headerBytes = 4
const silenceMs = 45_000
const watchMs = 5_000
/** What the other side doesn't take counts as a cut: nobody waits for megabytes of words. */
const maxWaitingBytes = 8 * 1_048_576

/** Words over a connection, each behind its length. Bytes that are none end it, and nothing else. [P 14.3] */
export class Channel<In, Out> {
  readonly #socket: TLSSocket
  readonly #codecs: { readonly in: MessageCodec<In>; readonly out: MessageCodec<Out> }
  readonly #events: ChannelEvents<In>
  readonly #watch: NodeJS.Timeout
  #pieces: Buffer[] = []
  #size = 0
  #needed: number | null = null
  #heardAt = performance.now()
  #ended = false
  #released = false

  constructor(
    socket: TLSSocket,
    codecs: { readonly in: MessageCodec<In>; readonly out: MessageCodec<Out> },
    events: ChannelEvents<In>,
  ) {
    this.#socket = socket
    this.#codecs = codecs
    this.#events = events
    this.#watch = setInterval(() => this.#look(), watchMs)
    socket.setNoDelay(true)
    socket.on('data', this.#onData)
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
  }

  readonly #onData = (piece: Buffer) => {
    this.#heardAt = performance.now()
    this.#pieces.push(piece)
    this.#size += piece.length
    try {
      for (let word = this.#next(); word !== null && !this.#ended; word = this.#next()) {
        this.#events.onWord(word)
        if (this.#released) return
      }
    } catch (thrown) {
      this.end(asHyphaError(thrown))
    }
  }
  readonly #onError = (cause: Error) => this.end(new HyphaError('uplink-offline', cause.message, { cause }))
  readonly #onClose = () => this.end(null)

  #next(): In | null {
    if (this.#needed === null) {
      if (this.#size < headerBytes) return null
      this.#needed = this.#take(headerBytes).readUInt32BE(0)
      if (this.#needed > maxUplinkFrameBytes) {
        throw new HyphaError('bytes-too-long', `A frame of ${this.#needed} bytes came over the uplink`)
      }
    }
    if (this.#size < this.#needed) return null
    const payload = this.#take(this.#needed)
    this.#needed = null
    return this.#codecs.in.decode(payload)
  }

  #take(count: number): Buffer {
    const all = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces)
    const rest = all.subarray(count)
    this.#pieces = rest.length > 0 ? [rest] : []
    this.#size = rest.length
    return all.subarray(0, count)
  }

  #look(): void {
    if (performance.now() - this.#heardAt < silenceMs) return
    this.end(new HyphaError('uplink-offline', 'Nothing came over the uplink for too long'))
  }

  send(word: Out): void {
    if (this.#ended || this.#socket.destroyed) return
    const payload = this.#codecs.out.encode(word)
    const header = Buffer.alloc(headerBytes)
    header.writeUInt32BE(payload.length)
    this.#socket.cork()
    this.#socket.write(header)
    this.#socket.write(payload)
    this.#socket.uncork()
    if (this.#socket.writableLength > maxWaitingBytes) {
      this.end(new HyphaError('uplink-offline', 'The other side of the uplink takes nothing'))
    }
  }

  /** The connection as a stream of bytes, beginning behind the word that was just told. */
  release(): Duplex {
    this.#released = true
    this.#detach()
    this.#socket.pause()
    if (this.#size > 0) this.#socket.unshift(Buffer.concat(this.#pieces))
    return this.#socket
  }

  /** What was sent before still goes out. */
  end(error: HyphaError | null = null): void {
    if (this.#ended || this.#released) return
    this.#ended = true
    this.#detach()
    this.#socket.on('error', () => this.#socket.destroy())
    this.#socket.resume()
    this.#socket.end()
    setTimeout(() => this.#socket.destroy(), 2_000).unref()
    this.#events.onEnd(error)
  }

  #detach(): void {
    clearInterval(this.#watch)
    this.#socket.off('data', this.#onData)
    this.#socket.off('error', this.#onError)
    this.#socket.off('close', this.#onClose)
  }
}
