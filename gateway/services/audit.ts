import type { Caller } from '../admin/api/services.ts'
import type { GatewayDeps } from './deps.ts'

/** Writes down who did what, after it was done. Secrets and tokens never stand in `details`. */
export type Audit = (by: Caller, action: string, subject: string, details?: unknown) => void

export const auditOf =
  ({ store, clock }: Pick<GatewayDeps, 'store' | 'clock'>): Audit =>
  (by, action, subject, details = null) =>
    store.audit.add({ at: clock.now(), actor: by.name, action, subject, details })
