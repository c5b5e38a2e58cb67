import type { TLSSocket } from 'node:tls'
import type { Federation } from '../admin/api/federation.ts'
import type { UplinksDeps } from './deps.ts'
import { sitesEnd } from './sites-end.ts'
import { upstreamEnd } from './upstream-end.ts'

export interface Uplinks {
  readonly federation: Federation
  /** `POST /v1/join-site` */
  readonly joinSite: (body: Uint8Array) => Promise<Uint8Array>
  /** A verified connection that asked for the uplink's protocol. */
  accept(socket: TLSSocket): void
  /** A node of this fleet has joined. */
  nodeJoined(node: string): void
  /** Once this gateway's own listeners listen. */
  start(): void
  stop(): Promise<void>
}

/** Both ends: this gateway's own upstream, and the sites whose upstream it is. */
export function createUplinks(deps: UplinksDeps): Uplinks {
  const sites = sitesEnd(deps)
  const upstream = upstreamEnd(deps)
  return {
    federation: { upstream: upstream.services, sites: sites.services },
    joinSite: sites.join,
    accept: (socket) => sites.hub.accept(socket),
    nodeJoined: upstream.nodeJoined,
    start() {
      sites.start()
      upstream.start()
    },
    async stop() {
      upstream.stop()
      sites.hub.close()
      await sites.agents.close()
    },
  }
}
