import { join } from 'node:path'
import { readUpstream, writeUpstream } from '../../gateway/uplink/upstream-file.ts'
import { CutProxy } from '../support/cut-proxy.ts'
import { eventually, type Fleet } from '../support/fleet.ts'
import { ask } from './support.ts'

// What the scenarios of a site and its upstream share: an uplink that a test can cut, and what each side says of it.

export interface SiteLine {
  name: string
  online: boolean
  agent: boolean
  revokedAt: number | null
}

interface UpstreamLine {
  online: boolean
  waiting: number
  problem: string | null
}

/** What the site says of its uplink; null where it has none. */
export const uplinkOf = async (site: Fleet): Promise<UpstreamLine | null> =>
  (await ask<{ upstream: UpstreamLine | null }>(site, '/v1/upstream')).upstream

/** Waits until the node that the upstream runs is there, or is away. */
export const cloudIsOnline = (site: Fleet, online: boolean): Promise<true> =>
  eventually(`the cloud node is ${online ? 'online' : 'offline'}`, async () => {
    const nodes = await ask<{ id: string; online: boolean }[]>(site, '/v1/nodes')
    return nodes.find(({ id }) => id === 'cloud')?.online === online || undefined
  })

/** Has a gateway that has joined its upstream open its uplink through a line that can be cut. */
export async function throughProxy(site: Fleet, upstream: Fleet, edge = false): Promise<CutProxy> {
  const proxy = await CutProxy.to(upstream.mqttPort)
  const file = join(site.folder, 'hypha/gateway/upstream')
  await site.gateway!.end()
  writeUpstream(file, { ...readUpstream(file)!, port: proxy.port })
  await site.startGateway(edge)
  return proxy
}
