import type { SiteInviteMade, SiteInviteRequest, SiteView, UpstreamRequest, UpstreamView } from './schemas/sites.ts'
import type { Caller } from './services.ts'

/** A gateway's upstream, and the sites whose upstream it is. */
export interface Federation {
  readonly upstream: {
    /** Null where there is none. */
    show(): UpstreamView | null
    join(request: UpstreamRequest, by: Caller): Promise<UpstreamView>
    /** Whether the upstream could be told. */
    leave(by: Caller): Promise<boolean>
  }
  readonly sites: {
    list(): SiteView[]
    show(site: string): SiteView
    invite(request: SiteInviteRequest, by: Caller): SiteInviteMade
    revoke(site: string, by: Caller): Promise<SiteView>
    /** With all that it has forwarded. */
    remove(site: string, by: Caller): Promise<void>
  }
}
