import { randomBytes } from 'node:crypto'
import { HyphaError } from '@hypha/core/errors.ts'
import { checkFilter, fleetTopics } from '@hypha/core/wire/topics.ts'
import type { ClientView, Role } from '../admin/api/schemas/access.ts'
import type { InviteView } from '../admin/api/schemas/nodes.ts'
import type { Caller, Services } from '../admin/api/services.ts'
import { createInvite, inviteId, tokenDigest } from '../enrol/invites.ts'
import type { ClientRecord } from '../store/access.ts'
import type { NodeRecord } from '../store/nodes.ts'
import type { Invite } from '../store/ports/invites.ts'
import type { Audit } from './audit.ts'
import type { GatewayDeps } from './deps.ts'
import { notFound } from './not-found.ts'

const dayMs = 86_400_000

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
    const now = clock.now()
    const found = store.tokens.find(tokenDigest(token), now)
    if (found === null) return null
    const { name, role, apps, lastUsedAt } = found
    // To the minute: a request must not cost a write to the disk.
    if (lastUsedAt === null || Math.abs(now - lastUsedAt) >= 60_000) store.tokens.used(name, now)
    return { name, role, apps }
  }

const inviteView = ({
  tokenDigest: digest,
  node,
  tier,
  labels,
  replaces,
  createdAt,
  expiresAt,
  used,
}: Invite): InviteView => ({
  id: inviteId(digest),
  node,
  tier,
  labels: [...labels],
  createdAt,
  expiresAt,
  usedAt: used?.at ?? null,
  replaces,
})

function inviteServices(deps: GatewayDeps, audit: Audit): Services['invites'] {
  const { store, clock, authority, rootDigest } = deps
  return {
    list: async () => store.invites.listInvites().map(inviteView),
    create: async ({ node, tier, labels, hours, replace = false }, by) => {
      const known = store.nodes.get(node)
      checkName(node, known, replace)
      // The broker knows both by one name: the client would end the node's connections.
      if (store.clients.get(node) !== null) {
        throw new HyphaError('name-taken', `There is an MQTT client ${node} already`, { where: node })
      }
      const { host, httpPort } = deps.address()
      const made = createInvite(
        {
          fleet: store.fleet,
          node,
          tier: tier ?? known?.tier ?? 'device',
          replaces: replace,
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
      audit(by, 'invite.create', node, {
        id: invite.id,
        tier: invite.tier,
        labels: invite.labels,
        expiresAt: invite.expiresAt,
        ...(replace ? { replace } : {}),
      })
      return { url: made.url, invite }
    },
    revoke: async (id, by) => {
      const found = store.invites.listInvites().find((invite) => invite.tokenDigest.startsWith(id))
      if (found === undefined || !store.invites.withdrawInvite(found.tokenDigest)) throw notFound('invitation', id)
      audit(by, 'invite.revoke', found.node, { id })
    },
  }
}

/** A name that a node has is given to another device only where that is said. Throws `name-taken`, `not-found`. */
function checkName(node: string, known: NodeRecord | null, replace: boolean): void {
  if (replace) {
    if (known === null) throw notFound('node', node)
  } else if (known !== null && known.removedAt === null) {
    const mend = `To give its name and history to another device, or to new keys of this one: hypha invite ${node} --replace. To begin without its history, remove it first: hypha node rm ${node}.`
    throw new HyphaError('name-taken', `There is a node ${node} already`, { where: node, mend })
  }
}

const reservedNames = ['local', 'gateway', 'unknown']

function tokenServices({ store, clock }: GatewayDeps, audit: Audit): Services['tokens'] {
  const { fleet } = store
  return {
    list: async () =>
      store.tokens.list().map(({ digest: _, ...token }) => ({ ...token, apps: [...token.apps], fleet })),
    create: async ({ name, role, apps = [], days }, by) => {
      checkApps(role, apps)
      const token = `hypha_${randomBytes(32).toString('base64url')}`
      const createdAt = clock.now()
      const expiresAt = days === undefined ? null : createdAt + days * dayMs
      const view = { name, fleet, role, apps, createdAt, expiresAt, lastUsedAt: null }
      // Who has no token stands under such names in the audit log.
      const free = !reservedNames.includes(name) && store.tokens.add({ ...view, digest: tokenDigest(token) })
      if (!free) throw new HyphaError('name-taken', `There is a token ${name} already`, { where: name })
      audit(by, 'token.create', name, { role, ...(apps.length === 0 ? {} : { apps }), expiresAt })
      return { token, view }
    },
    revoke: async (name, by) => {
      if (!store.tokens.remove(name)) throw notFound('token', name)
      audit(by, 'token.revoke', name)
    },
  }
}

/** A publisher's token is for apps that it names, and only a publisher's is. */
function checkApps(role: Role, apps: readonly string[]): void {
  if (role === 'publisher' && apps.length === 0) {
    throw new HyphaError('request-invalid', 'A token of a publisher names the apps that it is for', {
      where: 'body.apps',
      mend: "Name at least one: --app greenhouse, or --app 'lab-*'; --app '*' stands for all but hypha-agent.",
    })
  }
  if (role !== 'publisher' && apps.length > 0) {
    throw new HyphaError(
      'request-invalid',
      `Only a publisher's token is for single apps, not one of the role ${role}`,
      {
        where: 'body.apps',
        mend: 'Leave out --app, or make it --role publisher.',
      },
    )
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
      const invited = () => store.invites.listInvites().some(({ node, used }) => node === name && used === null)
      const taken = () => store.clients.get(name) !== null || store.nodes.get(name) !== null || invited()
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
