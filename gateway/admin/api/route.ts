import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { HyphaError } from '@hypha/core/errors.ts'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest, RawServerDefault } from 'fastify'
import Type, { type TSchema } from 'typebox'
import type { Permission } from './permissions.ts'
import { ErrorAnswer, Id } from './schemas/common.ts'
import type { Caller } from './services.ts'

export type Api = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What it takes to call the route: permissions.ts says it of every one. */
    permission?: Permission
  }
  interface FastifyRequest {
    caller: Caller | null
  }
}

/** Who asks. On a route that is not open there is always somebody. */
export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === null) throw new HyphaError('internal', 'An open route asked who called it')
  return request.caller
}

/** The answers of a route: what it gives, and how it fails. */
export const answers = <T extends TSchema>(schema: T) => ({ 200: schema, '4xx': ErrorAnswer, '5xx': ErrorAnswer })

export const cbor = 'application/cbor'

/** Tells OpenAPI of a body of CBOR, which JSON Schema doesn't reach. */
export const cborBody = (description: string) => ({
  content: { [cbor]: { schema: Type.Unsafe<Uint8Array>({ type: 'string', format: 'binary', description }) } },
})

/** The answers of a route that gives CBOR. */
export const cborAnswer = (description: string): Record<string, unknown> => ({
  200: { description, content: { [cbor]: { schema: Type.Unsafe<Uint8Array>({ type: 'string', format: 'binary' }) } } },
  '4xx': ErrorAnswer,
  '5xx': ErrorAnswer,
})

/** CBOR bodies are checked by their codecs: JSON Schema has no say over bytes. */
export const unchecked = () => () => true

/** The received bytes of a CBOR body. Throws `request-invalid` where the body is none. */
export function bytesOf(request: FastifyRequest): Uint8Array {
  const { body } = request
  if (body instanceof Uint8Array) return new Uint8Array(body.buffer, body.byteOffset, body.length)
  throw new HyphaError('request-invalid', `The body must be ${cbor}`, { where: 'body' })
}

export const AppParams = Type.Object({ app: Id })

/** Lines of JSON, one an item. */
export const lines = (schema: TSchema): Record<string, unknown> => ({
  200: { description: 'One item a line, as they come', content: { 'application/x-ndjson': { schema } } },
  '4xx': ErrorAnswer,
  '5xx': ErrorAnswer,
})

/** Streams items until the caller goes away or the gateway stops. */
export class Follower {
  readonly #open = new Set<AbortController>()

  send<T>(reply: FastifyReply, follow: (signal: AbortSignal) => AsyncIterable<T>): FastifyReply {
    const controller = new AbortController()
    this.#open.add(controller)
    // Nothing may happen for an hour: an idle follower is none that has gone away.
    reply.raw.socket?.setTimeout(0)
    reply.raw.on('close', () => {
      this.#open.delete(controller)
      controller.abort()
    })
    return reply.type('application/x-ndjson').send(Readable.from(linesOf(follow(controller.signal))))
  }

  /** Ends all streams: the server closes only when nobody is being answered. */
  end(): void {
    for (const controller of this.#open) controller.abort()
  }
}

async function* linesOf<T>(items: AsyncIterable<T>): AsyncGenerator<string> {
  // An empty line at once: it brings the headers to the caller, who then knows that he follows.
  yield '\n'
  for await (const item of items) yield `${JSON.stringify(item)}\n`
}
