import { join } from 'node:path'
import type { TunnelTarget } from '@hypha/core/wire/messages/uplink.ts'

/**
 * The Unix socket through which the gateway's listener is reached, where the agent was started with `HYPHA_THROUGH`: the upstream of a site runs an agent for it, and the site
 * can't be reached from there but through its uplink. Undefined for the ordinary way. Who answers has to prove itself by the gateway's name and CA in both cases.
 */
export function through(target: TunnelTarget): string | undefined {
  const folder = process.env.HYPHA_THROUGH
  return folder === undefined || folder === '' ? undefined : join(folder, `${target}.sock`)
}
