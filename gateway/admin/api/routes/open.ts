import { HyphaError } from '@hypha/core/errors.ts'
import { maxMessageBytes } from '@hypha/core/wire/codec.ts'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { Failures } from '../failures.ts'
import { type Api, answers, bytesOf, cbor, cborBody, unchecked } from '../route.ts'
import { ErrorAnswer } from '../schemas/common.ts'

/** What nodes ask for without a certificate: they prove themselves in the body. It is taken and given as CBOR. */
export interface OpenHandlers {
  /** `POST /v1/join` */
  readonly join: (body: Uint8Array) => Promise<Uint8Array>
  /** `POST /v1/join-site` */
  readonly joinSite: (body: Uint8Array) => Promise<Uint8Array>
  /** `POST /v1/renew` */
  readonly renew: (body: Uint8Array) => Promise<Uint8Array>
  /** `GET /v1/root-chain`: proves itself, so that it may be had from whoever gives it. [P 5.9] */
  readonly rootChain: () => Uint8Array
}

export function openRoutes(api: Api, handlers: OpenHandlers | undefined, failures: Failures): void {
  api.get(
    '/healthz',
    {
      schema: {
        security: [],
        tags: ['fleet'],
        summary: 'Whether the gateway answers',
        response: answers(Type.Object({ ok: Type.Literal(true) })),
      },
    },
    async () => ({ ok: true }) as const,
  )
  if (handlers === undefined) return
  const response = {
    200: { description: 'CBOR', content: { [cbor]: { schema: { type: 'string', format: 'binary' } } } },
    '4xx': ErrorAnswer,
    '5xx': ErrorAnswer,
  }
  const answering = (handle: (body: Uint8Array) => Promise<Uint8Array>) => async (request: FastifyRequest) => {
    failures.check(request.ip)
    try {
      const answer = Buffer.from(await handle(bytesOf(request)))
      failures.succeeded(request.ip)
      return answer
    } catch (error) {
      if (error instanceof HyphaError && /^join-(token-unknown|proof-invalid)$/.test(error.code))
        failures.add(request.ip)
      throw error
    }
  }
  api.get(
    '/v1/root-chain',
    {
      schema: {
        security: [],
        tags: ['joining'],
        summary: 'Root metadata by rising version, as b/root has it',
        response,
      },
    },
    async (_request, reply) => reply.type(cbor).send(Buffer.from(handlers.rootChain())),
  )
  for (const [path, summary, handle] of [
    ['/v1/join', 'Join the fleet with an invitation', handlers.join],
    ['/v1/join-site', 'Join this gateway as a site with an invitation', handlers.joinSite],
    ['/v1/renew', "Renew a node's certificate by proof of its key", handlers.renew],
  ] as const) {
    const schema = { security: [], tags: ['joining'], summary, body: cborBody('See docs/protocol.md'), response }
    const run = answering(handle)
    api.post(path, { bodyLimit: maxMessageBytes, validatorCompiler: unchecked, schema }, async (request, reply) =>
      reply.type(cbor).send(await run(request)),
    )
  }
}
