import { X509Certificate } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { type ErrorCode, HyphaError } from '@hypha/core/errors.ts'
import {
  type SiteWord,
  siteWord,
  type TunnelTarget,
  type UpstreamWord,
  upstreamWord,
} from '@hypha/core/wire/messages/uplink.ts'
import { Buckets } from '../broker/bucket.ts'
import type { SiteStore } from '../store/sites.ts'
import { Channel } from './channel.ts'
import { defaultLimits, type HubLimits, type HubPorts } from './hub-ports.ts'
import { identifySite, type SiteIdentity } from './site-identity.ts'
import { SiteStreams } from './site-streams.ts'

/** Of a certificate's life that is left when another is given. */
const renewBeforeMs = 120 * 86_400_000

type SiteChannel = Channel<SiteWord, UpstreamWord>

interface Control {
  readonly channel: SiteChannel
  readonly incarnation: Uint8Array
  /** Of the authority by which the site has believed this gateway (PEM). */
  readonly authority: string
}

/**
 * The upstream's end of all uplinks. A site proves itself by its certificate; what it may do is what its words can say: bring its own telemetry, invite the agent that runs for it,
 * and open the streams that it was asked for. [P 14.3]
 */
export class SiteHub {
  readonly #ports: HubPorts
  readonly #limits: HubLimits
  readonly #controls = new Map<string, Control>()
  readonly #streams: SiteStreams
  readonly #silent = new Map<string, number>()
  readonly #connects: Buckets
  #closed = false

