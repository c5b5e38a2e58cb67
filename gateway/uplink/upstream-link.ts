import { asHyphaError, type ErrorCode, errorTable, HyphaError } from '@hypha/core/errors.ts'
import { isUnproven } from '@hypha/core/platform/pinned-https.ts'
import type { ForwardBatch } from '@hypha/core/wire/messages/forward.ts'
import {
  type SiteWord,
  siteWord,
  type TunnelTarget,
  type UpstreamWord,
  uplinkProtocol,
  upstreamWord,
} from '@hypha/core/wire/messages/uplink.ts'
import { Channel } from './channel.ts'
import type { Forwarder } from './forwarder.ts'
import { dial, SiteTunnel } from './site-tunnel.ts'
import type { Upstream } from './upstream-file.ts'

export interface UpstreamLinkPorts {
  readonly forwarder: Pick<Forwarder, 'hello' | 'welcome' | 'ack' | 'offline'>
  /** Ports of this gateway's own listeners on this machine: all that streams may end at. */
  readonly local: Readonly<Record<TunnelTarget, number>>
  /** A join URL for the node that the upstream runs; null where there is to be none. */
  invite(): Promise<string | null>
  /** With a fresh certificate, or by another authority: to be kept. */
  keep(upstream: Upstream): void
  /** Whom to believe by today's root metadata of the upstream's fleet. Throws `join-ca-mismatch`, `join-unreachable`. */
  follow(upstream: Upstream): Promise<Upstream>
  changed(online: boolean): void
  onProblem(error: HyphaError): void
  readonly timing?: Partial<UplinkTiming>
}

export interface UplinkTiming {
  readonly firstBackoffMs: number
  readonly maxBackoffMs: number
  readonly connectTimeoutMs: number
  readonly pingMs: number
  readonly leaveMs: number
  readonly inviteEveryMs: number
  readonly followEveryMs: number
}

const defaultTiming: UplinkTiming = {
  firstBackoffMs: 500,
  maxBackoffMs: 30_000,
  connectTimeoutMs: 15_000,
  pingMs: 10_000,
  leaveMs: 5_000,
  inviteEveryMs: 20_000,
  followEveryMs: 3_600_000,
}
type UpstreamChannel = Channel<UpstreamWord, SiteWord>

/** The site's end of its uplink: connects at once, and again after each cut until `close`. [P 14.3] */
export class UpstreamLink {
  #upstream: Upstream
  readonly #ports: UpstreamLinkPorts
  readonly #timing: UplinkTiming
  #channel: UpstreamChannel | null = null
  #online = false
  #closed = false
  #failures = 0
  #retry: NodeJS.Timeout | null = null
  #ping: NodeJS.Timeout | null = null
  readonly #tunnel: SiteTunnel
  #problem: HyphaError | null = null
  #inviting = false
  #invitedAt = Number.NEGATIVE_INFINITY
  #following = false
  #followedAt = Number.NEGATIVE_INFINITY
  #left: () => void = () => undefined

  constructor(upstream: Upstream, ports: UpstreamLinkPorts) {
    this.#upstream = upstream
    this.#ports = ports
    this.#timing = { ...defaultTiming, ...ports.timing }
    this.#tunnel = new SiteTunnel(() => dial(this.#upstream, this.#timing.connectTimeoutMs), ports.local)
    this.#connect()
  }

  get online(): boolean {
    return this.#online
  }

  get streams(): number {
    return this.#tunnel.count
  }

  /** Why there is no connection; null where there is, or nothing is known. */
  get problem(): HyphaError | null {
    return this.#online ? null : this.#problem
  }

