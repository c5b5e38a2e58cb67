import { HyphaError } from '@hypha/core/errors.ts'
import type { Role } from './schemas/access.ts'
import { roles } from './schemas/access.ts'
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
  if (caller !== null) return caller
  // No token at all is a mistake, not a guess.
  if (attempt.authorization !== undefined) failures.add(attempt.address)
  const message =
    attempt.authorization === undefined ? 'The request has no token' : 'The token is unknown or has expired'
  throw new HyphaError('not-signed-in', message)
}

/** Throws `not-allowed` unless the caller's role is the one that is needed, or one above it. */
export function authorise(caller: Caller, needed: Role): void {
  if (roles.indexOf(caller.role) >= roles.indexOf(needed)) return
  throw new HyphaError(
    'not-allowed',
    `This needs the role ${needed}; the token ${caller.name} has the role ${caller.role}`,
  )
}

export interface FailureLimits {
  /** So many failures from one address within the window are answered; further ones are not even looked at. */
  readonly failures: number
  readonly windowMs: number
  /** Addresses that are remembered at once. */
  readonly addresses: number
}

export const defaultFailureLimits: FailureLimits = { failures: 10, windowMs: 60_000, addresses: 10_000 }

/** Counts failed attempts by address, so that a token can't be guessed at the speed of the network. */
export class Failures {
  readonly #limits: FailureLimits
  readonly #now: () => number
  readonly #seen = new Map<string, { count: number; since: number }>()

  constructor(limits: FailureLimits, now: () => number) {
    this.#limits = limits
    this.#now = now
  }

  check(address: string): void {
    const entry = this.#entry(address)
    if (entry === null || entry.count < this.#limits.failures) return
    const seconds = Math.ceil((entry.since + this.#limits.windowMs - this.#now()) / 1000)
    throw new HyphaError(
      'too-many-attempts',
      `${entry.count} wrong attempts came from ${address}; wait ${seconds} seconds`,
    )
  }

  add(address: string): void {
    const entry = this.#entry(address) ?? { count: 0, since: this.#now() }
    this.#seen.delete(address)
    // The oldest goes: a flood of addresses must not fill the memory.
    if (this.#seen.size >= this.#limits.addresses) this.#seen.delete(this.#seen.keys().next().value!)
    this.#seen.set(address, { ...entry, count: entry.count + 1 })
  }

  #entry(address: string): { count: number; since: number } | null {
    const entry = this.#seen.get(address)
    if (entry === undefined || this.#now() < entry.since + this.#limits.windowMs) return entry ?? null
    this.#seen.delete(address)
    return null
  }
}
