import { type Actor, asHyphaError, type ErrorCode, HyphaError } from '@hypha/core/errors.ts'
import { idForm, idPattern } from '@hypha/core/wire/ids.ts'
import type { FastifyError } from 'fastify'

const byActor: Readonly<Record<Actor, number>> = {
  caller: 400,
  author: 422,
  operator: 409,
  later: 503,
  peer: 400,
  hypha: 500,
}

/** Where HTTP has a more telling status than the one of who must act. */
const byCode: Partial<Readonly<Record<ErrorCode, number>>> = {
  'bytes-too-long': 413,
  'install-busy': 429,
  'name-taken': 409,
  'not-allowed': 403,
  'not-found': 404,
  'not-signed-in': 401,
  'release-number': 409,
  'store-conflict': 409,
  'too-many-attempts': 429,
  'join-token-unknown': 403,
  'join-token-expired': 403,
  'join-token-used': 403,
  'join-proof-invalid': 403,
  'signature-invalid': 403,
  'threshold-not-met': 403,
}

export const statusOf = (error: HyphaError): number => byCode[error.code] ?? byActor[error.act]

const odd = 'is not of the form that it should have'

/** What a field should have been, as people say it. */
function wanted({ keyword, params, message }: NonNullable<FastifyError['validation']>[number]): string {
  const { allowedValues, pattern } = (params ?? {}) as { allowedValues?: unknown; pattern?: unknown }
  if (keyword === 'enum' && Array.isArray(allowedValues)) return `must be one of ${allowedValues.join(', ')}`
  if (keyword === 'pattern' && pattern === idPattern.source) return `must be ${idForm}`
  return message ?? odd
}

/** Whatever a handler or Fastify itself threw, as one of our errors. */
export function toHyphaError(thrown: unknown): HyphaError {
  if (thrown instanceof HyphaError) return thrown
  const { code, statusCode, message, validation, validationContext } = thrown as Partial<FastifyError>
  if (validation !== undefined) {
    const [first] = validation
    const where = `${validationContext ?? 'request'}${(first?.instancePath ?? '').replaceAll('/', '.')}`
    return new HyphaError('request-invalid', `${where} ${first === undefined ? odd : wanted(first)}`, { where })
  }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new HyphaError('bytes-too-long', 'The body of the request is over its cap', { cause: thrown })
  }
  if (typeof statusCode === 'number' && statusCode < 500) {
    return new HyphaError('request-invalid', message ?? 'The request is not one that the gateway reads', {
      cause: thrown,
    })
  }
  return asHyphaError(thrown)
}
