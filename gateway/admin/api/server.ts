import { rm } from 'node:fs/promises'
import { type AddressInfo, connect, type Socket } from 'node:net'
import swagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import { type ErrorCode, HyphaError } from '@hypha/core/errors.ts'
import fastify, { type ConnectionError, type FastifyReply, type FastifyRequest } from 'fastify'
import { type ConnectionLimits, Connections } from '../../connections.ts'
import type { Installables } from '../../install/installables.ts'
import { identify, type Trust } from './auth.ts'
import { type DownloadLimits, Downloads, defaultDownloadLimits } from './downloads.ts'
import { statusOf, toHyphaError } from './errors.ts'
import { defaultFailureLimits, type FailureLimits, Failures } from './failures.ts'
import type { Federation } from './federation.ts'
import { authorise, authoriseApp, permissionFor } from './permissions.ts'
import { type Api, cbor, Follower } from './route.ts'
import { clientRoutes, configRoutes, tokenRoutes } from './routes/access.ts'
import { appRoutes, pushRoutes, signRoutes } from './routes/apps.ts'
import { recordRoutes, valueRoutes } from './routes/data.ts'
import { inviteRoutes, nodeRoutes, statusRoutes } from './routes/fleet.ts'
import { installRoutes } from './routes/install.ts'
import { linkRoutes } from './routes/links.ts'
import { type OpenHandlers, openRoutes } from './routes/open.ts'
import { planRoutes } from './routes/plans.ts'
import { rolloutRoutes } from './routes/rollouts.ts'
import { rootRoutes } from './routes/root.ts'
import { siteRoutes } from './routes/sites.ts'
import type { Services } from './services.ts'

export interface ApiOptions {
  readonly trust: Trust
  /** PEM; without it the listener speaks plain HTTP, which only a Unix socket may. */
  readonly tls?: { readonly certificate: string; readonly key: string }
  readonly open?: OpenHandlers
  /** Its upstream, and its sites. */
  readonly federation?: Federation
  /** What devices install. */
  readonly install?: Installables
  readonly downloadLimits?: Partial<DownloadLimits>
  readonly failureLimits?: Partial<FailureLimits>
  readonly transportLimits?: Partial<TransportLimits>
  /** Milliseconds that never jump. */
  readonly monotonic?: () => number
  /** For what must not happen: a defect behind an answer of 500. */
  readonly onDefect?: (error: HyphaError) => void
}

/** What one connection, and all of them, may take of the gateway before and while they ask. All times in milliseconds. */
export interface TransportLimits extends ConnectionLimits {
  readonly handshakeMs: number
  /** From the first byte of a request, or the end of the handshake, to the end of its headers. */
  readonly headersMs: number
  /** To the end of the body of who has a token: 128 MB come through a line of 10 Mbit/s. */
  readonly requestMs: number
  /** To the end of the body of who has none. */
  readonly openRequestMs: number
  /** A connection over which nothing goes, and one that waits for its next request. */
  readonly idleMs: number
  readonly keepAliveMs: number
  /** How often the times of headers and bodies are looked at. */
  readonly checkMs: number
  readonly requestsPerConnection: number
  readonly headerBytes: number
}

export const defaultTransportLimits: TransportLimits = {
  total: 1_000,
  perAddress: 100,
  // A fleet may stand behind one router, and join at once, with two connections each.
  rate: { perSecond: 100, burst: 5_000 },
  handshakeMs: 10_000,
  headersMs: 10_000,
  requestMs: 120_000,
  openRequestMs: 15_000,
  idleMs: 120_000,
  keepAliveMs: 30_000,
  checkMs: 2_000,
  requestsPerConnection: 10_000,
  headerBytes: 16 * 1024,
}

const maxBodyBytes = 256 * 1024

