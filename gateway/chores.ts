import { systemClock } from '@hypha/core/platform/clock.ts'
import type { Log } from '@hypha/core/platform/log.ts'
import type { RootMetadata } from '@hypha/core/trust/root.ts'
import { formatHead } from './audit-chain.ts'
import type { GatewayKey } from './keys/gateway-key.ts'
import { defaultRetention } from './store/retention.ts'
import type { Store } from './store/store.ts'

const retainEveryMs = 3_600_000
const rollupEveryMs = 5_000
const keyEveryMs = 2_000

export interface ChorePorts {
  readonly store: Pick<Store, 'audit' | 'retain' | 'rollups' | 'sites'>
  readonly gatewayKey: GatewayKey
  readonly log: Log
  readonly root: () => RootMetadata
  /** The gateway has the key that it lacked. */
  readonly keyBrought: () => void
  readonly onFailure: (error: unknown) => void
}

/** What a gateway does from time to time, whatever its nodes do. The result ends it. */
export function startChores({ store, gatewayKey, root, log, keyBrought, onFailure }: ChorePorts): () => void {
  const every = (ms: number, run: () => unknown) => {
    const guarded = async () => run()
    return setInterval(() => void guarded().catch(onFailure), ms)
  }
  // The gateway's own log is usually kept by somebody else (journald): there, a head proves the audit log up to it.
  const tellAuditHead = () => log.info('audit log', { head: formatHead(store.audit.head()) })
  tellAuditHead()
  const timers = [
    every(retainEveryMs, tellAuditHead),
    every(retainEveryMs, () => store.retain(systemClock.now(), defaultRetention)),
    every(retainEveryMs, () => store.sites.retain(systemClock.now(), defaultRetention)),
    every(rollupEveryMs, () => store.rollups.step(systemClock.now())),
    every(rollupEveryMs, () => store.sites.rollUp(systemClock.now())),
    // A key that root names may be brought later than the root metadata that names it.
    every(keyEveryMs, async () => {
      if (gatewayKey.problem !== null && (await gatewayKey.follow(root())) === null) keyBrought()
    }),
  ]
  return () => {
    for (const timer of timers) clearInterval(timer)
  }
}
