import { HyphaError } from '@hypha/core/errors.ts'
import type { Failures } from './failures.ts'
import type { Caller } from './services.ts'

/** How callers of a listener are known. */
export type Trust =
  /** The Unix socket: whoever may open the file (mode 0600) is the operator. */
  | { readonly kind: 'local' }
  /** The TLS port: `find` answers who has a token, null for nobody. */
  | { readonly kind: 'tokens'; readonly find: (token: string) => Caller | null }

const localCaller: Caller = { name: 'local', role: 'admin' }

export interface Attempt {
  /** The address that the request came from. */
  readonly address: string
  /** The header, as it came. */
  readonly authorization: string | undefined
}

/** Who a request is from. Throws `not-signed-in`, or `too-many-attempts` for an address that was wrong too often. */
export function identify(trust: Trust, attempt: Attempt, failures: Failures): Caller {
  if (trust.kind === 'local') return localCaller
  failures.check(attempt.address)
  const token = /^Bearer ([\x21-\x7e]{1,200})$/i.exec(attempt.authorization ?? '')?.[1]
  const caller = token === undefined ? null : trust.find(token)
  if (caller !== null) {
    failures.succeeded(attempt.address)
    return caller
  }
  // No token at all is a mistake, not a guess.
  if (attempt.authorization !== undefined) failures.add(attempt.address)
  const message =
    attempt.authorization === undefined ? 'The request has no token' : 'The token is unknown or has expired'
  throw new HyphaError('not-signed-in', message)
}
