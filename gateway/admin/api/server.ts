import { rm } from 'node:fs/promises'
import { type AddressInfo, connect } from 'node:net'
import swagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import { HyphaError } from '@hypha/core/errors.ts'
import fastify from 'fastify'
import { authorise, defaultFailureLimits, type FailureLimits, Failures, identify, type Trust } from './auth.ts'
import { statusOf, toHyphaError } from './errors.ts'
import { type Api, cbor, Follower } from './route.ts'
import { clientRoutes, configRoutes, tokenRoutes } from './routes/access.ts'
import { appRoutes, planRoutes, pushRoutes } from './routes/apps.ts'
import { recordRoutes, valueRoutes } from './routes/data.ts'
import { inviteRoutes, nodeRoutes, statusRoutes } from './routes/fleet.ts'
import { type OpenHandlers, openRoutes } from './routes/open.ts'
import type { Services } from './services.ts'

export interface ApiOptions {
  readonly trust: Trust
  /** PEM; without it the listener speaks plain HTTP, which only a Unix socket may. */
  readonly tls?: { readonly certificate: string; readonly key: string }
  readonly open?: OpenHandlers
  readonly failureLimits?: FailureLimits
  /** Milliseconds that never jump. */
  readonly monotonic?: () => number
  /** For what must not happen: a defect behind an answer of 500. */
  readonly onDefect?: (error: HyphaError) => void
}

const maxBodyBytes = 256 * 1024

/** The HTTP API on one listener; `listenOnSocket` or `listenOnPort` opens it, `close` ends it and all that is followed. */
export async function createApi(services: Services, options: ApiOptions): Promise<Api> {
  const { trust, tls, onDefect = () => undefined, monotonic = () => performance.now() } = options
  const failures = new Failures(options.failureLimits ?? defaultFailureLimits, monotonic)
  const follower = new Follower()
  const common = {
    bodyLimit: maxBodyBytes,
    // A caller who sends a byte a minute holds no connection.
    requestTimeout: 120_000,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 200 },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true } },
  } as const
  const https = tls && { cert: tls.certificate, key: tls.key, minVersion: 'TLSv1.3' as const }
  const api = (https ? fastify({ ...common, https }) : fastify(common)) as unknown as Api
  await api.register(swagger, { openapi: description })
  requireRoles(api)
  api.addContentTypeParser(cbor, { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  api.decorateRequest('caller', null)
  api.addHook('onRequest', async (request) => {
    const { role } = request.routeOptions.config
    if (request.is404 || role === null || role === undefined) return
    const { authorization } = request.headers
    request.caller = identify(trust, { address: request.ip, authorization }, failures)
    authorise(request.caller, role)
  })
  api.setErrorHandler((thrown, _request, reply) => {
    const error = toHyphaError(thrown)
    if (error.act === 'hypha') onDefect(error)
    return reply.status(statusOf(error)).type('application/json').send(JSON.stringify(error))
  })
  api.setNotFoundHandler((request) => {
    throw new HyphaError('not-found', `There is no ${request.method} ${request.url.split('?')[0]}`)
  })
  api.addHook('preClose', async () => follower.end())
  openRoutes(api, options.open, failures)
  statusRoutes(api, services)
  nodeRoutes(api, services)
  inviteRoutes(api, services)
  appRoutes(api, services)
  planRoutes(api, services)
  pushRoutes(api, services)
  configRoutes(api, services)
  valueRoutes(api, services, follower)
  recordRoutes(api, services, follower)
  tokenRoutes(api, services)
  clientRoutes(api, services)
  api.get('/openapi.json', { config: { role: null }, schema: { hide: true } }, () => api.swagger())
  await api.ready()
  return api
}

const description = {
  openapi: '3.1.0',
  info: {
    title: 'Hypha gateway',
    version: '1',
    description: 'Errors are JSON: code, message, where, mend. Times are milliseconds since 1970 UTC.',
  },
  components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
  security: [{ token: [] }],
} satisfies FastifyDynamicSwaggerOptions['openapi']

/** Deny by default: a route that doesn't say who may call it is a defect, found when the gateway starts. */
function requireRoles(api: Api): void {
  api.addHook('onRoute', ({ url, config }) => {
    if (config?.role === undefined) throw new HyphaError('internal', `The route ${url} does not say who may call it`)
  })
}

/** Opens a Unix socket that only the user of this process may connect to. What an ended gateway left there is replaced; one that lives is not. */
export async function listenOnSocket(api: Api, path: string): Promise<void> {
  if (await answersAt(path)) {
    throw new HyphaError('already-running', `A gateway listens on ${path} already`, { where: path })
  }
  await rm(path, { force: true })
  // Made with its mode, not given it afterwards: in between, anyone could connect.
  const before = process.umask(0o177)
  try {
    await api.listen({ path })
  } finally {
    process.umask(before)
  }
}

/** Opens a TLS port and gives its number; 0 asks for any that is free. Throws `port-unavailable`. */
export async function listenOnPort(api: Api, host: string, port: number): Promise<number> {
  try {
    await api.listen({ host, port })
  } catch (cause) {
    throw new HyphaError('port-unavailable', `The HTTP API can't listen on port ${port}: ${(cause as Error).message}`, {
      cause,
    })
  }
  return (api.server.address() as AddressInfo).port
}

function answersAt(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