  #connect(): void {
    this.#retry = null
    const socket = dial(this.#upstream, this.#timing.connectTimeoutMs)
    const failed = (cause: Error) => {
      this.#lost(new HyphaError('uplink-offline', `The upstream can't be reached: ${cause.message}`, { cause }))
      if (isUnproven(cause)) void this.#follow()
    }
    socket.once('error', failed)
    socket.once('secureConnect', () => {
      socket.off('error', failed)
      if (socket.alpnProtocol !== uplinkProtocol) {
        socket.destroy()
        this.#lost(new HyphaError('uplink-offline', 'Who answers in place of the upstream takes no sites'))
        return
      }
      if (this.#closed) {
        socket.destroy()
        return
      }
      const channel: UpstreamChannel = new Channel(
        socket,
        { in: upstreamWord, out: siteWord },
        {
          onWord: (word) => this.#heard(channel, word),
          onEnd: (error) => this.#channel === channel && this.#lost(error),
        },
      )
      this.#channel = channel
      channel.send({ kind: 'hello', ...this.#ports.forwarder.hello })
      this.#ping = setInterval(() => channel.send({ kind: 'ping' }), this.#timing.pingMs)
    })
  }

  #heard(channel: UpstreamChannel, word: UpstreamWord): void {
    switch (word.kind) {
      case 'welcome':
        if (word.certificate !== null) this.#keep({ certificate: word.certificate })
        if (!this.#ports.forwarder.welcome(word.upTo)) {
          channel.end()
          return
        }
        this.#failures = 0
        this.#problem = null
        this.#online = true
        this.#ports.changed(true)
        if (word.wants) void this.#invite(channel)
        if (performance.now() - this.#followedAt > this.#timing.followEveryMs) void this.#follow()
        return
      case 'ack':
        // Nobody waits for it: whoever says so is not in step.
        if (!this.#ports.forwarder.ack(word.upTo))
          channel.end(new HyphaError('message-malformed', 'An acknowledgement of what was not sent'))
        return
      case 'open':
        this.#tunnel.open(word.stream, word.target)
        return
      case 'invite':
        void this.#invite(channel)
        return
      case 'ended': {
        if (word.code === 'site-left') this.#left()
        const code = Object.hasOwn(errorTable, word.code) ? (word.code as ErrorCode) : 'uplink-offline'
        channel.end(new HyphaError(code, `The upstream has ended the uplink: ${word.message}`))
        return
      }
      case 'pong':
        return
    }
  }

  #keep(change: Partial<Upstream>): void {
    this.#upstream = { ...this.#upstream, ...change }
    this.#ports.keep(this.#upstream)
  }

  /** The upstream couldn't prove itself by the authority that is believed, or it is time to ask whether that is still the one. [P 14.9] */
  async #follow(): Promise<void> {
    if (this.#following || this.#closed || this.#upstream.root === null) return
    this.#following = true
    try {
      const before = this.#upstream
      const { ca, root } = await this.#ports.follow(before)
      this.#followedAt = performance.now()
      if (this.#closed) return
      if (root !== before.root) this.#keep({ ca, root })
      if (ca !== before.ca) {
        this.#failures = 0
        // Whoever holds the authority of before may be its thief.
        this.#channel?.end()
        this.#tunnel.cut()
      }
    } catch (thrown) {
      this.#ports.onProblem(asHyphaError(thrown))
    } finally {
      this.#following = false
    }
  }

  async #invite(channel: UpstreamChannel): Promise<void> {
    // Each costs an entry of the audit log: an upstream that asks without end gets few.
    if (this.#inviting || performance.now() - this.#invitedAt < this.#timing.inviteEveryMs) return
    this.#inviting = true
    try {
      const url = await this.#ports.invite()
      this.#invitedAt = performance.now()
      if (url !== null) channel.send({ kind: 'invite', url })
    } catch (thrown) {
      this.#ports.onProblem(asHyphaError(thrown))
    } finally {
      this.#inviting = false
    }
  }

  #lost(error: HyphaError | null): void {
    if (this.#ping !== null) clearInterval(this.#ping)
    this.#ping = null
    this.#channel = null
    const was = this.#online
    this.#online = false
    this.#ports.forwarder.offline()
    if (was) this.#ports.changed(false)
    if (error !== null && error.message !== this.#problem?.message) this.#ports.onProblem(error)
    this.#problem = error ?? this.#problem
    if (this.#closed || this.#retry !== null) return
    this.#retry = setTimeout(() => this.#connect(), this.#backoff(error))
  }

  /** Exponential with equal jitter. Who was refused needn't hurry. */
  #backoff(error: HyphaError | null): number {
    const { firstBackoffMs, maxBackoffMs } = this.#timing
    const refused = error?.code.startsWith('site-') === true
    const longest = refused ? maxBackoffMs : Math.min(maxBackoffMs, firstBackoffMs * 2 ** Math.min(this.#failures, 20))
    this.#failures++
    return longest / 2 + (Math.random() * longest) / 2
  }

  send(batch: ForwardBatch): void {
    this.#channel?.send({ kind: 'batch', ...batch })
  }

  /** Tells the upstream that nothing is to run there any more, and ends; false where it can't be told now. */
  async leave(): Promise<boolean> {
    const told = this.#online && (await this.#sayLeave())
    this.close()
    return told
  }

  #sayLeave(): Promise<boolean> {
    return new Promise((resolve) => {
      const late = setTimeout(() => resolve(false), this.#timing.leaveMs)
      this.#left = () => {
        clearTimeout(late)
        resolve(true)
      }
      this.#channel!.send({ kind: 'leave' })
    })
  }

  close(): void {
    this.#closed = true
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#channel?.end()
    if (this.#ping !== null) clearInterval(this.#ping)
  }
}