/** The HTTP API on one listener; `listenOnSocket` or `listenOnPort` opens it, `close` ends it and all that is followed. */
export async function createApi(services: Services, options: ApiOptions): Promise<Api> {
  const { trust, tls, onDefect = () => undefined, monotonic = () => performance.now() } = options
  const failures = new Failures({ ...defaultFailureLimits, ...options.failureLimits }, monotonic)
  const limits = { ...defaultTransportLimits, ...options.transportLimits }
  const connections = new Connections(limits, monotonic)
  const follower = new Follower()
  const common = {
    bodyLimit: maxBodyBytes,
    // A caller who sends a byte a minute holds no connection.
    requestTimeout: limits.requestMs,
    connectionTimeout: limits.idleMs,
    keepAliveTimeout: limits.keepAliveMs,
    maxRequestsPerSocket: limits.requestsPerConnection,
    clientErrorHandler: refuseBytes,
    // What fails before there is a route, such as a path that can't be decoded.
    frameworkErrors: (thrown: unknown, _request: unknown, reply: FastifyReply) =>
      void answerError(toHyphaError(thrown), reply),
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 200 },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true } },
  } as const
  const https = tls && {
    cert: tls.certificate,
    key: tls.key,
    minVersion: 'TLSv1.3' as const,
    handshakeTimeout: limits.handshakeMs,
    headersTimeout: limits.headersMs,
    connectionsCheckingInterval: limits.checkMs,
    maxHeaderSize: limits.headerBytes,
  }
  const api = (https ? fastify({ ...common, https }) : fastify(common)) as unknown as Api
  await api.register(swagger, { openapi: description })
  if (https) api.server.on('connection', (socket) => void connections.admit(socket))
  requirePermissions(api)
  api.addContentTypeParser(cbor, { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  api.decorateRequest('caller', null)
  api.addHook('onRequest', async (request) => {
    if (request.is404) return
    const permission = request.routeOptions.config.permission!
    if (permission === 'open') return endLate(request, limits.openRequestMs)
    const { authorization } = request.headers
    request.caller = identify(trust, { address: request.ip, authorization }, failures)
    connections.vouch(request.raw.socket)
    authorise(request.caller, permission)
    const { app } = request.params as { app?: string }
    if (app !== undefined) authoriseApp(request.caller, app, permission)
  })
  api.setErrorHandler((thrown, request, reply) => {
    const error = toHyphaError(thrown)
    if (isDenial(error.code, request)) {
      const asked = `${request.method} ${request.routeOptions.url ?? request.url}`
      services.denied({ caller: request.caller, address: request.ip, asked, code: error.code })
    }
    if (error.act === 'hypha') onDefect(error)
    return answerError(error, reply)
  })
  api.setNotFoundHandler((request) => {
    throw new HyphaError('not-found', `There is no ${request.method} ${request.url.split('?')[0]}`, {
      mend: 'See /openapi.json of the gateway for what there is.',
    })
  })
  api.addHook('preClose', async () => follower.end())
  openRoutes(api, options.open, failures)
  installRoutes(api, options.install, new Downloads({ ...defaultDownloadLimits, ...options.downloadLimits }, monotonic))
  statusRoutes(api, services)
  rootRoutes(api, services)
  nodeRoutes(api, services)
  inviteRoutes(api, services)
  appRoutes(api, services)
  planRoutes(api, services)
  rolloutRoutes(api, services)
  pushRoutes(api, services)
  signRoutes(api, services)
  configRoutes(api, services)
  linkRoutes(api, services)
  siteRoutes(api, options.federation)
  valueRoutes(api, services, follower)
  recordRoutes(api, services, follower)
  tokenRoutes(api, services)
  clientRoutes(api, services)
  api.get('/openapi.json', { schema: { hide: true } }, () => api.swagger())
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

/** Deny by default: a route of which permissions.ts doesn't say who may call it is a defect, found when the gateway starts. */
export function requirePermissions(api: Api): void {
  api.addHook('onRoute', (route) => {
    for (const method of [route.method].flat()) {
      const permission = permissionFor(method, route.url)
      if (permission === null) {
        throw new HyphaError('internal', `permissions.ts does not say who may call ${method} ${route.url}`)
      }
      route.config = { ...route.config, permission }
    }
  })
}

/** Whether the audit log should tell of an error. A request without a token is a mistake; one with a wrong token is an attempt. */
function isDenial(code: ErrorCode, { headers }: FastifyRequest): boolean {
  if (code === 'not-signed-in') return headers.authorization !== undefined
  return code === 'not-allowed' || code === 'too-many-attempts' || /^join-(token|proof)-/.test(code)
}

/** What was no HTTP, or came too slowly, is answered as every error is, and the connection ends. */
function refuseBytes(thrown: ConnectionError, socket: Socket): void {
  const late = thrown.code === 'ERR_HTTP_REQUEST_TIMEOUT'
  const message = late ? 'The request took too long to arrive' : 'The gateway did not understand the bytes as a request'
  const body = JSON.stringify(new HyphaError('request-invalid', message))
  const head = `HTTP/1.1 ${late ? '408 Request Timeout' : '400 Bad Request'}\r\ncontent-type: application/json\r\nconnection: close`
  if (socket.writable) socket.write(`${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  socket.destroy(thrown)
}

const answerError = (error: HyphaError, reply: FastifyReply) =>
  reply.status(statusOf(error)).type('application/json').send(JSON.stringify(error))

/** Ends the connection of a stranger whose request takes long to arrive. */
function endLate({ raw }: FastifyRequest, ms: number): void {
  const timer = setTimeout(() => raw.socket.destroy(), ms)
  raw.once('end', () => clearTimeout(timer))
  raw.once('close', () => clearTimeout(timer))
}

/** Of Linux, `sun_path` without its end; macOS has four fewer. */
const maxSocketPathBytes = 107

/** Throws `already-running` where a gateway listens on this socket. */
export async function refuseSecond(path: string): Promise<void> {
  if (!(await answersAt(path))) return
  throw new HyphaError('already-running', `A gateway listens on ${path} already`, { where: path })
}

/** Opens a Unix socket that only the user of this process may connect to. What an ended gateway left there is replaced; one that lives is not. */
export async function listenOnSocket(api: Api, path: string): Promise<void> {
  await refuseSecond(path)
  await rm(path, { force: true })
  // Made with its mode, not given it afterwards: in between, anyone could connect.
  const before = process.umask(0o177)
  try {
    await api.listen({ path })
  } catch (cause) {
    const tooLong = Buffer.byteLength(path) > maxSocketPathBytes
    throw new HyphaError('port-unavailable', `The gateway can't listen on ${path}: ${(cause as Error).message}`, {
      where: path,
      mend: tooLong
        ? `The path of a socket has at most ${maxSocketPathBytes} bytes: move the folder to where its path is shorter, and name it with --home or HYPHA_HOME.`
        : 'See that the folder can be written to.',
      cause,
    })
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
