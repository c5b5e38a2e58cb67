import { randomBytes } from 'node:crypto'
import { HyphaError } from '@hypha/core/errors.ts'
import { checkFilter, fleetTopics } from '@hypha/core/wire/topics.ts'
import type { ClientView } from '../admin/api/schemas/access.ts'
import type { InviteView } from '../admin/api/schemas/nodes.ts'
import type { Caller, Services } from '../admin/api/services.ts'
import { createInvite, tokenDigest } from '../enrol/invites.ts'
import type { ClientRecord } from '../store/access.ts'
import type { Invite } from '../store/ports/invites.ts'
import type { Audit } from './audit.ts'
import type { GatewayDeps } from './deps.ts'
import { notFound } from './not-found.ts'

const dayMs = 86_400_000
const inviteIdLength = 12

/** Who may come in: nodes by invitation, people by token, foreign MQTT clients by certificate. */
export function accessServices(deps: GatewayDeps, audit: Audit): Pick<Services, 'invites' | 'tokens' | 'clients'> {
  return {
    invites: inviteServices(deps, audit),
    tokens: tokenServices(deps, audit),
    clients: clientServices(deps, audit),
  }
}

/** Who has a token of the API; null for nobody. */
export const callerByToken =
  ({ store, clock }: Pick<GatewayDeps, 'store' | 'clock'>) =>
  (token: string): Caller | null => {
    const found = store.tokens.find(tokenDigest(token), clock.now())
    return found && { name: found.name, role: found.role }
  }

const inviteView = ({ tokenDigest: digest, node, tier, labels, createdAt, expiresAt, used }: Invite): InviteView => ({
  id: digest.slice(0, inviteIdLength),
  node,
  tier,
  labels: [...labels],
  createdAt,
  expiresAt,
  usedAt: used?.at ?? null,
})

function inviteServices(deps: GatewayDeps, audit: Audit): Services['invites'] {
  const { store, clock, authority, rootDigest } = deps
  return {
    list: async () => store.invites.listInvites().map(inviteView),
    create: async ({ node, tier, labels, hours }, by) => {
      const known = store.nodes.get(node)
      if (known !== null && known.removedAt === null) {
        const mend = `Remove it first (hypha node rm ${node}), or choose another name.`
        throw new HyphaError('name-taken', `There is a node ${node} already`, { where: node, mend })
      }
      const { host, httpPort } = deps.address()
      const made = createInvite(
        {
          fleet: store.fleet,
          node,
          tier,
          ...(labels === undefined ? {} : { labels }),
          ...(hours === undefined ? {} : { hours }),
          host,
          port: httpPort,
          ca: authority.fingerprint,
          root: rootDigest,
        },
        store.invites,
        () => clock.now(),
      )
      const invite = inviteView(made.invite)
      audit(by, 'invite.create', node, { id: invite.id, tier, labels: invite.labels, expiresAt: invite.expiresAt })
      return { url: made.url, invite }
    },
    revoke: async (id, by) => {
      const found = store.invites.listInvites().find((invite) => invite.tokenDigest.startsWith(id))
      if (found === undefined || !store.invites.withdrawInvite(found.tokenDigest)) throw notFound('invitation', id)
      audit(by, 'invite.revoke', found.node, { id })
    },
  }
}

function tokenServices({ store, clock }: GatewayDeps, audit: Audit): Services['tokens'] {
  return {
    list: async () => store.tokens.list().map(({ digest: _, ...view }) => view),
    create: async ({ name, role, days }, by) => {
      const token = `hypha_${randomBytes(32).toString('base64url')}`
      const createdAt = clock.now()
      const view = { name, role, createdAt, expiresAt: days === undefined ? null : createdAt + days * dayMs }
      // Callers of the socket stand under this name in the audit log.
      const free = name !== 'local' && store.tokens.add({ ...view, digest: tokenDigest(token) })
      if (!free) throw new HyphaError('name-taken', `There is a token ${name} already`, { where: name })
      audit(by, 'token.create', name, { role, expiresAt: view.expiresAt })
      return { token, view }
    },
    revoke: async (name, by) => {
      if (!store.tokens.remove(name)) throw notFound('token', name)
      audit(by, 'token.revoke', name)
    },
  }
}

const clientView = ({ name, fingerprint, grants, createdAt, expiresAt }: ClientRecord): ClientView => ({
  name,
  fingerprint,
  publish: [...grants.write],
  subscribe: [...grants.read],
  createdAt,
  expiresAt,
})

function clientServices(deps: GatewayDeps, audit: Audit): Services['clients'] {
  const { store, clock, authority, outlet } = deps
  return {
    list: async () => store.clients.list().map(clientView),
    create: async ({ name, publish = [], subscribe = [], days }, by) => {
      const grants = {
        write: publish.map((filter) => worldFilter(store.fleet, filter, 'm')),
        read: subscribe.map((filter) => worldFilter(store.fleet, filter, 'm or v')),
      }
      const taken = () => store.clients.get(name) !== null || store.nodes.get(name) !== null
      const refuse = () => new HyphaError('name-taken', `There is a client or a node ${name} already`, { where: name })
      if (taken()) throw refuse()
      const issued = await authority.issueClient({ name, ...(days === undefined ? {} : { days }) })
      if (taken()) throw refuse()
      const { fingerprint, expiresAt } = issued
      const record = { name, fingerprint, grants, createdAt: clock.now(), expiresAt }
      store.clients.put(record)
      audit(by, 'client.create', name, { publish: grants.write, subscribe: grants.read, expiresAt })
      const { host, mqttPort } = deps.address()
      const { certificate, key } = issued
      return { view: clientView(record), certificate, key, ca: authority.certificate, broker: { host, port: mqttPort } }
    },
    remove: async (name, by) => {
      if (!store.clients.remove(name)) throw notFound('client', name)
      outlet.clientRemoved(name)
      audit(by, 'client.remove', name)
    },
  }
}

/** A filter written out from `hypha/` on; a short one begins with `m/` or `v/`. Throws `topic-invalid`. */
function worldFilter(fleet: string, filter: string, parts: 'm' | 'm or v'): string {
  const root = `hypha/${fleet}/`
  const whole = filter.startsWith('hypha/') ? filter : `${root}${filter}`
  checkFilter(whole)
  const granted = parts === 'm' ? whole.startsWith(`${root}m/`) : fleetTopics(fleet).isWorld(whole)
  if (granted) return whole
  throw new HyphaError('topic-invalid', `"${filter}" is outside what clients may be granted: ${parts}, below ${root}`, {
    mend: `Write ${parts === 'm' ? 'm/APP/…' : 'm/APP/… or v/…'}, without wildcards before that.`,
  })
}
