import { X509Certificate } from 'node:crypto'
import { ed25519Spki } from '@hypha/core/bytes/ed25519.ts'
import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Identity } from './home.ts'

/** What a renewal brings. */
export type Renewed = Pick<Identity, 'certificate' | 'ca' | 'brokerHost' | 'brokerPort'>

export interface RenewalPorts {
  readonly clock: Pick<Clock, 'after'>
  /** Milliseconds since 1970, not below what signed messages prove: a board may wake up in 1970. */
  now(): number
  /** Asks the gateway, by proof of the node's key. */
  ask(identity: Identity): Promise<Renewed>
  /** Whether root metadata doesn't let the gateway be believed by the CA that the node has. */
  outdated(identity: Identity): boolean
  /** Replaces the identity that is kept, durably. */
  keep(identity: Identity): Promise<void>
  /** Connects with it from now on; to nobody where the CA is null. */
  use(renewed: Omit<Renewed, 'ca'> & { readonly ca: string | null }): void
  note(text: string): void
  onProblem(error: HyphaError): void
}

const dayMs = 86_400_000
const retryMs = 600_000
/** A node whose certificate has ended is cut off until it has another: it asks sooner, then twice as late each time. */
const firstRetryMs = 10_000
/** Where somebody else answers in the gateway's place: about as often as the link tries. */
const cutOffRetry = (failures: number): number => Math.min(60_000, 2_000 * 2 ** failures)
/** Certificates begin in 1970, so their life is counted from when the node got them; where that isn't known, it is taken to be this. */
const usualLifeMs = 365 * dayMs

/** Whether less than a third of the life of the node's certificate is left. */
export function renewalDue({ certificate, certifiedMs }: Identity, nowMs: number): boolean {
  const endMs = Date.parse(new X509Certificate(certificate).validTo)
  const lifeMs = certifiedMs === null ? usualLifeMs : Math.max(0, endMs - certifiedMs)
  return endMs - nowMs < lifeMs / 3
}

/**
 * Keeps a node's certificate fresh: looks at the start and each day, and asks for a new one where less than a third of its life is left, or it has ended.
 * Where the broker refuses the node it asks too: the gateway lets in only the certificate that it issued last, and that may not have arrived.
 */
export class Renewal {
  #identity: Identity
  readonly #ports: RenewalPorts
  #cancel: () => void = () => undefined
  #running = false
  #failures = 0
  #stopped = false
  #askAgain = false
  /** Somebody else answered in the gateway's place at the last attempt. */
  #cutOff = false
  /** The link believes nobody by the identity's CA any more. */
  #distrusted = false
  /** Since the last attempt for which the broker gave reason it has refused no more. */
  #mayAsk = true

  constructor(identity: Identity, ports: RenewalPorts) {
    this.#identity = identity
    this.#ports = ports
  }

  start(): void {
    void this.#check(false)
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
  }

  /** Newer root metadata is in force: where it doesn't name the node's CA, there is another to be had. */
  rootChanged(): void {
    if (!this.#ports.outdated(this.#identity)) return
    // What is being asked for was judged by the root metadata before.
    this.#askAgain = this.#running
    void this.#check(true)
  }

  /**
   * The broker refused the node. Asks at most once until the next look, so that a node that was removed doesn't ask without end; but whenever it is the broker that was `unproven`
   * by the node's CA.
   */
  refused(unproven = false): void {
    if (!this.#mayAsk && !unproven) return
    this.#mayAsk = false
    void this.#check(true)
  }

  async #check(asked: boolean): Promise<void> {
    if (this.#running || this.#stopped) return
    this.#running = true
    this.#askAgain = false
    this.#cancel()
    let nextMs = dayMs
    try {
      if (
        asked ||
        this.#cutOff ||
        this.#ports.outdated(this.#identity) ||
        renewalDue(this.#identity, this.#ports.now())
      ) {
        await this.#renew()
      }
    } catch (thrown) {
      const error = asHyphaError(thrown)
      // Somebody else answers there, or the gateway hasn't its new authority yet: the node is cut off until that changes, and nothing else asks again.
      const outdated = this.#ports.outdated(this.#identity)
      this.#cutOff =
        error.code === 'join-ca-mismatch' || outdated || (this.#cutOff && error.code === 'join-unreachable')
      nextMs = this.#retryMs()
      this.#ports.onProblem(error)
      if (outdated) this.#distrust()
    }
    this.#running = false
    if (this.#stopped) return
    if (this.#askAgain) return this.#check(true)
    this.#cancel = this.#ports.clock.after(nextMs, () => {
      this.#mayAsk = true
      void this.#check(false)
    })
  }

  /** Who holds a CA that root metadata names no more may be its thief: the connection ends, and none is made until there is another. */
  #distrust(): void {
    if (this.#distrusted || this.#stopped) return
    this.#distrusted = true
    const { certificate, brokerHost, brokerPort } = this.#identity
    this.#ports.use({ certificate, ca: null, brokerHost, brokerPort })
  }

  #retryMs(): number {
    if (this.#cutOff) return cutOffRetry(this.#failures++)
    return this.#ended() ? Math.min(retryMs, firstRetryMs * 2 ** this.#failures++) : retryMs
  }

  #ended(): boolean {
    return Date.parse(new X509Certificate(this.#identity.certificate).validTo) <= this.#ports.now()
  }

  async #renew(): Promise<void> {
    const { certificate, ca, brokerHost, brokerPort } = await this.#ports.ask(this.#identity)
    checkCertificate({ ...this.#identity, ca }, certificate)
    const changed = ca !== this.#identity.ca
    this.#identity = { ...this.#identity, certificate, ca, brokerHost, brokerPort, certifiedMs: this.#ports.now() }
    this.#failures = 0
    this.#cutOff = false
    this.#distrusted = false
    // Kept before it is used: the gateway refuses the one before from now on.
    await this.#ports.keep(this.#identity)
    const { validTo } = new X509Certificate(certificate)
    this.#ports.note(`the certificate is renewed, and valid until ${new Date(validTo).toISOString().slice(0, 10)}`)
    if (changed) this.#ports.note('another certificate authority vouches for the gateway, by root metadata')
    if (!this.#stopped) this.#ports.use({ certificate, ca, brokerHost, brokerPort })
  }
}

/** A node must not exchange what works for what doesn't. Throws `join-ca-mismatch`. */
function checkCertificate({ ca, seed, node }: Identity, certificate: string): void {
  const issued = new X509Certificate(certificate)
  const key = new Uint8Array(issued.publicKey.export({ format: 'der', type: 'spki' }))
  const own = ed25519Spki(nodeCrypto.publicKey(seed))
  if (bytesEqual(key, own) && issued.verify(new X509Certificate(ca).publicKey)) return
  throw new HyphaError('join-ca-mismatch', `The certificate that came for ${node} is not of its key and its fleet's CA`)
}
