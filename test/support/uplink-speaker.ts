import type { TLSSocket } from 'node:tls'
import { type SiteWord, siteWord, type UpstreamWord, upstreamWord } from '@hypha/core/wire/messages/uplink.ts'

/** Someone at the site's end of an uplink who says whatever he is told to. */
export class UplinkSpeaker {
  readonly socket: TLSSocket
  readonly words: UpstreamWord[] = []
  readonly ended: Promise<unknown>
  #bytes = Buffer.alloc(0)
  #wake: () => void = () => undefined

  constructor(socket: TLSSocket) {
    this.socket = socket
    this.ended = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => socket.destroy())
    socket.on('data', (piece: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, piece])
      while (this.#bytes.length >= 4 && this.#bytes.length >= 4 + this.#bytes.readUInt32BE(0)) {
        const end = 4 + this.#bytes.readUInt32BE(0)
        this.words.push(upstreamWord.decode(this.#bytes.subarray(4, end)))
        this.#bytes = this.#bytes.subarray(end)
        this.#wake()
      }
    })
  }

  raw(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  say(word: SiteWord): void {
    const payload = siteWord.encode(word)
    const header = Buffer.alloc(4)
    header.writeUInt32BE(payload.length)
    this.raw(Buffer.concat([header, payload]))
  }

  /** The first word of a kind that has come or comes. Rejects where the connection ends before. */
  async heard<K extends UpstreamWord['kind']>(kind: K): Promise<Extract<UpstreamWord, { kind: K }>> {
    for (;;) {
      const found = this.words.find((word) => word.kind === kind)
      if (found) return found as Extract<UpstreamWord, { kind: K }>
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve
        this.ended.then(() => reject(new Error(`it ended before it said ${kind}`)))
      })
    }
  }
}
