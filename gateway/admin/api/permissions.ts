import { HyphaError } from '@hypha/core/errors.ts'
import { isBuiltIn } from '@hypha/core/wire/ids.ts'
import type { Role } from './schemas/access.ts'
import type { Caller } from './services.ts'

/**
 * What a role may be given. `open` needs no token: those routes prove their callers otherwise, or tell nothing. `publish` brings code to the fleet, and is
 * held to the apps that a token names.
 */
export type Permission = 'open' | 'read' | 'plan' | 'publish' | 'rollback' | 'audit' | 'operate' | 'administer'

/**
 * Least privilege: who runs the fleet brings no code to it, and who brings code does not run the fleet. Removing an app takes its history and the floor of
 * its releases with it, so that only an admin does it.
 */
const byRole: Readonly<Record<Role, readonly Permission[]>> = {
  viewer: ['open', 'read', 'plan'],
  publisher: ['open', 'read', 'plan', 'publish', 'rollback'],
  operator: ['open', 'read', 'plan', 'rollback', 'audit', 'operate'],
  admin: ['open', 'read', 'plan', 'publish', 'rollback', 'audit', 'operate', 'administer'],
}

/** What a publisher may only do to the apps that its token names. */
const scoped: readonly Permission[] = ['plan', 'publish', 'rollback']

/** Every route, and what it takes to call it. A route that does not stand here can't be registered: who is not allowed is refused. */
const routes: Readonly<Record<string, Permission>> = {
  'GET /healthz': 'open',
  'GET /openapi.json': 'open',
  'POST /v1/join': 'open',
  'POST /v1/join-site': 'open',
  'POST /v1/renew': 'open',
  'GET /v1/root-chain': 'open',
  'GET /install/:script': 'open',
  'GET /install/file/:digest': 'open',

  'GET /v1/status': 'read',
  'GET /v1/root': 'read',
  'POST /v1/root': 'administer',
  'GET /v1/nodes': 'read',
  'GET /v1/nodes/:node': 'read',
  'PATCH /v1/nodes/:node': 'operate',
  'POST /v1/nodes/:node/revoke': 'operate',
  'POST /v1/nodes/:node/boards/:board/accept': 'operate',
  'DELETE /v1/nodes/:node': 'operate',
  'GET /v1/install': 'operate',
  'GET /v1/invites': 'operate',
  'POST /v1/invites': 'operate',
  'DELETE /v1/invites/:id': 'operate',

  'GET /v1/upstream': 'read',
  'POST /v1/upstream': 'administer',
  'DELETE /v1/upstream': 'administer',
  'GET /v1/sites': 'read',
  'GET /v1/sites/:site': 'read',
  'POST /v1/sites': 'administer',
  'POST /v1/sites/:site/revoke': 'operate',
  'DELETE /v1/sites/:site': 'administer',

  'GET /v1/apps': 'read',
  'GET /v1/apps/:app': 'read',
  'DELETE /v1/apps/:app': 'administer',
  'GET /v1/apps/:app/releases': 'read',
  'GET /v1/apps/:app/releases/:number': 'read',
  'DELETE /v1/apps/:app/releases/:number': 'operate',
  'GET /v1/apps/:app/releases/:number/envelope': 'read',
  'GET /v1/apps/:app/releases/:number/pushed': 'publish',
  'POST /v1/apps/:app/releases/:number/signatures': 'publish',
  'GET /v1/apps/:app/plan': 'read',
  'GET /v1/apps/:app/rollout': 'read',
  'GET /v1/apps/:app/rollouts': 'read',
  'POST /v1/apps/:app/rollouts/act': 'operate',
  'GET /v1/apps/:app/receipts': 'read',
  'GET /v1/apps/:app/why/:module': 'read',
  'GET /v1/apps/:app/why/:module/not/:node': 'read',
  'POST /v1/apps/:app/what-if': 'read',
  'POST /v1/apps/:app/come-home': 'operate',
  'POST /v1/plan': 'plan',
  'POST /v1/push': 'publish',
  'POST /v1/apps/:app/rollback': 'rollback',
  'GET /v1/apps/:app/config': 'read',
  'PUT /v1/apps/:app/config/:key': 'operate',
  'DELETE /v1/apps/:app/config/:key': 'operate',

  'GET /v1/links': 'read',
  'GET /v1/values': 'read',
  'GET /v1/values/history': 'read',
  'GET /v1/values/follow': 'read',
  'GET /v1/logs': 'read',
  'GET /v1/logs/follow': 'read',
  'GET /v1/events': 'read',
  'GET /v1/events/follow': 'read',
  'GET /v1/audit': 'audit',
  'GET /v1/audit/chain': 'audit',

  'GET /v1/tokens': 'administer',
  'POST /v1/tokens': 'administer',
  'DELETE /v1/tokens/:name': 'administer',
  'GET /v1/clients': 'administer',
  'POST /v1/clients': 'administer',
  'DELETE /v1/clients/:name': 'administer',
}

/** All that stand above, as "METHOD /path". */
export const knownRoutes: readonly string[] = Object.keys(routes)

/** What it takes to call a route; null for one that nobody has thought of. HEAD is asked for as the GET that it is. */
export const permissionFor = (method: string, url: string): Permission | null =>
  routes[`${method === 'HEAD' ? 'GET' : method} ${url}`] ?? null

/** Throws `not-allowed` unless the caller's role has the permission. */
export function authorise(caller: Caller, needed: Permission): void {
  if (byRole[caller.role].includes(needed)) return
  const able = Object.entries(byRole).flatMap(([role, permissions]) => (permissions.includes(needed) ? [role] : []))
  const [text, last] = [able.slice(0, -1).join(', '), able.at(-1)!]
  const roles = text === '' ? last : `${text} or ${last}`
  throw new HyphaError(
    'not-allowed',
    `This needs the role ${roles}; the token ${caller.name} has the role ${caller.role}`,
  )
}

/** Throws `not-allowed` where the caller's token is for other apps. A publisher whose token names none may publish none. */
export function authoriseApp(caller: Caller, app: string, needed: Permission = 'publish'): void {
  if (caller.role !== 'publisher' || !scoped.includes(needed)) return
  const patterns = caller.apps ?? []
  if (patterns.some((pattern) => matchesApp(pattern, app))) return
  const names = patterns.length === 0 ? 'no app' : patterns.join(', ')
  throw new HyphaError('not-allowed', `The token ${caller.name} is for ${names}, not for the app ${app}`, {
    where: app,
    mend: 'Use a token that names the app: hypha token create NAME --role publisher --app APP.',
  })
}

/** `lab-*` stands for every app whose name begins with `lab-`, but never for a program of Hypha itself: its releases replace that of every device. Without the star a pattern stands for itself. */
export const matchesApp = (pattern: string, app: string): boolean =>
  pattern === app || (pattern.endsWith('*') && !isBuiltIn(app) && app.startsWith(pattern.slice(0, -1)))
