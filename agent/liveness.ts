import { platform, uptime } from 'node:os'
import type { HolderClocks } from '@hypha/core/lease.ts'
import type { Section } from '@hypha/core/trust/directive.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import type { NodeFile } from './host/node-file.ts'
import type { WantedLease } from './leases.ts'
import { defaultTiming, type LinkTiming } from './link/link.ts'

type Liveness = NodeFile['liveness']

const fastKeepaliveSeconds = 1
const fastLeaseMs = 3_000

/** A broker cuts off who is silent for one and a half times this long [MQTT-3.1.2-24]. */
export const linkTiming = (liveness: Liveness): Partial<LinkTiming> =>
  liveness === 'fast' ? { keepaliveSeconds: fastKeepaliveSeconds } : {}

/** How long this node's leases are for: by then its gateway has noticed that it is gone, too. */
export const leaseMs = (liveness: Liveness): number =>
  liveness === 'fast' ? fastLeaseMs : defaultTiming.keepaliveSeconds * 1_500

/** Node's own monotonic clock stands still while Linux sleeps; this one doesn't (/proc/uptime). macOS says it in whole seconds. */
export const machineUptime: Pick<HolderClocks, 'uptime' | 'uptimeStepMs'> = {
  uptime: () => uptime() * 1_000,
  uptimeStepMs: platform() === 'linux' ? 10 : 1_000,
}

/** What a directive wants here under a lease, each with the highest epoch that it is in. */
export function wantedLeases(sections: readonly Section[]): readonly WantedLease[] {
  const wanted = new Map<string, WantedLease>()
  for (const { app, epoch, leased } of sections) {
    for (const { module, home } of leased ?? []) {
      const key = { app, module, home }
      const name = instanceName(key)
      if ((wanted.get(name)?.epoch ?? 0) < epoch) wanted.set(name, { key, epoch })
    }
  }
  return [...wanted.values()]
}
