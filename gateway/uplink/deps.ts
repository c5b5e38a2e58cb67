import type { Log } from '@hypha/core/platform/log.ts'
import type { Caller, Services } from '../admin/api/services.ts'
import type { Authority } from '../enrol/ca.ts'
import type { Store } from '../store/store.ts'

export interface UplinksDeps {
  readonly fleet: string
  readonly store: Store
  readonly authority: Pick<Authority, 'certificate' | 'fingerprint' | 'issueSite'>
  /** SHA-256 of the envelope of the first root metadata, lower-case hex. */
  readonly rootDigest: string
  /** Where this gateway is reached, and where its listeners are. */
  readonly address: () => { readonly host: string; readonly httpPort: number; readonly mqttPort: number }
  /** The file of this gateway's upstream, and the folder of the agents of its sites. */
  readonly file: string
  readonly folder: string
  readonly services: Pick<Services, 'invites' | 'nodes'>
  readonly json: boolean
  readonly log: Log
  /** ms since 1970. */
  now(): number
}

/** Who acts where nobody has asked. */
export const gateway: Caller = { name: 'gateway', role: 'admin' }

export function audit(
  { store, now }: UplinksDeps,
  by: Caller,
  action: string,
  subject: string,
  details: unknown = null,
): void {
  store.audit.add({ at: now(), actor: by.name, action, subject, details })
}
