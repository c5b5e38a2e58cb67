import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import type { Federation } from '../admin/api/federation.ts'
import type { SiteView } from '../admin/api/schemas/sites.ts'
import { ReportLimiter } from '../broker/denials.ts'
import type { SiteRecord } from '../store/sites.ts'
import { audit, gateway, type UplinksDeps } from './deps.ts'
import { SiteAgents } from './site-agents.ts'
import { SiteHub } from './site-hub.ts'
import { handleSiteJoin, inviteSite } from './site-join.ts'

const defaultMemoryBytes = 256 * 1_048_576
const defaultHours = 24

/** The upstream's end: who may join, what runs for each, and what an operator does with sites. */
export function sitesEnd(deps: UplinksDeps) {
  const { fleet, store, authority, log, now } = deps
  // Whoever has a certificate can come again and again: of many complaints about one a few are told.
  const reports = new ReportLimiter(now)
  const onProblem = ({ message, code, where }: HyphaError) => {
    const more = reports.admit(where ?? '')
    if (more !== null) log.warn(message, { code, where, ...(more > 0 ? { more } : {}) })
  }
  const certify = async (site: string, publicKey: Uint8Array) => authority.issueSite({ site, publicKey })
  const agents: SiteAgents = new SiteAgents({
    folder: deps.folder,
    json: deps.json,
    log,
    openStream: (site, target) => hub.openStream(site, target),
    wanted: (site) => hub.askInvite(site),
    onProblem,
  })
  const hub: SiteHub = new SiteHub({
    fleet,
    sites: store.sites,
    now,
    authority,
    certify,
    wantsInvite: (site) => agents.wantsInvite(site),
    invited: (site, url) => void agents.join(site, url),
    left: (site) => {
      audit(deps, gateway, 'site.left', site)
      agents.remove(site).catch(onProblem)
    },
    changed: (site, online) => log.info(`the site ${site} is ${online ? 'connected' : 'cut off'}`),
    onProblem,
  })
  const open = ({ name, memoryBytes }: SiteRecord) => agents.open(name, memoryBytes)
  const known = (site: string): SiteRecord => {
    const record = store.sites.get(site)
    if (record === null)
      throw new HyphaError('not-found', `There is no site ${site}`, { where: site, mend: 'List them: hypha sites.' })
    return record
  }
  const view = (record: SiteRecord): SiteView => {
    const { incarnation: _, publicKey: __, cursor, ...rest } = record
    const { name } = record
    return { ...rest, rows: cursor, online: hub.online(name), agent: agents.runs(name), streams: hub.streams(name) }
  }
  const services: Federation['sites'] = {
    list: () => store.sites.list().map(view),
    show: (site) => view(known(site)),
    invite(
      {
        site,
        memoryBytes = store.sites.get(site)?.memoryBytes ?? defaultMemoryBytes,
        hours = defaultHours,
        replace = false,
      },
      by,
    ) {
      const before = store.sites.get(site)
      if (replace) known(site)
      else if (before?.joinedAt) {
        throw new HyphaError('name-taken', `There is a site ${site} already`, {
          where: site,
          mend: `For whoever is to go on with its history: hypha site invite ${site} --replace. To begin without it, remove it first: hypha site rm ${site}.`,
        })
      }
      const { host, httpPort } = deps.address()
      const where = { host, port: httpPort, fleet, node: site, ca: authority.fingerprint, root: deps.rootDigest }
      const { url, expiresAt } = inviteSite(store.sites, { ...where, hours, memoryBytes, now: now() })
      audit(deps, by, 'site.invite', site, { memoryBytes, expiresAt, ...(replace ? { replace } : {}) })
      return { url, site, memoryBytes, expiresAt }
    },
    async revoke(site, by) {
      known(site)
      store.transaction(() => {
        store.sites.revoke(site, now())
        audit(deps, by, 'site.revoke', site)
      })
      hub.end(site, 'site-revoked', `${site} was revoked`)
      await agents.remove(site)
      return view(known(site))
    },
    async remove(site, by) {
      known(site)
      hub.end(site, 'site-refused', `${site} was removed`)
      await agents.remove(site)
      await store.sites.remove(site)
      audit(deps, by, 'site.remove', site)
    },
  }
  return {
    hub,
    agents,
    services,
    join: (body: Uint8Array) =>
      handleSiteJoin(body, {
        fleet,
        sites: store.sites,
        crypto: nodeCrypto,
        now,
        certify,
        uplink: () => ({ host: deps.address().host, port: deps.address().mqttPort }),
        joined: (site, invite) => {
          audit(deps, gateway, 'site.join', site, { invite })
          // Whoever had the name with another key is it no more.
          hub.end(site, 'site-refused', `${site} has joined anew`)
          open(known(site))
        },
      }),
    start() {
      for (const record of store.sites.list()) {
        if (record.publicKey !== null && record.revokedAt === null) open(record)
      }
    },
  }
}
