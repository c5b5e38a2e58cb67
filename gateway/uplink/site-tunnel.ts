import { createPrivateKey } from 'node:crypto'
import { connect as connectPlain, isIP } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { ed25519Pkcs8 } from '@hypha/core/bytes/ed25519.ts'
import { siteWord, type TunnelTarget, uplinkProtocol } from '@hypha/core/wire/messages/uplink.ts'
import { splice } from './splice.ts'
import type { Upstream } from './upstream-file.ts'

/** A connection with the site's certificate to the very upstream that it joined. */
export function dial({ host, port, ca, certificate, seed }: Upstream, timeoutMs: number): TLSSocket {
  const key = createPrivateKey({ key: Buffer.from(ed25519Pkcs8(seed)), format: 'der', type: 'pkcs8' })
  const socket = connect({
    host,
    port,
    ca,
    cert: certificate,
    key: key.export({ format: 'pem', type: 'pkcs8' }),
    minVersion: 'TLSv1.3',
    ALPNProtocols: [uplinkProtocol],
    // SNI carries names only (RFC 6066, 3).
    ...(isIP(host) ? {} : { servername: host }),
  })
  const late = setTimeout(() => socket.destroy(new Error('no answer in time')), timeoutMs)
  socket.once('secureConnect', () => clearTimeout(late)).once('close', () => clearTimeout(late))
  return socket
}

const maxStreams = 32

/** The site's end of streams: each is between one of this gateway's own listeners and the upstream. There, TLS and the broker decide about who comes. [P 14.5] */
export class SiteTunnel {
  readonly #dial: () => TLSSocket
  readonly #ports: Readonly<Record<TunnelTarget, number>>
  readonly #ends = new Set<() => void>()

  constructor(dialUpstream: () => TLSSocket, ports: Readonly<Record<TunnelTarget, number>>) {
    this.#dial = dialUpstream
    this.#ports = ports
  }

  get count(): number {
    return this.#ends.size
  }

  /** Ends all streams: they were opened to who is believed no more. */
  cut(): void {
    for (const end of [...this.#ends]) end()
  }

  /** As the upstream asks; beyond the bound it asks in vain. */
  open(stream: Uint8Array, target: TunnelTarget): void {
    if (this.count >= maxStreams) return
    const far = this.#dial()
    const near = connectPlain({ host: '127.0.0.1', port: this.#ports[target] })
    const end = () => {
      this.#ends.delete(end)
      far.destroy()
      near.destroy()
    }
    this.#ends.add(end)
    for (const socket of [far, near]) socket.once('error', end).once('close', end)
    far.once('secureConnect', () => {
      if (!this.#ends.has(end) || far.alpnProtocol !== uplinkProtocol) {
        end()
        return
      }
      const payload = siteWord.encode({ kind: 'stream', stream })
      const frame = Buffer.alloc(4 + payload.length)
      frame.writeUInt32BE(payload.length)
      frame.set(payload, 4)
      far.setNoDelay(true)
      far.write(frame)
      splice(far, near)
    })
  }
}