  constructor(ports: HubPorts) {
    this.#ports = ports
    this.#limits = { ...defaultLimits, ...ports.limits }
    this.#connects = new Buckets(this.#limits.connectRate)
    this.#streams = new SiteStreams(this.#limits, (site, stream, target) =>
      this.#controls.get(site)?.channel.send({ kind: 'open', stream, target }),
    )
  }

  online(site: string): boolean {
    return this.#controls.has(site)
  }

  streams(site: string): number {
    return this.#streams.count(site)
  }

  /** A verified TLS connection that asked for the uplink's protocol. */
  accept(socket: TLSSocket): void {
    // It may break before anyone else listens.
    socket.on('error', () => socket.destroy())
    const identity = identifySite(socket, this.#ports.fleet)
    if (identity === null || this.#closed) {
      this.#ports.onProblem(new HyphaError('site-refused', 'Who opened an uplink has no certificate of a site'))
      socket.destroy()
      return
    }
    const { site } = identity
    const silent = this.#silent.get(site) ?? 0
    if (silent >= this.#limits.maxSilent || !this.#connects.of(site, performance.now()).take(1, performance.now())) {
      socket.destroy()
      return
    }
    this.#silent.set(site, silent + 1)
    this.#await(socket, identity)
  }

  /** A connection's first word says what it is for. */
  #await(socket: TLSSocket, identity: SiteIdentity): void {
    const { site } = identity
    let spoken = false
    let control: Control | null = null
    const hush = () => {
      if (spoken) return
      spoken = true
      clearTimeout(late)
      const silent = this.#silent.get(site)! - 1
      if (silent > 0) this.#silent.set(site, silent)
      else this.#silent.delete(site)
    }
    const channel: SiteChannel = new Channel(
      socket,
      { in: siteWord, out: upstreamWord },
      {
        onWord: (word) => {
          if (spoken) {
            if (control !== null) this.#heard(site, control, word)
            return
          }
          hush()
          const refused = this.#refusal(identity)
          if (refused !== null) return this.#refuse(channel, refused)
          if (word.kind === 'hello') control = this.#open(identity, channel, word)
          else if (word.kind === 'stream') this.#stream(site, channel, word.stream)
          else this.#refuse(channel, new HyphaError('message-malformed', `An uplink begins with ${word.kind}`))
        },
        onEnd: (error) => {
          hush()
          if (error !== null && error.code !== 'uplink-offline') this.#ports.onProblem(error)
          if (control !== null && this.#controls.get(site) === control) this.#lost(site)
        },
      },
    )
    const late = setTimeout(() => channel.end(), this.#limits.firstWordMs)
  }

  #refusal({ site, publicKey }: SiteIdentity): HyphaError | null {
    const record = this.#ports.sites.get(site)
    if (record?.revokedAt) return new HyphaError('site-revoked', `${site} was revoked`, { where: site })
    // Any certificate for the key that joined last is good, so that a new one can be given without its arrival having to be known.
    const known = record?.publicKey && bytesEqual(record.publicKey, publicKey)
    return known
      ? null
      : new HyphaError('site-refused', `${site} is not the site that joined last by this name`, { where: site })
  }

  #refuse(channel: SiteChannel, error: HyphaError): void {
    channel.send({ kind: 'ended', code: error.code, message: error.message })
    channel.end()
    this.#ports.onProblem(error)
  }

  #open(
    identity: SiteIdentity,
    channel: SiteChannel,
    { incarnation, begin }: { incarnation: Uint8Array; begin: number },
  ): Control {
    const { site } = identity
    const { sites, now } = this.#ports
    const control = { channel, incarnation, authority: this.#ports.authority.certificate }
    const before = this.#controls.get(site)
    // Whoever has the key and comes later is the site: the one before may be a connection that nobody knows to be cut.
    this.#controls.set(site, control)
    before?.channel.end()
    const upTo = sites.hello(site, incarnation, begin, now())!
    void this.#welcome(identity, control, upTo)
    return control
  }

  async #welcome(identity: SiteIdentity, control: Control, upTo: number): Promise<void> {
    const { site, publicKey } = identity
    let certificate: string | null = null
    if (this.#isOutdated(identity)) {
      const issued = await this.#ports.certify(site, publicKey)
      certificate = issued.certificate
      this.#ports.sites.certified(site, issued.expiresAt)
    }
    if (this.#controls.get(site) !== control) return
    control.channel.send({ kind: 'welcome', site, upTo, wants: this.#ports.wantsInvite(site), certificate })
    this.#streams.online(site)
    this.#ports.changed(site, true)
  }

  /** Little is left of the certificate, or an authority of before has issued it. */
  #isOutdated({ certificate, expiresAt }: SiteIdentity): boolean {
    const { authority, now } = this.#ports
    return (
      expiresAt - now() < renewBeforeMs || !certificate.verify(new X509Certificate(authority.certificate).publicKey)
    )
  }

  #heard(site: string, control: Control, word: SiteWord): void {
    const { channel, incarnation, authority } = control
    switch (word.kind) {
      case 'ping':
        // It believes this gateway by what vouches for it no more: as it connects anew it finds out by what does. [P 14.9]
        if (authority === this.#ports.authority.certificate) channel.send({ kind: 'pong' })
        else channel.end()
        return
      case 'batch': {
        const taken = this.#controls.get(site) === control ? this.#take(site, incarnation, word) : null
        if (taken === null) channel.end()
        else channel.send({ kind: 'ack', upTo: taken })
        return
      }
      case 'invite':
        if (this.#ports.wantsInvite(site)) this.#ports.invited(site, word.url)
        return
      case 'leave':
        this.#ports.sites.left(site, this.#ports.now())
        this.end(site, 'site-left', `${site} has left`)
        this.#ports.left(site)
        return
      default:
        this.#refuse(
          channel,
          new HyphaError('message-malformed', `${word.kind} in the middle of an uplink`, { where: site }),
        )
    }
  }

  /** How far the site's rows are stored now; null where the batch can't be taken. */
  #take(site: string, incarnation: Uint8Array, batch: Parameters<SiteStore['take']>[2]): number | null {
    try {
      const taken = this.#ports.sites.take(site, incarnation, batch, this.#ports.now())
      if (taken === null) return null
      if (taken.refused > 0) {
        this.#ports.onProblem(
          new HyphaError(
            'report-refused',
            `${site} has as many series as one site may have: ${taken.refused} samples are not kept`,
            { where: site },
          ),
        )
      }
      return taken.upTo
    } catch (cause) {
      // Nothing is acknowledged, and the site sends it again.
      this.#ports.onProblem(
        new HyphaError('store-unusable', `What ${site} forwards can't be stored: ${(cause as Error).message}`, {
          where: site,
          cause,
        }),
      )
      return null
    }
  }

  #stream(site: string, channel: SiteChannel, stream: Uint8Array): void {
    if (this.#streams.awaits(site, stream)) {
      this.#streams.opened(stream, channel.release())
      return
    }
    // Another site's, one that nobody waits for any more, or a guess.
    const text = `${site} opened a stream that it was not asked for`
    this.#refuse(channel, new HyphaError('site-refused', text, { where: site }))
  }

  /** A stream to one of the site's own listeners. Throws `uplink-offline`. */
  openStream(site: string, target: TunnelTarget): Promise<Duplex> {
    return this.#streams.open(site, target)
  }

  /** Asks a connected site to invite the agent anew. */
  askInvite(site: string): void {
    this.#controls.get(site)?.channel.send({ kind: 'invite' })
  }

  /** Ends all that a site has open. */
  end(site: string, code: ErrorCode, message: string): void {
    const control = this.#controls.get(site)
    control?.channel.send({ kind: 'ended', code, message })
    control?.channel.end()
    this.#streams.end(site)
    this.#lost(site)
  }

  #lost(site: string): void {
    const was = this.#controls.delete(site)
    this.#streams.cut(site)
    if (was) this.#ports.changed(site, false)
  }

  close(): void {
    this.#closed = true
    for (const site of [...this.#controls.keys()]) {
      this.#controls.get(site)!.channel.end()
      this.#lost(site)
    }
    this.#streams.close()
  }
}
