import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { TunnelTarget } from '@hypha/core/wire/messages/uplink.ts'

export interface StreamLimits {
  /** Streams of one site, those that it has yet to open included. */
  readonly maxStreams: number
  readonly openTimeoutMs: number
}

interface Pending {
  readonly site: string
  readonly stream: Uint8Array
  readonly target: TunnelTarget
  readonly take: (opened: Duplex | null) => void
}

/** Streams through the uplinks: a site opens each when it is asked, and none else. One that is asked for while its site is cut off waits until it is back, for a time. [P 14.5] */
export class SiteStreams {
  readonly #limits: StreamLimits
  readonly #ask: (site: string, stream: Uint8Array, target: TunnelTarget) => void
  readonly #pending = new Map<string, Pending>()
  readonly #open = new Map<string, Set<Duplex>>()

  /** `ask` tells the site, where it is connected. */
  constructor(limits: StreamLimits, ask: (site: string, stream: Uint8Array, target: TunnelTarget) => void) {
    this.#limits = limits
    this.#ask = ask
  }

  count(site: string): number {
    return this.#open.get(site)?.size ?? 0
  }

  #pendingOf = (site: string) => [...this.#pending.values()].filter((each) => each.site === site)

  /** Throws `uplink-offline`. */
  async open(site: string, target: TunnelTarget): Promise<Duplex> {
    const { maxStreams, openTimeoutMs } = this.#limits
    if (this.count(site) + this.#pendingOf(site).length >= maxStreams) throw offline(site, `${maxStreams} are open`)
    const stream = new Uint8Array(randomBytes(16))
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#take(stream, null), openTimeoutMs)
      const take = (opened: Duplex | null) => {
        clearTimeout(timer)
        if (opened === null) {
          reject(offline(site, 'it was not opened'))
          return
        }
        const open = this.#open.get(site) ?? new Set()
        this.#open.set(site, open.add(opened))
        opened.once('close', () => open.delete(opened))
        resolve(opened)
      }
      this.#pending.set(toHex(stream), { site, stream, target, take })
      this.#ask(site, stream, target)
    })
  }

  /** Whether a site was asked for this stream, and it is awaited still. */
  awaits(site: string, stream: Uint8Array): boolean {
    return this.#pending.get(toHex(stream))?.site === site
  }

  opened(stream: Uint8Array, duplex: Duplex): void {
    this.#take(stream, duplex)
  }

  #take(stream: Uint8Array, opened: Duplex | null): void {
    const pending = this.#pending.get(toHex(stream))
    this.#pending.delete(toHex(stream))
    pending?.take(opened)
  }

  /** The site is connected (again). */
  online(site: string): void {
    for (const { stream, target } of this.#pendingOf(site)) this.#ask(site, stream, target)
  }

  /** What went through its uplink is cut. */
  cut(site: string): void {
    for (const stream of this.#open.get(site) ?? []) stream.destroy()
    this.#open.delete(site)
  }

  /** Nobody is to wait for the site any more. */
  end(site: string): void {
    for (const { stream } of this.#pendingOf(site)) this.#take(stream, null)
    this.cut(site)
  }

  close(): void {
    for (const { stream } of [...this.#pending.values()]) this.#take(stream, null)
    for (const site of [...this.#open.keys()]) this.cut(site)
  }
}

const offline = (site: string, why: string) =>
  new HyphaError('uplink-offline', `There is no stream to ${site}: ${why}`, { where: site })
