import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { parseJoinUrl } from '@hypha/core/wire/join-url.ts'
import type { Federation } from '../admin/api/federation.ts'
import type { UpstreamView } from '../admin/api/schemas/sites.ts'
import { audit, gateway, type UplinksDeps } from './deps.ts'
import { Forwarder } from './forwarder.ts'
import { joinUpstream } from './join-upstream.ts'
import { readUpstream, removeUpstream, type Upstream, writeUpstream } from './upstream-file.ts'
import { UpstreamLink } from './upstream-link.ts'
import { followUpstream } from './upstream-trust.ts'

const defaultNode = 'cloud'
const followTimeoutMs = 15_000
/** Of whom the node that the upstream runs has joined once: one that was removed since is not invited again. */
const joinedKey = 'uplink joined'

/** The site's end: which upstream this gateway has joined, and what goes there. */
export function upstreamEnd(deps: UplinksDeps) {
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
      keep: (changed) => {
        if (changed.ca !== upstream?.ca)
          log.info(`another certificate authority vouches for ${joined.fleet}, by root metadata`)
        upstream = changed
        writeUpstream(file, changed)
      },
      follow: (from) => followUpstream(from, followTimeoutMs, onProblem),
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

  /** Throws `upstream-joined` unless it is the same site of the same fleet that joins anew. */
  function refuseAnother(fleet: string, site: string): void {
    if (upstream === null || (upstream.fleet === fleet && upstream.site === site)) return
    throw new HyphaError('upstream-joined', `This gateway is the site ${upstream.site} of ${upstream.fleet}`)
  }

  const services: Federation['upstream'] = {
    show,
    async join({ url, node }, by) {
      const { fleet, node: site } = parseJoinUrl(url)
      refuseAnother(fleet, site)
      const joined = await joinUpstream(url, upstream?.node ?? node ?? defaultNode, nodeCrypto.random(32), now())
      refuseAnother(fleet, site)
      // With new keys, or by another authority: what waits goes on to wait.
      running?.link.close()
      running?.forwarder.close()
      writeUpstream(file, joined)
      audit(deps, by, 'upstream.join', fleet, { site, host: joined.host, node: joined.node })
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
