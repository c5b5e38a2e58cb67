import type { TLSSocket } from 'node:tls'
import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import type { Log } from '@hypha/core/platform/log.ts'
import type { Federation } from '../admin/api/federation.ts'
import type { SiteView, UpstreamView } from '../admin/api/schemas/sites.ts'
import type { Caller, Services } from '../admin/api/services.ts'
import type { Authority } from '../enrol/ca.ts'
import type { SiteRecord } from '../store/sites.ts'
import type { Store } from '../store/store.ts'
import { Forwarder } from './forwarder.ts'
import { joinUpstream } from './join-upstream.ts'
import { SiteAgents } from './site-agents.ts'
import { SiteHub } from './site-hub.ts'
import { handleSiteJoin, inviteSite } from './site-join.ts'
import { readUpstream, removeUpstream, type Upstream, writeUpstream } from './upstream-file.ts'
import { UpstreamLink } from './upstream-link.ts'

export interface UplinksDeps {
  readonly fleet: string
  readonly store: Store
  readonly authority: Pick<Authority, 'fingerprint' | 'issueSite'>
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

const defaultMemoryBytes = 256 * 1_048_576
const defaultHours = 24
const defaultNode = 'cloud'
const gateway: Caller = { name: 'gateway', role: 'admin' }
/** Of whom the node that the upstream runs has joined once: one that was removed since is not invited again. */
const joinedKey = 'uplink joined'

/** Both ends: this gateway's own upstream, and the sites whose upstream it is. */
export function createUplinks(deps: UplinksDeps): Uplinks {
  const sites = siteEnd(deps)
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

function audit(
  { store, now }: UplinksDeps,
  by: Caller,
  action: string,
  subject: string,
  details: unknown = null,
): void {
  store.audit.add({ at: now(), actor: by.name, action, subject, details })
}

function siteEnd(deps: UplinksDeps) {
  const { fleet, store, authority, log, now } = deps
  const onProblem = (error: HyphaError) => log.warn(error.message, { code: error.code, where: error.where })
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

function upstreamEnd(deps: UplinksDeps) {
  const { store, log, now, file } = deps
  let upstream: Upstream | null = null
  let running: { readonly link: UpstreamLink; readonly forwarder: Forwarder } | null = null
  const onProblem = (error: HyphaError) => log.warn(error.message, { code: error.code })
  const markOf = ({ fleet, site, node }: Upstream) => `${fleet}/${site}/${node}`

  async function invite(): Promise<string | null> {
    const { node } = upstream!
    const known = store.nodes.get(node)
    const there = known !== null && known.removedAt === null
    if (there && known.tier !== 'cloud') {
      throw new HyphaError(
        'name-taken',
        `${node} is a ${known.tier} here: the upstream can't run a node of that name`,
        {
          mend: 'Leave the upstream, and join it with another name for its node: hypha join-upstream URL --node NAME.',
        },
      )
    }
    // Its operator has removed it, and would find it there again.
    if (!there && store.meta.get(joinedKey) === markOf(upstream!)) return null
    const request = { node, tier: 'cloud' as const, hours: 1, ...(there ? { replace: true } : {}) }
    return (await deps.services.invites.create(request, gateway)).url
  }

  function run(joined: Upstream): void {
    upstream = joined
    const forwarder: Forwarder = new Forwarder({
      store,
      now,
      send: (batch) => link.send(batch),
      onProblem,
    })
    const { httpPort, mqttPort } = deps.address()
    const link: UpstreamLink = new UpstreamLink(joined, {
      forwarder,
      local: { api: httpPort, broker: mqttPort },
      invite,
      keep: (certificate) => {
        upstream = { ...upstream!, certificate }
        writeUpstream(file, upstream)
      },
      changed: (online) => log.info(`the uplink to ${joined.fleet} as ${joined.site} is ${online ? 'there' : 'cut'}`),
      onProblem,
    })
    running = { link, forwarder }
  }

  const show = (): UpstreamView | null => {
    if (upstream === null || running === null) return null
    const { fleet, site, host, port, node, joinedMs } = upstream
    const { link, forwarder } = running
    return {
      fleet,
      site,
      host,
      port,
      node,
      joinedAt: joinedMs,
      online: link.online,
      problem: link.problem?.message ?? null,
      waiting: forwarder.status.waiting,
      streams: link.streams,
    }
  }

  const services: Federation['upstream'] = {
    show,
    async join({ url, node = defaultNode }, by) {
      const refuse = () => {
        if (upstream === null) return
        throw new HyphaError('upstream-joined', `This gateway is the site ${upstream.site} of ${upstream.fleet}`)
      }
      refuse()
      const joined = await joinUpstream(url, node, nodeCrypto.random(32), now())
      refuse()
      writeUpstream(file, joined)
      audit(deps, by, 'upstream.join', joined.fleet, { site: joined.site, host: joined.host, node })
      run(joined)
      return show()!
    },
    async leave(by) {
      if (upstream === null || running === null) throw new HyphaError('upstream-none', 'This gateway has no upstream')
      const { node, fleet, site } = upstream
      const { link, forwarder } = running
      const told = await link.leave()
      forwarder.forget()
      removeUpstream(file)
      store.meta.put(joinedKey, '')
      running = null
      upstream = null
      if (store.nodes.get(node)?.tier === 'cloud') await deps.services.nodes.remove(node, { force: true }, gateway)
      audit(deps, by, 'upstream.leave', fleet, { site, told })
      return told
    },
  }

  return {
    services,
    nodeJoined(node: string) {
      if (upstream !== null && node === upstream.node) store.meta.put(joinedKey, markOf(upstream))
    },
    start() {
      const joined = readUpstream(file)
      if (joined !== null) run(joined)
      // What a crash left behind, in the middle of leaving.
      else store.outbox.close()
    },
    stop() {
      running?.link.close()
      running?.forwarder.close()
    },
  }
}
