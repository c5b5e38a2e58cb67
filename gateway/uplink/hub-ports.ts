import type { HyphaError } from '@hypha/core/errors.ts'
import type { Rate } from '../broker/bucket.ts'
import type { Authority } from '../enrol/ca.ts'
import type { SiteStore } from '../store/sites.ts'
import type { StreamLimits } from './site-streams.ts'

/** What the hub does for a site beside its telemetry. */
export interface HubPorts {
  readonly fleet: string
  readonly sites: Pick<SiteStore, 'get' | 'hello' | 'take' | 'left' | 'certified'>
  /** ms since 1970. */
  now(): number
  /** Who vouches for this gateway now. */
  readonly authority: Pick<Authority, 'certificate'>
  /** A certificate for the key of a site that has shown it. */
  certify(site: string, publicKey: Uint8Array): Promise<{ readonly certificate: string; readonly expiresAt: number }>
  /** Whether the agent that runs for the site has yet to join it. */
  wantsInvite(site: string): boolean
  /** The site has invited its agent. */
  invited(site: string, url: string): void
  /** The site has left: nothing runs for it any more. */
  left(site: string): void
  changed(site: string, online: boolean): void
  onProblem(error: HyphaError): void
  readonly limits?: Partial<HubLimits>
}

export interface HubLimits extends StreamLimits {
  readonly firstWordMs: number
  /** Connections of one site, streams included. */
  readonly connectRate: Rate
  /** Connections of one site that have said nothing yet. */
  readonly maxSilent: number
}

export const defaultLimits: HubLimits = {
  maxStreams: 32,
  openTimeoutMs: 15_000,
  firstWordMs: 10_000,
  maxSilent: 40,
  connectRate: { perSecond: 2, burst: 120 },
}
